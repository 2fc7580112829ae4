// A new password, said twice.
import { field, input } from "./parts.ts";
import { w } from "./words.ts";

const LEAST = 8;
const props = { type: "password", required: true, minlength: LEAST, maxlength: 256, autocomplete: "new-password" };

export const passwordFields = (): HTMLElement[] => [
  field(w.password, input("password", props), w.passwordHint),
  field(w.repeat, input("password-again", props)),
];

// The password of such a form. Throws where the two are not the same.
export function chosen(said: Record<string, string>): string {
  const { password = "", "password-again": again = "" } = said;
  if (password !== again) throw new Error(w.passwordsDiffer);
  return password;
}
