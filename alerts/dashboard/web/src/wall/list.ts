// Every patient in one line: sorted, searched, as many as there are; only the lines in sight are in the document.
import "../style/list.css";
import { choose } from "../i18n/index.ts";
import { de } from "../i18n/list.de.ts";
import { en } from "../i18n/list.en.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { choice, el, setAttr, setText } from "../kernel/dom.ts";
import { kept } from "../kernel/kept.ts";
import { hashOf, isId } from "../kernel/route.ts";
import type { Alarm } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { Line } from "./line.ts";
import {
  COLUMNS,
  type Column,
  matches,
  next,
  type Order,
  type Row,
  rowsOf,
  SHOWN,
  type Shown,
  sorted,
} from "./rows.ts";

const ROW_PX = 36; // as in the style sheet
const SPARE = 6; // rows drawn beyond what is in sight
const HELD_MAX_MS = 3000;
const DESCENDS: ReadonlySet<Column> = new Set(["rate", "age"]); // first the most
const w = choose({ en, de });

export function open(app: App): Page {
  const list = new PatientList(app);
  return { node: list.node, tick: () => list.draw(), alarm: () => list.soon(), leave: () => list.leave() };
}

class PatientList {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #lines = new Map<string, Line>();
  readonly #heads = new Map<Column, HTMLElement>();
  readonly #count = el("span", { class: "list-count", role: "status" });
  readonly #body = el("div", { class: "list-body", role: "rowgroup" });
  readonly #table: HTMLElement;
  readonly #stored = el("a"); // who was imported or has left is not here, and has a page all the same
  readonly #none = el("p", { class: "empty", hidden: true }, `${w.none} `, this.#stored);
  readonly #search = el("input", { type: "search", placeholder: w.search, "aria-label": w.search, maxlength: 64 });
  #order: Order = { by: "alarm", descending: false };
  #shown: Shown = "all";
  #rows: Row[] = [];
  #heldAt = Number.NEGATIVE_INFINITY;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App) {
    this.#app = app;
    this.#shown = SHOWN.find((one) => one === kept.get("list-shown", "all")) ?? "all";
    this.#search.addEventListener("input", () => this.draw());
    this.#table = el(
      "div",
      { class: "list-table", role: "table", "aria-label": w.table, tabindex: "0" },
      el("div", { role: "rowgroup", class: "list-heads" }, this.#headRow()),
      this.#body,
    );
    this.#table.addEventListener("scroll", () => this.#fill(), { passive: true });
    this.#table.addEventListener("pointerdown", () => {
      this.#heldAt = performance.now();
    });
    document.addEventListener("pointerup", this.#released);
    const which = choice(
      w.show,
      SHOWN.map((one) => [one, w[one]] as const),
      this.#shown,
      (one) => this.#choose(one),
    );
    this.node = el(
      "main",
      { class: "page list-page", "aria-label": w.title },
      el("div", { class: "list-tools" }, el("h2", { text: w.title }), this.#search, which, this.#count),
      this.#table,
      this.#none,
    );
    this.soon();
  }

  // What is pressed must not move away; a press that was let go elsewhere holds nothing for long.
  readonly #released = (): void => {
    this.#heldAt = Number.NEGATIVE_INFINITY;
  };

  leave(): void {
    clearTimeout(this.#soon);
    document.removeEventListener("pointerup", this.#released);
  }

  // Several alarms that come together are drawn together.
  soon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.draw();
    }, 0);
  }

  draw(): void {
    if (performance.now() - this.#heldAt < HELD_MAX_MS) return;
    const all = rowsOf(this.#app.ward);
    this.#rows = sorted(
      all.filter((row) => matches(row, this.#search.value, this.#shown)),
      this.#order,
    );
    setText(this.#count, w.shown(this.#rows.length, all.length));
    setAttr(this.#table, "aria-rowcount", String(this.#rows.length + 1));
    this.#none.hidden = this.#rows.length > 0;
    this.#offer(this.#search.value.trim());
    this.#body.style.height = `${this.#rows.length * ROW_PX}px`;
    this.#fill();
  }

  #offer(name: string): void {
    const sought = isId(name) && !this.#app.ward.states.has(name);
    setText(this.#stored, sought ? w.stored(name) : "");
    setAttr(this.#stored, "href", sought ? hashOf("patient", name) : null);
  }

  #fill(): void {
    const first = Math.max(0, Math.floor(this.#table.scrollTop / ROW_PX) - SPARE);
    const last = Math.ceil((this.#table.scrollTop + this.#table.clientHeight) / ROW_PX) + SPARE;
    const inSight = new Map(this.#rows.slice(first, last).map((row, i) => [row.patient, first + i]));
    for (const [patient, line] of this.#lines) {
      if (inSight.has(patient) || (line.hasFocus && this.#rows.some((row) => row.patient === patient))) continue;
      line.node.remove();
      this.#lines.delete(patient);
    }
    this.#rows.forEach((row, i) => {
      if (inSight.has(row.patient) || this.#lines.has(row.patient)) this.#line(row.patient).show(row, i, ROW_PX);
    });
  }

  #line(patient: string): Line {
    let line = this.#lines.get(patient);
    if (!line) {
      const mayAcknowledge = this.#app.station.may("acknowledge");
      line = new Line(patient, this.#app.ward, w, {
        open: (row) => this.#app.review(row.alarms[0] ?? row.patient),
        acknowledge: mayAcknowledge ? (row) => void this.#acknowledge(next(row)) : null,
      });
      this.#lines.set(patient, line);
      this.#body.append(line.node);
    }
    return line;
  }

  async #acknowledge(alarm: Alarm | null): Promise<void> {
    if (!alarm) return;
    try {
      const path = `/alarms/${encodeURIComponent(alarm.alarm_id)}/acknowledge`;
      this.#app.station.alarmCame(await api<Alarm>(path, { method: "POST", body: { reason: null } }));
    } catch (error) {
      this.#app.failed(reasonOf(error));
    }
  }

  #choose(shown: Shown): void {
    this.#shown = shown;
    kept.set("list-shown", shown);
    this.#table.scrollTop = 0;
    this.draw();
  }

  #headRow(): HTMLElement {
    const heads = COLUMNS.map((column) => {
      const button = el("button", { type: "button", text: w.columns[column], onclick: () => this.#sort(column) });
      const head = el("div", { role: "columnheader", class: `list-${column}` }, button);
      this.#heads.set(column, head);
      return head;
    });
    this.#mark();
    const deed = el("div", { role: "columnheader", class: "list-deed", text: w.deed });
    return el("div", { role: "row", class: "list-row", "aria-rowindex": 1 }, ...heads, deed);
  }

  #sort(by: Column): void {
    const again = this.#order.by === by;
    this.#order = { by, descending: again ? !this.#order.descending : DESCENDS.has(by) };
    this.#mark();
    this.#table.scrollTop = 0;
    this.draw();
  }

  #mark(): void {
    const direction = this.#order.descending ? "descending" : "ascending";
    for (const [column, head] of this.#heads) setAttr(head, "aria-sort", column === this.#order.by ? direction : null);
  }
}
