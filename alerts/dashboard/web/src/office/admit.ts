// Who is here, and admitting.
import { api, reasonOf } from "../kernel/api.ts";
import { arrange, el, setText } from "../kernel/dom.ts";
import type { Items, Stay } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { identityFields, identityOf } from "./glass.ts";
import { field, input, refused, Said, section, sheet, Table, values } from "./parts.ts";
import { BED, badBed, Row } from "./stay.ts";
import { w } from "./words.ts";

const AGAIN_S = 10;
const natural = new Intl.Collator(undefined, { numeric: true });

export function open(app: App): Page {
  if (!app.station.may("look")) return refused(w.admissions);
  return new Admissions(app);
}

class Admissions implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #rows = new Map<string, Row>();
  readonly #said = new Said();
  readonly #count = el("span", { class: "about" });
  readonly #empty = el("p", { class: "empty", text: w.loading });
  readonly #find = input("find", {
    type: "search",
    placeholder: w.find,
    "aria-label": w.find,
    oninput: () => this.#show(),
  });
  readonly #table = new Table(
    w.admissions,
    [w.bed, w.patient, w.identity, w.since, w.signal, w.devices, w.actionsHead],
    { spoken: true },
  );
  #stays: Stay[] = [];
  #seconds = 0;
  #left = false;

  constructor(app: App) {
    this.#app = app;
    const form = app.station.may("admit") ? section(w.admit, this.#form()) : null;
    this.node = sheet(w.admissions, [this.#count], [this.#find], form, this.#said.node, this.#table.node, this.#empty);
    this.#table.node.hidden = true;
    void this.load();
  }

  tick(): void {
    for (const row of this.#rows.values()) row.tick();
    if (++this.#seconds % AGAIN_S === 0) void this.load();
  }

  leave(): void {
    this.#left = true;
    for (const row of this.#rows.values()) row.leave();
  }

  async load(): Promise<void> {
    try {
      const { items } = await api<Items<Stay>>("/admissions");
      if (this.#left) return;
      this.#stays = items.sort((a, b) => natural.compare(a.bed || "\uffff", b.bed || "\uffff"));
      this.#show();
    } catch (why) {
      if (this.#left) return;
      if (this.#stays.length) this.#app.failed(reasonOf(why));
      else setText(this.#empty, w.notLoaded(reasonOf(why)));
    }
  }

  #show(): void {
    const wanted = this.#find.value.trim().toLowerCase();
    const shown = this.#stays.filter(({ bed, patient, devices }) =>
      [bed, patient, ...devices].some((text) => text.toLowerCase().includes(wanted)),
    );
    const names = new Set(shown.map(({ patient }) => patient));
    for (const [patient, row] of this.#rows) {
      if (names.has(patient)) continue;
      row.leave();
      row.node.remove();
      this.#rows.delete(patient);
    }
    arrange(
      this.#table.body,
      shown.map((stay) => this.#row(stay).node),
    );
    setText(this.#count, w.here(this.#stays.length));
    this.#table.node.hidden = !shown.length;
    this.#empty.hidden = shown.length > 0;
    setText(this.#empty, this.#stays.length ? w.nobodyFound : w.nobodyHere);
  }

  #row(stay: Stay): Row {
    const known = this.#rows.get(stay.patient);
    if (known) {
      known.show(stay);
      return known;
    }
    const row = new Row(this.#app, this.#table, stay, (text) => this.#done(text));
    this.#rows.set(stay.patient, row);
    return row;
  }

  async #done(text: string): Promise<void> {
    this.#said.say(text);
    await this.load();
  }

  #form(): HTMLElement {
    const bed = input("bed", { required: true, maxlength: 32, pattern: BED, title: w.badBed });
    const go = el("button", { class: "primary", text: w.admitGo });
    const form: HTMLFormElement = el(
      "form",
      { class: "office-row" },
      field(w.bed, bed),
      ...identityFields(null),
      go,
      el("p", { class: "office-hint", text: w.identityNote }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#admit(form, go);
    });
    return form;
  }

  async #admit(form: HTMLFormElement, go: HTMLButtonElement): Promise<void> {
    const { bed = "", ...rest } = values(form);
    go.disabled = true;
    try {
      const identity = identityOf(rest);
      const body = identity ? { bed, identity } : { bed };
      const { patient } = await api<{ patient: string }>("/patients", { method: "POST", body });
      form.reset();
      await this.#done(w.admitted(bed, patient));
      this.#rows.get(patient)?.focus();
    } catch (why) {
      this.#said.fault(badBed(why, bed));
    } finally {
      go.disabled = false;
    }
  }
}
