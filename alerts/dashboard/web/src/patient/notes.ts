// What people wrote about the patient, and a new note.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { reasonOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Station } from "../kernel/station.ts";
import type { History, PatientNote } from "./history.ts";
import { moment } from "./when.ts";

const LONGEST = 2000;

export class Notes {
  readonly node: HTMLElement;
  readonly #history: History;
  readonly #list = el("ul", { class: "patient-notes-list" });
  readonly #fault = el("p", { class: "patient-note", role: "status" });
  readonly #text = el("textarea", { id: "patient-new-note", rows: 3, maxlength: LONGEST, required: true });
  readonly #may: boolean;

  constructor(station: Station, history: History) {
    this.#history = history;
    this.#may = station.may("note");
    const form = el(
      "form",
      { class: "patient-form", onsubmit: (event: Event) => void this.#write(event) },
      el("label", { for: "patient-new-note", text: w.newNote }),
      this.#text,
      el("p", { class: "about", text: w.noteKept }),
      el("button", { class: "primary", text: w.writeNote }),
    );
    this.node = el(
      "section",
      { class: "patient-notes", "aria-label": w.notes },
      el("header", {}, el("h2", { text: w.notes, tabindex: "-1" })),
      this.#may ? form : null,
      this.#fault,
      this.#list,
    );
    if (!this.#may) setText(this.#fault, w.notesNotYours);
  }

  async load(): Promise<void> {
    if (!this.#may) return;
    try {
      this.#show(await this.#history.notes());
    } catch (error) {
      setText(this.#fault, t.failed(reasonOf(error)));
    }
  }

  #show(notes: readonly PatientNote[]): void {
    setText(this.#fault, notes.length ? "" : w.noNotes);
    this.#list.replaceChildren(
      ...notes.map((note) =>
        el(
          "li",
          {},
          el("p", { class: "patient-words", text: note.text }),
          el("p", { class: "patient-tags", text: w.noteBy(note.by, moment(note.at_us)) }),
        ),
      ),
    );
  }

  // What was written stays in the field until it is kept.
  async #write(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!text) return;
    try {
      await this.#history.write(text);
      this.#text.value = "";
      await this.load();
    } catch (error) {
      setText(this.#fault, t.failed(reasonOf(error)));
    }
  }
}
