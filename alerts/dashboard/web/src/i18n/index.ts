// The words of the language in use: that of the browser, or what was chosen on this screen.
import { kept } from "../kernel/kept.ts";
import { de } from "./de.ts";
import { en, type Strings } from "./en.ts";

export const LANGUAGES = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof LANGUAGES;

const known = (name: string): name is Language => Object.hasOwn(LANGUAGES, name);

// The first of what was chosen and what the browser wants that is spoken here; otherwise English.
export function pick(...wanted: (string | undefined)[]): Language {
  for (const tag of wanted) {
    const name = tag?.toLowerCase().split("-")[0] ?? "";
    if (known(name)) return name;
  }
  return "en";
}

export const language: Language = pick(kept.get("language", ""), globalThis.navigator?.language);

// For the strings of a page that is loaded later: `const w = choose({ en, de })`, with `de: typeof en`.
export const choose = <T>(tables: Record<Language, T>): T => tables[language];

const strings: Strings = choose({ en, de });
export const { t, marks, priorities, technical, reasons, sentence } = strings;

// Of a condition, by its code; `otherwise` is the server's name for it.
export const nameOf = (code: string, otherwise: string): string =>
  (Object.hasOwn(strings.conditions, code) && strings.conditions[code]) || otherwise;
