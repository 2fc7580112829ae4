// Alarm burden: how often alarms called, how many could be heard, how soon someone came, and what it was.
import { nameOf, priorities, reasons, technical } from "../i18n/index.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { type Child, el, setText } from "../kernel/dom.ts";
import { hashOf, type Route } from "../kernel/route.ts";
import { type Burden, type BurdenRule, type Figures, REASONS } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { barChart } from "./chart.ts";
import { chooser } from "./chooser.ts";
import { type Bar, binned, dayOf, minuteOf, moment, unexplained } from "./figures.ts";
import { button, type Column, num, refused, section, sheet, Table } from "./parts.ts";
import { boundsOf, type Period, periodOf, runsOn } from "./period.ts";
import { w } from "./words.ts";

const HOURS = [8, 24, 168, 720]; // the server adds up 31 days at most
const AGAIN_S = 60;

export function open(app: App, route: Route): Page {
  return app.station.may("report") ? new BurdenPage(app, route.query) : refused(w.burden);
}

class BurdenPage implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #content = el("div", { class: "office-content" });
  readonly #about = el("span", { class: "about", role: "status" });
  #period: Period;
  #seconds = 0;
  #asked = 0;

  constructor(app: App, query: URLSearchParams) {
    this.#app = app;
    this.#period = periodOf(query, 24);
    const asked = { page: "burden", hours: HOURS, until: true, chosen: this.#period, nowUs: app.ward.now() };
    const period = chooser(asked, (chosen) => {
      this.#period = chosen;
      void this.#load();
    });
    const tools = [button(w.refresh, () => this.#load()), button(w.print, () => window.print())];
    this.node = sheet(w.burden, [period, this.#about], tools, this.#content);
    void this.#load();
  }

  tick(): void {
    if (++this.#seconds % AGAIN_S === 0 && runsOn(this.#period) && !this.#busy) void this.#load();
  }

  leave(): void {
    this.#asked++;
  }

  // Nobody's place is taken away while they read with the keyboard.
  get #busy(): boolean {
    return this.#content.contains(document.activeElement);
  }

  async #load(): Promise<void> {
    const visit = ++this.#asked;
    const { since_us, until_us } = boundsOf(this.#period, this.#app.ward.now());
    const query = new URLSearchParams({ since_us: String(since_us) });
    if (until_us !== null) query.set("until_us", String(until_us));
    try {
      const found = await api<Burden>(`/burden?${query}`);
      if (visit === this.#asked) this.#show(found);
    } catch (why) {
      if (visit !== this.#asked) return;
      setText(this.#about, "");
      this.#content.replaceChildren(el("p", { class: "empty", role: "alert", text: w.notLoaded(reasonOf(why)) }));
    }
  }

  #show(found: Burden): void {
    const now = this.#app.ward.now();
    const [from, until] = [moment(found.since_us, now), moment(found.until_us, now)];
    const asOf = runsOn(this.#period) ? ` \u00b7 ${w.asOf(clock(found.until_us))}` : "";
    setText(this.#about, w.range(from, until) + asOf);
    if (!found.total.count) {
      this.#content.replaceChildren(el("p", { class: "empty", text: w.noBurden }));
      return;
    }
    const { bars, days } = binned(found.hours);
    const open = this.#content.querySelector("details")?.open ?? false;
    this.#content.replaceChildren(
      totals(found.total),
      section(days ? w.byDay : w.byHour, legend(), chart(bars, days, found.total)),
      figureTable(w.byRule, [w.rule, w.priority], found.rules, ruleCells),
      figureTable(w.byPatient, [w.patient], found.patients, ({ patient, bed }) => [who(patient, bed)]),
      hourTable(found, open),
      el("p", { class: "about", text: w.burdenNote }),
      el("p", { class: "office-printed", text: w.printed(this.#app.station.session?.username ?? "", stamp(now)) }),
    );
  }
}

const stamp = (us: number): string => `${dayOf(us)} ${minuteOf(us)}`;

export const who = (patient: string, bed: string): HTMLElement =>
  el("a", { href: hashOf("patient", patient), text: bed ? `${bed} \u00b7 ${patient}` : patient });

function ruleCells({ condition, label, kind, priority }: BurdenRule): Child[] {
  const level = kind === "technical" ? "technical" : priority;
  const text = kind === "technical" ? technical : priorities[priority];
  return [nameOf(condition, label), el("span", { class: "office-level", data: { alarm: level }, text })];
}

function totals(total: Figures): HTMLElement {
  const facts: [string, string, string][] = [
    ["count", w.count, String(total.count)],
    ["audible", w.audible, String(total.audible)],
    ["acknowledged", w.acknowledged, String(total.acknowledged)],
    ["median", w.median, w.lag(total.median_ack_s)],
    ["p90", w.p90, w.lag(total.p90_ack_s)],
    ["false", `${w.falseShare}, ${w.falseOf}`, w.percent(total.share_false)],
  ];
  const parts = facts.map(([fact, name, value]) =>
    el("div", { data: { fact } }, el("dt", { text: name }), el("dd", { text: value })),
  );
  return el("dl", { class: "office-totals" }, ...parts);
}

const FIGURES: readonly Column[] = [
  num(w.count),
  num(w.audible),
  num(w.acknowledged),
  num(w.medianShort),
  num(w.p90Short),
  ...REASONS.map((reason) => num(reasons[reason])),
  num(w.noReason),
  num(w.falseShare),
];

const figureCells = (f: Figures): string[] => [
  String(f.count),
  String(f.audible),
  String(f.acknowledged),
  w.lag(f.median_ack_s),
  w.lag(f.p90_ack_s),
  ...REASONS.map((reason) => String(f.reasons[reason] ?? 0)),
  String(unexplained(f)),
  w.percent(f.share_false),
];

function figureTable<T extends Figures>(
  caption: string,
  first: readonly string[],
  rows: readonly T[],
  cells: (row: T) => Child[],
): HTMLElement {
  const table = new Table(caption, [...first, ...FIGURES]);
  table.show(rows.map((row) => table.row([...cells(row), ...figureCells(row)])));
  return table.node;
}

function hourTable({ hours }: Burden, open: boolean): HTMLElement {
  const cells = ({ t0_us }: { t0_us: number }) => [`${dayOf(t0_us)} ${minuteOf(t0_us)}`];
  const table = figureTable(w.byHour, [w.hour], hours, cells);
  return el("details", { open }, el("summary", { text: w.allHours }), table);
}

function legend(): HTMLElement {
  const key = (name: string, text: string) =>
    el("span", { class: "office-key" }, el("i", { class: `office-${name}-key` }), text);
  return el("p", { class: "office-legend" }, key("audible", w.audible), key("rest", w.silentAlarms));
}

function chart(bars: readonly Bar[], days: boolean, { count, audible }: Figures): HTMLElement {
  const top = Math.max(...bars.map((bar) => bar.count));
  const name = ({ t0_us }: Bar) => (days ? dayOf(t0_us).slice(5) : minuteOf(t0_us));
  const title = (bar: Bar) => {
    const day = dayOf(bar.t0_us);
    return w.bar(days ? day : `${day} ${minuteOf(bar.t0_us)}`, bar.count, bar.audible);
  };
  const drawn = barChart(bars, { label: w.chartLabel(count, audible, top), name, title });
  const frame = el("div", { class: "office-plot", role: "region", "aria-label": w.burden, tabindex: "0" });
  frame.append(drawn);
  return frame;
}
