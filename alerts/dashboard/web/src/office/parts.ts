// What the pages of the office are put together from: sheets, fields, tables, and a line that says what happened.
import "../style/office.css";
import { ApiError, reasonOf } from "../kernel/api.ts";
import { type Child, el, setAttr, setText, type Value } from "../kernel/dom.ts";
import { w } from "./words.ts";

let count = 0;
const fresh = (): string => `office-${++count}`;

// A page: heading, what is said beside it, tools at the right, content.
export function sheet(title: string, beside: readonly Child[], tools: readonly Child[], ...content: Child[]) {
  const id = fresh();
  const head = el("header", { class: "office-head" }, el("h2", { id, text: title }), ...beside);
  head.append(el("span", { class: "office-tools" }, ...tools));
  return el("main", { class: "page office", "aria-labelledby": id }, head, ...content);
}

export const section = (title: string, ...content: Child[]): HTMLElement =>
  el("section", { class: "office-part" }, el("h3", { text: title }), ...content);

// What the signed-in person may not see has words, not an empty page.
export const refused = (title: string): { node: HTMLElement } => ({
  node: sheet(title, [], [], el("p", { class: "empty", text: w.mayNot })),
});

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

// A control under its label; the hint is read out after it.
export function field(label: string, control: Control, hint = ""): HTMLElement {
  control.id = fresh();
  const says = hint ? el("span", { class: "office-hint", id: fresh(), text: hint }) : null;
  if (says) control.setAttribute("aria-describedby", says.id);
  return el("div", { class: "office-field" }, el("label", { for: control.id, text: label }), control, says);
}

export const input = (name: string, props: Record<string, Value> = {}): HTMLInputElement =>
  el("input", { name, autocomplete: "off", ...props });

export const button = (text: string, onclick: () => unknown, props: Record<string, Value> = {}): HTMLButtonElement =>
  el("button", { type: "button", text, onclick, ...props });

export function select(name: string, options: readonly (readonly [string, string])[], chosen: string) {
  const items = options.map(([value, text]) => el("option", { value, text, selected: value === chosen }));
  return el("select", { name }, ...items);
}

// What a form holds, spaces at the ends taken away; passwords keep theirs.
export function values(form: HTMLFormElement): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of new FormData(form))
    found[name] = name.includes("password") ? String(value) : String(value).trim();
  return found;
}

// A line that says what happened, or why not.
export class Said {
  readonly node = el("p", { class: "office-said", role: "status" });

  say(text: string): void {
    setAttr(this.node, "data-fault", null);
    setText(this.node, text);
  }

  fault(why: unknown): void {
    setAttr(this.node, "data-fault", "");
    setText(this.node, typeof why === "string" ? why : reasonOf(why));
  }
}

// Words of this page for what the server found wrong, by field; else the server's own.
export function explained(why: unknown, words: Partial<Record<string, string>>): string {
  return (why instanceof ApiError && why.field !== null && words[why.field]) || reasonOf(why);
}

export interface Column {
  text: string;
  num?: boolean;
}

export const num = (text: string): Column => ({ text, num: true });

// A table with a caption, only spoken where a heading says it; the first cell of a row names it.
export class Table {
  readonly node: HTMLElement;
  readonly table: HTMLTableElement;
  readonly #columns: readonly Column[];
  readonly #body = el("tbody");

  constructor(caption: string, columns: readonly (string | Column)[], { spoken = false } = {}) {
    this.#columns = columns.map((column) => (typeof column === "string" ? { text: column } : column));
    const heads = this.#columns.map(({ text, num }) => el("th", { scope: "col", text, class: num && "office-num" }));
    this.table = el(
      "table",
      { class: "office-table" },
      el("caption", {}, el("span", { class: spoken && "spoken", text: caption })),
      el("thead", {}, el("tr", {}, ...heads)),
      this.#body,
    );
    const props = { class: "office-scroll", role: "region", "aria-label": caption, tabindex: "0" };
    this.node = el("div", props, this.table);
  }

  get columns(): number {
    return this.#columns.length;
  }

  // Whether someone's focus is inside: then the rows stay as they are.
  get busy(): boolean {
    return this.#body.contains(document.activeElement);
  }

  row(cells: readonly Child[]): HTMLTableRowElement {
    const made = cells.map((cell, i) => {
      const num = this.#columns[i]?.num && "office-num";
      return i === 0 ? el("th", { scope: "row", class: num }, cell) : el("td", { class: num }, cell);
    });
    return el("tr", {}, ...made);
  }

  show(rows: readonly Element[]): void {
    this.#body.replaceChildren(...rows);
  }

  get body(): HTMLTableSectionElement {
    return this.#body;
  }
}
