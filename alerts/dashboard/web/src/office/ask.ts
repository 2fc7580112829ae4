// A question that holds the screen until it is answered: a dialog with a form. Escape and Cancel take it back.
import { type Child, el, setText } from "../kernel/dom.ts";
import { button, values } from "./parts.ts";
import { w } from "./words.ts";

export interface Question<T> {
  title: string;
  content: readonly Child[];
  go: string; // on the button
  answer(said: Record<string, string>): Promise<T>; // what throws is told, and may be tried again
  explain(why: unknown): Child; // in words
}

let asked = 0;

// What `answer` gave; null when the question was taken back.
export function ask<T>({ title, content, go, answer, explain }: Question<T>): Promise<T | null> {
  return new Promise((resolve) => {
    let given: T | null = null;
    const id = `office-ask-${++asked}`;
    const fault = el("div", { class: "fault", role: "alert" });
    const send = el("button", { class: "primary", text: go });
    const form: HTMLFormElement = el(
      "form",
      { class: "office-form" },
      el("h2", { id, text: title }),
      ...content,
      fault,
      el(
        "div",
        { class: "split" },
        send,
        button(w.cancel, () => dialog.close(), { class: "office-cancel" }),
      ),
    );
    const dialog: HTMLDialogElement = el("dialog", { class: "office-ask", "aria-labelledby": id }, form);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      send.disabled = true;
      setText(fault, "");
      try {
        given = await answer(values(form));
        dialog.close();
      } catch (why) {
        const told = explain(why);
        fault.replaceChildren(...(told === null ? [] : [told]));
      } finally {
        send.disabled = false;
      }
    });
    held(dialog, () => resolve(given));
  });
}

// Shows a dialog until it is closed or another page is asked for.
export function held(dialog: HTMLDialogElement, closed: () => void): void {
  const away = () => dialog.close();
  window.addEventListener("hashchange", away);
  dialog.addEventListener("close", () => {
    window.removeEventListener("hashchange", away);
    dialog.remove();
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
}
