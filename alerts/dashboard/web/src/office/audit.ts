// Who did what: the audit, the newest first, and whether its chain holds.
import { api, reasonOf, statusOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import { hashOf, type Route } from "../kernel/route.ts";
import type { Chain, Deed, Items } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { detailOf } from "./deeds.ts";
import { dayOf } from "./figures.ts";
import { button, field, input, refused, Said, sheet, Table, values } from "./parts.ts";
import { w } from "./words.ts";

const FEW = 100;
const MANY = 500; // the server gives no more at once

const stamp = (us: number): string => `${dayOf(us)} ${clock(us)}`;

export function open(app: App, route: Route): Page {
  return app.station.may("audit") ? new Audit(route.query) : refused(w.audit);
}

class Audit implements Page {
  readonly node: HTMLElement;
  readonly #by = input("by", { maxlength: 64 });
  readonly #subject = input("subject", { maxlength: 64 });
  readonly #flagged = input("flagged", { type: "checkbox", onchange: () => this.#show() });
  readonly #count = el("span", { class: "about", role: "status" });
  readonly #empty = el("p", { class: "empty", text: w.loading });
  readonly #table = new Table(w.audit, [w.when, w.by, w.what, w.subject, w.details], { spoken: true });
  readonly #more = button(w.more, () => this.#load(MANY));
  readonly #chain = new Said();
  #deeds: Deed[] = [];
  #limit = FEW;
  #asked = 0;

  constructor(query: URLSearchParams) {
    this.#by.value = query.get("by") ?? "";
    this.#subject.value = query.get("subject") ?? "";
    const form = el(
      "form",
      { class: "office-row", role: "search" },
      field(w.by, this.#by),
      field(w.subject, this.#subject, w.subjectHint),
      el("button", { class: "primary", text: w.find }),
      button(w.clear, () => this.#filter("", "")),
      el("label", { class: "office-check" }, this.#flagged, w.onlyFlagged),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const { by = "", subject = "" } = values(form);
      this.#filter(by, subject);
    });
    const check = button(w.chain, () => this.#check(), { title: w.chainAbout });
    const shown = [this.#table.node, this.#empty, this.#more];
    this.node = sheet(w.audit, [this.#count], [check], this.#chain.node, form, ...shown);
    this.#table.node.hidden = this.#more.hidden = true;
    void this.#load(FEW);
  }

  #filter(by: string, subject: string): void {
    this.#by.value = by;
    this.#subject.value = subject;
    const asked = Object.entries({ by, subject }).filter(([, value]) => value);
    history.replaceState(null, "", hashOf("audit", undefined, Object.fromEntries(asked)));
    void this.#load(FEW);
  }

  async #load(limit: number): Promise<void> {
    const visit = ++this.#asked;
    const query = new URLSearchParams({ limit: String(limit) });
    if (this.#by.value.trim()) query.set("by", this.#by.value.trim());
    if (this.#subject.value.trim()) query.set("subject", this.#subject.value.trim());
    try {
      const { items } = await api<Items<Deed>>(`/audit?${query}`);
      if (visit !== this.#asked) return;
      this.#deeds = items;
      this.#limit = limit;
      this.#show();
    } catch (why) {
      if (visit !== this.#asked) return;
      this.#table.node.hidden = true;
      this.#empty.hidden = false;
      setText(this.#empty, w.notLoaded(reasonOf(why)));
    }
  }

  #show(): void {
    const shown = this.#deeds.filter((deed) => deed.flagged || !this.#flagged.checked);
    this.#table.show(shown.map((deed) => this.#row(deed)));
    setText(this.#count, w.deeds(this.#deeds.length, this.#limit));
    this.#table.node.hidden = !shown.length;
    this.#empty.hidden = shown.length > 0;
    setText(this.#empty, w.noDeeds);
    this.#more.hidden = this.#deeds.length < this.#limit || this.#limit >= MANY;
  }

  #row(deed: Deed): HTMLTableRowElement {
    const { by, subject } = deed;
    const flag = deed.flagged ? el("strong", { class: "office-flag", text: `\u2691 ${w.flagged}` }) : null;
    const narrow = (text: string, onclick: () => void) => button(text, onclick, { class: "office-link" });
    const row = this.#table.row([
      el("span", { class: "office-when", text: stamp(deed.at_us) }),
      narrow(by, () => this.#filter(by, "")),
      el("span", {}, `${w.actions[deed.action] ?? deed.action} `, flag),
      subject ? narrow(subject, () => this.#filter("", subject)) : w.none,
      detailOf(deed.detail, stamp, (name) => w.facts[name] ?? name.replaceAll("_", " ")),
    ]);
    setAttr(row, "data-flagged", deed.flagged ? "" : null);
    row.dataset.action = deed.action;
    return row;
  }

  async #check(): Promise<void> {
    this.#chain.say(w.chainChecking);
    try {
      const { rows, head, broken, reason } = await api<Chain>("/audit/chain");
      if (broken === null) this.#chain.say(w.chainHolds(rows, head.slice(0, 16)));
      else this.#chain.fault(w.chainBroken(broken, reason));
    } catch (why) {
      if (statusOf(why) === 404) this.#chain.say(w.chainElsewhere);
      else this.#chain.fault(why);
    }
  }
}
