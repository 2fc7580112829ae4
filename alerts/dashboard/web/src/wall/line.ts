// One row of the list.
import { t } from "../i18n/index.ts";
import type { en } from "../i18n/list.en.ts";
import { labelOf, level, mark } from "../kernel/alarm.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import { linkOf, type Ward } from "../kernel/ward.ts";
import { next, type Row } from "./rows.ts";

export interface LineEvents {
  open(row: Row): void;
  acknowledge: ((row: Row) => void) | null; // null: not allowed
}

const cell = (name: string, ...children: Node[]): HTMLDivElement =>
  el("div", { role: "cell", class: `list-${name}` }, ...children);
const part = (name: string): HTMLSpanElement => el("span", { class: name });

export class Line {
  readonly node: HTMLElement;
  readonly #ward: Ward;
  readonly #w: typeof en;
  readonly #patient: string;
  #row: Row | null = null;
  readonly #label = part("list-label");
  readonly #more = part("list-more");
  readonly #bed: HTMLButtonElement;
  readonly #rate = cell("rate");
  readonly #quality = cell("quality");
  readonly #battery = cell("battery");
  readonly #age = cell("age");
  readonly #deed: HTMLButtonElement | null;
  readonly #done = part("list-done");

  constructor(patient: string, ward: Ward, w: typeof en, on: LineEvents) {
    this.#patient = patient;
    this.#ward = ward;
    this.#w = w;
    this.#bed = el("button", { type: "button", class: "name", onclick: () => this.#row && on.open(this.#row) });
    const { acknowledge } = on;
    this.#deed =
      acknowledge &&
      el("button", { type: "button", class: "acknowledge", onclick: () => this.#row && acknowledge(this.#row) });
    this.node = el(
      "div",
      { role: "row", class: "list-row", data: { patient } },
      cell("alarm", this.#label, this.#more),
      cell("bed", this.#bed),
      cell("patient", el("a", { href: hashOf("patient", patient), text: patient })),
      this.#rate,
      this.#quality,
      this.#battery,
      this.#age,
      cell("deed", ...(this.#deed ? [this.#deed] : []), this.#done),
    );
  }

  get hasFocus(): boolean {
    return this.node.contains(document.activeElement);
  }

  // place: of all rows that match, from 0
  show(row: Row, place: number, rowPx: number): void {
    this.#row = row;
    const [w, { vitals, alarms }] = [this.#w, row];
    setAttr(this.node, "aria-rowindex", String(place + 2));
    this.node.style.translate = `0 ${place * rowPx}px`;
    setAttr(this.node, "data-stale", vitals.stale ? "" : null);
    setText(this.#bed, t.bed(row.bed));
    setAttr(this.#bed, "aria-label", t.openStrip(this.#ward.who(this.#patient)));
    setText(this.#rate, vitals.heartRate === null ? t.none : `${vitals.heartRate} ${t.bpm}`);
    setText(this.#quality, vitals.leadOff ? t.leadOff : vitals.sqi === null ? t.none : vitals.sqi.toFixed(2));
    setText(this.#battery, vitals.battery === null ? t.none : t.battery(vitals.battery));
    const link = linkOf(vitals);
    const age = vitals.ageS === null ? t.noDataYet : vitals.stale ? t.noData(vitals.ageS) : t.age(vitals.ageS);
    setText(this.#age, age);
    setAttr(this.#age, "data-link", link);
    setAttr(this.#age, "title", t.links[link]);
    const worst = alarms[0];
    setAttr(this.node, "data-alarm", worst ? level(worst) : null);
    setAttr(this.node, "data-presence", worst ? worst.presence : null);
    setText(this.#label, worst ? `${mark(worst)} ${labelOf(worst)}`.trim() : "");
    setText(this.#more, alarms.length > 1 ? w.more(alarms.length - 1) : "");
    setAttr(this.#more, "title", alarms.length > 1 ? w.moreLabel(alarms.length - 1) : null);
    const due = next(row);
    setText(this.#done, !due && worst ? w.acknowledged : "");
    if (!this.#deed) return;
    this.#deed.hidden = due === null;
    setText(this.#deed, t.acknowledge);
    setAttr(this.#deed, "aria-label", due ? w.acknowledge(due.label, this.#ward.who(this.#patient)) : null);
  }
}
