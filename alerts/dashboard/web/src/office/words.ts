// The words of the office, in the language in use.
import { choose } from "../i18n/index.ts";
import { de } from "../i18n/office.de.ts";
import { en } from "../i18n/office.en.ts";

export const w = choose({ en, de });
