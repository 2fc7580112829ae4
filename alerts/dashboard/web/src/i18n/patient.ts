// The words of the patient page in the language of the screen.
import { choose } from "./index.ts";
import { de } from "./patient.de.ts";
import { en } from "./patient.en.ts";

export const w = choose({ en, de });
