// Begins: the language of the page, then everything else.
import { language } from "./i18n/index.ts";
import { decodeFrame } from "./kernel/wire.ts";
import { Shell } from "./shell.ts";
import { HighPass } from "./wall/trace.ts";

document.documentElement.lang = language;
const shell = new Shell();
shell.begin();

// For whoever looks through the console, and for the tests in a browser.
const { ward, sound, link } = shell.station;
Object.assign(window, { liteheart: { ward, wall: shell.wall, sound, link, decodeFrame, HighPass } });
