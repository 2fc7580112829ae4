// The report of the shift: what one nurse tells the next, per patient, the worst first; and the hand-over itself.
import { priorities, reasons, technical } from "../i18n/index.ts";
import { labelOf, level, mark, said } from "../kernel/alarm.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { type Child, el, setText } from "../kernel/dom.ts";
import type { Route } from "../kernel/route.ts";
import { type Alarm, type LastVitals, type Priority, REASONS, type Shift, type ShiftEntry } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { who } from "./burden.ts";
import { chooser } from "./chooser.ts";
import { dayOf, minuteOf, moment } from "./figures.ts";
import { Handovers } from "./handover.ts";
import { button, num, refused, sheet, Table } from "./parts.ts";
import { boundsOf, type Period, periodOf } from "./period.ts";
import { w } from "./words.ts";

const HOURS = [4, 8, 12, 24];
const AGAIN_S = 60;
const LEVELS: readonly Priority[] = ["high", "medium", "low", "info"];

export function open(app: App, route: Route): Page {
  return app.station.may("report") ? new ShiftPage(app, route.query) : refused(w.shift);
}

class ShiftPage implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #about = el("span", { class: "about", role: "status" });
  readonly #content = el("div", { class: "office-content" });
  readonly #printed = el("p", { class: "office-printed" });
  readonly #handovers: Handovers;
  #period: Period;
  #seconds = 0;
  #asked = 0;
  #named = 0; // names of conditions that were known when it was drawn

  constructor(app: App, query: URLSearchParams) {
    this.#app = app;
    this.#handovers = new Handovers(app);
    this.#period = periodOf(query, 8);
    const asked = { page: "shift", hours: HOURS, until: false, chosen: this.#period, nowUs: app.ward.now() };
    const period = chooser(asked, (chosen) => {
      this.#period = chosen;
      void this.#load();
    });
    const tools = [button(w.refresh, () => this.#load()), button(w.print, () => window.print())];
    const parts = [this.#content, this.#handovers.node, this.#printed];
    this.node = sheet(w.shift, [period, this.#about], tools, ...parts);
    void this.#load();
  }

  tick(): void {
    const due = ++this.#seconds % AGAIN_S === 0 || this.#named !== this.#app.ward.names.size;
    if (due && !this.#content.contains(document.activeElement)) void this.#load();
  }

  leave(): void {
    this.#asked++;
  }

  async #load(): Promise<void> {
    const visit = ++this.#asked;
    const { since_us } = boundsOf(this.#period, this.#app.ward.now());
    void this.#handovers.load(since_us);
    try {
      const found = await api<Shift>(`/shift?since_us=${since_us}`);
      if (visit === this.#asked) this.#show(found);
    } catch (why) {
      if (visit !== this.#asked) return;
      setText(this.#about, "");
      this.#content.replaceChildren(el("p", { class: "empty", role: "alert", text: w.notLoaded(reasonOf(why)) }));
    }
  }

  #show({ since_us, until_us, items }: Shift): void {
    const now = this.#app.ward.now();
    this.#named = this.#app.ward.names.size;
    const waiting = items.reduce((sum, entry) => sum + entry.unacknowledged, 0);
    const range = w.range(moment(since_us, now), minuteOf(until_us));
    setText(this.#about, `${range} \u00b7 ${w.shiftCount(items.length, waiting)}`);
    const at = `${dayOf(until_us)} ${minuteOf(until_us)}`;
    setText(this.#printed, w.printed(this.#app.station.session?.username ?? "", at));
    if (!items.length) {
      this.#content.replaceChildren(el("p", { class: "empty", text: w.nobodyHeard }));
      return;
    }
    const table = new Table(
      w.shift,
      [
        w.patient,
        ...LEVELS.map((one) => num(priorities[one])),
        num(technical),
        num(w.unacknowledged),
        w.reasons,
        w.vitals,
      ],
      { spoken: true },
    );
    table.show(items.flatMap((entry) => this.#rows(table, entry, until_us)));
    this.#content.replaceChildren(table.node);
  }

  #rows(table: Table, entry: ShiftEntry, until_us: number): HTMLElement[] {
    const { alarms, unacknowledged } = entry;
    const call = unacknowledged ? el("strong", { class: "office-open", text: String(unacknowledged) }) : "0";
    const row = table.row([
      who(entry.patient, entry.bed),
      ...LEVELS.map((one) => this.#number(alarms[one], one)),
      this.#number(entry.technical, "technical"),
      call,
      reasonsOf(entry),
      this.#vitals(entry.vitals, until_us),
    ]);
    row.dataset.patient = entry.patient;
    const more = this.#more(entry, until_us);
    return more ? [row, el("tr", { class: "office-more" }, el("td", { colspan: table.columns }, more))] : [row];
  }

  #number(n: number, alarm: string): HTMLElement {
    return el("span", { class: n ? "office-level" : "office-zero", data: n ? { alarm } : {}, text: String(n) });
  }

  #vitals(vitals: LastVitals | null, until_us: number): HTMLElement {
    if (!vitals) return el("span", { class: "about", text: w.noVitals });
    const ageS = Math.max(0, (until_us - vitals.last_sample_us) / 1e6);
    const facts = [
      vitals.lead_off ? w.leadOff : w.bpm(vitals.heart_rate_bpm),
      vitals.sqi === null ? null : w.sqi(vitals.sqi),
      vitals.usable ? null : w.poor,
      vitals.codes.map((code) => this.#app.ward.name(code)).join(", ") || null,
      vitals.battery_pct === null ? null : w.battery(vitals.battery_pct),
      w.ago(ageS),
    ];
    const text = facts.filter((fact) => fact !== null).join(" \u00b7 ");
    return el("span", { class: "office-vitals", data: ageS >= 60 ? { old: "" } : {}, text });
  }

  // What is open, and what was written.
  #more({ open, notes }: ShiftEntry, until_us: number): HTMLElement | null {
    if (!open.length && !notes.length) return null;
    const alarms = open.map((alarm) => el("li", {}, this.#alarm(alarm, until_us)));
    const written = notes.map(({ text, by, at_us }) =>
      el("li", {}, el("span", { class: "about", text: `${moment(at_us, until_us)} ${by}: ` }), text),
    );
    const list = (title: string, items: HTMLElement[]) =>
      items.length ? el("div", {}, el("h3", { text: title }), el("ul", {}, ...items)) : null;
    return el("div", { class: "office-told" }, list(w.openAlarms, alarms), list(w.notes, written));
  }

  #alarm(alarm: Alarm, until_us: number): HTMLElement {
    const text = `${mark(alarm)} ${labelOf(alarm)}`.trim();
    const acknowledged =
      alarm.acknowledged_us === null ? w.unacknowledged : `${w.acknowledged}: ${alarm.acknowledged_by}`;
    const rest: Child = ` ${moment(alarm.onset_us, until_us)} \u00b7 ${said(alarm)} \u00b7 ${acknowledged}`;
    const open = button(text, () => this.#app.review(alarm), { class: "office-level office-link" });
    open.dataset.alarm = level(alarm);
    return el("span", {}, open, rest);
  }
}

const reasonsOf = (entry: ShiftEntry): string =>
  REASONS.filter((reason) => entry.reasons[reason])
    .map((reason) => `${reasons[reason]}: ${entry.reasons[reason]}`)
    .join(" \u00b7 ") || w.none;
