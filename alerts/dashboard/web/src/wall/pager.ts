// The foot of the wall where there is more than one page: the pages, and what waits on those that are not shown.
import { t } from "../i18n/index.ts";
import { labelOf, level, mark, priorityName } from "../kernel/alarm.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import type { Ward } from "../kernel/ward.ts";
import type { Elsewhere } from "./places.ts";

export class Pager {
  readonly node: HTMLElement;
  readonly #back: HTMLButtonElement;
  readonly #on: HTMLButtonElement;
  readonly #numbers = el("span", { class: "numbers" });
  readonly #away: HTMLButtonElement;
  readonly #where = el("span", { class: "where" });
  readonly #turn: (page: number) => void;
  #page = 0;

  constructor(turn: (page: number) => void, toWorst: () => void) {
    this.#turn = turn;
    const step = (text: string, label: string, by: number) =>
      el("button", { type: "button", text, "aria-label": label, title: label, onclick: () => turn(this.#page + by) });
    this.#back = step("\u25c0", t.pageBack, -1);
    this.#on = step("\u25b6", t.pageOn, 1);
    this.#away = el("button", { type: "button", class: "elsewhere", onclick: toWorst, hidden: true });
    this.node = el(
      "nav",
      { class: "pager", "aria-label": t.wallPages, hidden: true },
      this.#back,
      this.#numbers,
      this.#on,
      this.#where,
      this.#away,
    );
  }

  // page: the one shown, from 0; others: what waits elsewhere, the worst first.
  show(page: number, pages: number, others: readonly Elsewhere[], ward: Ward): void {
    this.#page = page;
    this.node.hidden = pages < 2;
    if (pages < 2) return;
    this.#back.disabled = page === 0;
    this.#on.disabled = page === pages - 1;
    setText(this.#where, t.pageOf(page + 1, pages));
    while (this.#numbers.children.length > pages) this.#numbers.lastChild?.remove();
    while (this.#numbers.children.length < pages) {
      const at = this.#numbers.children.length;
      this.#numbers.append(el("button", { type: "button", text: String(at + 1), onclick: () => this.#turn(at) }));
    }
    [...this.#numbers.children].forEach((button, i) => {
      const worst = others.find((other) => other.page === i)?.alarm;
      setAttr(button, "aria-current", i === page ? "page" : null);
      setAttr(button, "data-alarm", worst ? level(worst) : null);
      setText(button, `${i + 1}${worst ? ` ${mark(worst)}` : ""}`);
      setAttr(button, "aria-label", worst ? t.pageWith(i + 1, priorityName(worst)) : t.pageNumber(i + 1));
    });
    this.#tell(others, ward);
  }

  #tell(others: readonly Elsewhere[], ward: Ward): void {
    const [first] = others;
    this.#away.hidden = !first;
    setAttr(this.#away, "data-alarm", first ? level(first.alarm) : null);
    if (!first) return;
    const { alarm, page } = first;
    const bed = ward.states.get(alarm.patient)?.bed || alarm.patient;
    setText(this.#away, `${mark(alarm)} ${t.elsewhere(labelOf(alarm), bed, page + 1, others.length - 1)} [F8]`);
    setAttr(this.#away, "aria-keyshortcuts", "F8");
  }
}
