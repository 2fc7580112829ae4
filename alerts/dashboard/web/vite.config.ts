import { defineConfig } from "vite";

// Flat, named by content: the dashboard role serves the folder under /static/ and lets browsers keep it for ever.
export default defineConfig({
  base: "/static/",
  publicDir: false,
  clearScreen: false,
  logLevel: "warn",
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsDir: "",
    assetsInlineLimit: 0, // the content security policy allows no data: addresses
    target: "es2023",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
});
