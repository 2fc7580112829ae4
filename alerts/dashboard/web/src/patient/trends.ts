// Findings and heart rate over hours: two charts, and a lane for each finding.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { reasonOf } from "../kernel/api.ts";
import { choice, colour, el, fit, pen, setText } from "../kernel/dom.ts";
import type { Ward } from "../kernel/ward.ts";
import { Chart } from "./chart.ts";
import { hatching } from "./day.ts";
import type { History, Story, Trends } from "./history.ts";
import type { Reach } from "./reach.ts";
import { known, type Lane, lanesOf, meanOf, summary } from "./shares.ts";

const SPANS: Record<string, number> = { 6: 60, 24: 300, 168: 1800 }; // hours: seconds a step
const FIRST = "AFIB";
const UNDECIDED = 0.3; // how grey a step is in which nothing was answered

export class TrendView {
  readonly node: HTMLElement;
  readonly #ward: Ward;
  readonly #history: History;
  readonly #reach: Reach;
  readonly #chosen: (us: number) => void;
  readonly #rate: Chart;
  readonly #burden: Chart;
  readonly #rateSays = el("p", { class: "patient-about" });
  readonly #burdenTitle = el("h3");
  readonly #burdenSays = el("p", { class: "patient-about" });
  readonly #lanes = el("tbody");
  readonly #fault = el("p", { class: "patient-note", role: "status" });
  readonly #watch = new ResizeObserver(() => this.#drawLanes());
  #hours = "24";
  #code = FIRST;
  #trends: Trends | null = null;
  #loads = 0;

  constructor(ward: Ward, history: History, reach: Reach, chosen: (us: number) => void) {
    this.#ward = ward;
    this.#history = history;
    this.#reach = reach;
    this.#chosen = chosen;
    this.#rate = new Chart({ stepped: false, range: null }, chosen);
    this.#burden = new Chart({ stepped: true, range: [0, 100] }, chosen);
    const spans = choice(
      w.span,
      Object.keys(SPANS).map((hours) => [hours, w.spans[Number(hours)] ?? hours] as const),
      this.#hours,
      (hours) => {
        this.#hours = hours;
        void this.load();
      },
    );
    const columns = [w.laneFinding, w.laneShare, w.laneTime].map((text) => el("th", { scope: "col", text }));
    this.node = el(
      "section",
      { class: "patient-trends", "aria-label": w.trends },
      el("header", {}, el("h2", { text: w.trends, tabindex: "-1" }), spans),
      el("h3", { text: w.rateTitle }),
      this.#rateSays,
      this.#rate.node,
      this.#burdenTitle,
      this.#burdenSays,
      this.#burden.node,
      el("p", { class: "patient-note", text: w.marksAbout }),
      el(
        "table",
        { class: "patient-lanes" },
        el("caption", { text: w.lanes }),
        el("thead", {}, el("tr", {}, ...columns)),
        this.#lanes,
      ),
      el("p", { class: "patient-note", text: w.laneAbout }),
      this.#fault,
    );
    this.#watch.observe(this.#lanes);
  }

  leave(): void {
    this.#loads++;
    this.#rate.leave();
    this.#burden.leave();
    this.#watch.disconnect();
  }

  mark(stories: readonly Story[]): void {
    this.#rate.mark(stories);
    this.#burden.mark(stories);
  }

  // The names of conditions are known now.
  renamed(): void {
    if (this.#trends) this.#show(this.#trends);
  }

  async load(): Promise<void> {
    const load = ++this.#loads;
    const stepS = SPANS[this.#hours] ?? 300;
    const end = Math.ceil(this.#reach.latest / (stepS * 1e6)) * stepS * 1e6;
    try {
      const found = await this.#history.trends(end - Number(this.#hours) * 3600e6, end, stepS);
      if (load !== this.#loads) return;
      this.#trends = found;
      setText(this.#fault, found.windows.some((n) => n > 0) ? "" : w.noTrend);
      this.#show(found);
    } catch (error) {
      if (load === this.#loads) setText(this.#fault, t.failed(reasonOf(error)));
    }
  }

  #show(trends: Trends): void {
    const seconds = trends.windows.map((_, i) => trends.t0_us / 1e6 + i * trends.step_s);
    const mean = meanOf(trends.heart_rate, trends.windows);
    const lows = trends.heart_rate_low.filter(known);
    const highs = trends.heart_rate_high.filter(known);
    const said = w.rateSays(mean, lows.length ? Math.min(...lows) : null, highs.length ? Math.max(...highs) : null);
    setText(this.#rateSays, said);
    const band = { low: trends.heart_rate_low, high: trends.heart_rate_high };
    this.#rate.show({ seconds, values: trends.heart_rate, ...band }, said);
    this.#showBurden(trends, seconds);
    const rows = lanesOf(trends).map((lane) => this.#row(lane));
    this.#lanes.replaceChildren(...rows);
    this.#drawLanes();
  }

  #showBurden(trends: Trends, seconds: number[]): void {
    const name = this.#ward.name(this.#code);
    const { answered, undecided } = summary(trends);
    const share = answered > 0 ? (trends.burden[this.#code] ?? 0) : null;
    const said = [w.burdenSays(name, share), undecided > 0 ? w.burdenPoor(undecided) : ""].filter(Boolean).join(" ");
    setText(this.#burdenTitle, w.burdenTitle(name));
    setText(this.#burdenSays, said);
    const none = trends.answered.map((a) => (a ? 0 : null)); // answered, and never with this code
    const values = (trends.codes[this.#code] ?? none).map((v) => (v === null ? null : 100 * v));
    this.#burden.show({ seconds, values }, said);
  }

  #row(lane: Lane): HTMLElement {
    const named = lane.code === "undecided" ? w.laneUndecided : lane.code === "poor" ? w.lanePoor : "";
    const name = named || this.#ward.name(lane.code);
    const head = named
      ? el("span", { text: name })
      : el("button", {
          type: "button",
          text: name,
          title: w.show(name),
          "aria-pressed": String(lane.code === this.#code),
          onclick: () => this.#choose(lane.code),
        });
    const canvas = el("canvas", {
      class: "patient-lane",
      "aria-hidden": "true",
      data: { code: lane.code },
      onclick: (event: MouseEvent) => this.#click(event),
    });
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, head),
      el("td", { text: w.percent(lane.total) }),
      el("td", { class: "patient-lane-cell" }, canvas),
    );
  }

  #choose(code: string): void {
    this.#code = code;
    if (!this.#trends) return;
    this.#show(this.#trends);
    const pressed = this.#lanes.querySelector<HTMLElement>('[aria-pressed="true"]');
    pressed?.focus({ preventScroll: true });
  }

  #click(event: MouseEvent): void {
    const canvas = event.currentTarget as HTMLCanvasElement;
    const box = canvas.getBoundingClientRect();
    if (!this.#trends) return;
    const { t0_us, t1_us } = this.#trends;
    this.#chosen(Math.round(t0_us + ((event.clientX - box.left) / box.width) * (t1_us - t0_us)));
  }

  #drawLanes(): void {
    const lanes = this.#trends ? lanesOf(this.#trends) : [];
    for (const canvas of this.#lanes.querySelectorAll("canvas")) {
      const lane = lanes.find(({ code }) => code === canvas.dataset.code);
      const [width, height] = [canvas.clientWidth, canvas.clientHeight];
      if (!lane || !width) continue;
      if (!fit(canvas, width, height)) pen(canvas).clearRect(0, 0, width, height);
      const c = pen(canvas);
      const each = width / lane.shares.length;
      const missing = hatching(c);
      lane.shares.forEach((share, i) => {
        const unread = !this.#trends?.windows[i];
        const says = named(lane.code) || share === null ? "--muted" : "--accent";
        c.globalAlpha = unread ? 1 : share === null ? UNDECIDED : share > 0 ? 0.2 + 0.8 * share : 0;
        c.fillStyle = unread ? missing : colour(says);
        c.fillRect(i * each, 0, each + 0.3, height);
      });
      c.globalAlpha = 1;
    }
  }
}

const named = (code: string): boolean => code === "undecided" || code === "poor";
