// Thirty seconds of stored signal on paper: 10 s before a moment and 20 s after, with all that can be done with them.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { reasonOf } from "../kernel/api.ts";
import { el, PX_PER_MM, setAttr, setText } from "../kernel/dom.ts";
import type { Alarm, Segment } from "../kernel/types.ts";
import type { App } from "../pages.ts";
import { Calipers } from "./calipers.ts";
import { factsOf, titleOf } from "./captions.ts";
import type { History, Story } from "./history.ts";
import { draw, type Picture } from "./picture.ts";
import type { Reach } from "./reach.ts";
import { Readings } from "./readings.ts";
import { ROW_MM, Rows, type Scale, STRIP_S, secondsFor } from "./rows.ts";
import { type Printed, Sheet } from "./sheet.ts";
import { endOf, type Filter, type Line, linesOf, type Missing, missingOf } from "./signal.ts";
import { stripTools } from "./tools.ts";
import { moment } from "./when.ts";

export const BEFORE_US = 10e6;
const AFTER_US = 20e6;
const STEP_US = 10e6;
const MARGIN_US = 5e6; // asked for on both sides, so that the filter's beginning and end are not seen
const YOUNG_US = 5e6; // what is younger may still be on its way
const AGAIN_MS = 4000;

export class Strip {
  readonly node: HTMLElement;
  readonly sheet = new Sheet(() => this.#printed());
  readonly #app: App;
  readonly #patient: string;
  readonly #history: History;
  readonly #reach: Reach;
  readonly #moved: (us: number) => void;
  readonly #about = el("p", { class: "patient-about", "aria-live": "polite" });
  readonly #note = el("p", { class: "patient-note" });
  readonly #paper = el("div", { class: "patient-rows" });
  readonly #frame: HTMLElement;
  readonly #calipers = new Calipers();
  readonly #calipersButton: HTMLButtonElement;
  readonly #readings: Readings;
  readonly #watch = new ResizeObserver(() => this.#resized());
  #at: number;
  #isNewest = false; // wherever that is
  #stories: readonly Alarm[] = [];
  #segments: Segment[] | null = null;
  #lines: readonly Line[] = [];
  #missing: readonly Missing[] = [];
  #scale: Scale = { mmPerS: 25, mmPerMv: 10 };
  #filter: Filter = "baseline";
  #rowS = 10;
  #loads = 0; // counts questions: only the last one's answer is shown
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, patient: string, history: History, reach: Reach, moved: (us: number) => void) {
    this.#app = app;
    this.#patient = patient;
    this.#history = history;
    this.#reach = reach;
    this.#moved = moved;
    this.#at = reach.latest;
    this.#readings = new Readings(app.ward, history, () => this.#draw());
    this.#calipersButton = el("button", {
      type: "button",
      text: w.calipers,
      "aria-pressed": "false",
      onclick: () => this.#turnCalipers(),
    });
    this.#frame = el(
      "div",
      {
        class: "patient-frame",
        tabindex: "0",
        role: "group",
        "aria-label": w.paperLabel,
        onkeydown: (event: KeyboardEvent) => this.#key(event),
      },
      el("div", { class: "patient-stack" }, this.#paper, this.#calipers.node),
    );
    this.node = el(
      "section",
      { class: "patient-strip", "aria-label": w.strip },
      el("header", {}, el("h2", { text: w.strip, tabindex: "-1" }), this.#about),
      this.#tools(),
      this.#frame,
      this.#calipers.says,
      this.#note,
      this.#readings.node,
    );
    this.#watch.observe(this.#frame);
    this.#choose();
  }

  get at(): number {
    return this.#at;
  }

  get t0(): number {
    return Math.max(0, Math.round(this.#at - BEFORE_US));
  }

  get t1(): number {
    return this.t0 + STRIP_S * 1e6;
  }

  // The strip around a moment.
  show(at: number): void {
    this.#at = Math.max(BEFORE_US, Math.round(at));
    this.#isNewest = false;
    this.#segments = null;
    this.#lines = this.#missing = [];
    setText(this.#note, t.loading);
    this.#draw();
    this.#moved(this.#at);
    void this.#load();
    void this.#readings.over(this.t0, this.t1);
  }

  // The alarms that are known of the patient.
  mark(stories: readonly Story[]): void {
    this.#stories = [...stories].sort((a, b) => a.onset_us - b.onset_us);
    this.#draw();
  }

  // The names of conditions are known now.
  renamed(): void {
    this.#readings.renamed();
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#loads++;
    this.#watch.disconnect();
    this.sheet.leave();
  }

  toAlarm(direction: 1 | -1): void {
    const others = this.#stories.filter((a) => direction * (a.onset_us - this.#at) > 0);
    const next = direction > 0 ? others[0] : others.at(-1);
    if (next) this.show(next.onset_us);
    else setText(this.#note, w.noAlarmThere);
  }

  toNow(): void {
    this.show(this.#newest);
    this.#isNewest = true;
  }

  // Opened at now, before it was known that the newest lies elsewhere: goes there. Whether it did.
  settle(): boolean {
    const { isHere, kept } = this.#reach;
    const isEmpty = this.#segments?.length === 0;
    if (!this.#isNewest || !isEmpty || isHere || !kept || this.#at === this.#newest) return false;
    this.toNow();
    return true;
  }

  // A recording shorter than a strip is shown from its begin.
  get #newest(): number {
    return Math.round(Math.max(this.#reach.newest - AFTER_US, this.#reach.oldest + BEFORE_US));
  }

  #tools(): HTMLElement {
    return stripTools(
      {
        alarm: (direction) => this.toAlarm(direction),
        step: (direction) => this.show(this.#at + direction * STEP_US),
        now: () => this.toNow(),
        scale: (scale) => this.#rescale({ ...this.#scale, ...scale }),
        filter: (filter) => {
          this.#filter = filter;
          this.#choose();
          this.#draw();
        },
      },
      this.#calipersButton,
    );
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const does: Record<string, () => void> = {
      ArrowLeft: () => this.show(this.#at - STEP_US),
      ArrowRight: () => this.show(this.#at + STEP_US),
      n: () => this.toAlarm(1),
      p: () => this.toAlarm(-1),
      c: () => this.#turnCalipers(),
    };
    const what = does[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!what) return;
    event.preventDefault();
    what();
  }

  #turnCalipers(): void {
    this.#calipers.turn(!this.#calipers.on);
    setAttr(this.#calipersButton, "aria-pressed", String(this.#calipers.on));
  }

  #rescale(scale: Scale): void {
    this.#scale = scale;
    this.#resized();
    this.#draw();
  }

  #resized(): void {
    const wide = this.#frame.clientWidth / PX_PER_MM;
    const rowS = wide > 0 ? secondsFor(wide, this.#scale.mmPerS) : this.#rowS;
    if (rowS === this.#rowS) return;
    this.#rowS = rowS;
    this.#draw();
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer);
    const load = ++this.#loads;
    const [t0, t1] = [this.t0, this.t1];
    try {
      const segments = await this.#history.strip(Math.max(0, t0 - MARGIN_US), t1 + MARGIN_US);
      if (load !== this.#loads) return;
      if (this.#isNewest && !segments.length && !this.#reach.isHere) await this.#reach.ask();
      if (load !== this.#loads) return;
      this.#segments = segments;
      if (this.settle()) return;
      this.#choose();
      this.#draw();
      if (this.#coming) this.#timer = setTimeout(() => void this.#load(), AGAIN_MS);
    } catch (error) {
      if (load === this.#loads) setText(this.#note, t.failed(reasonOf(error)));
    }
  }

  get #coming(): boolean {
    const last = this.#segments?.at(-1);
    return (last ? endOf(last) : 0) < this.t1 - 1e6 && this.#app.ward.now() < this.t1 + STRIP_S * 1e6;
  }

  #choose(): void {
    this.#lines = linesOf(this.#segments ?? [], this.#filter);
    const { isGone, latest } = this.#reach;
    const until = Math.min(this.t1, isGone ? latest : latest - YOUNG_US);
    this.#missing = this.#segments ? missingOf(this.#segments, this.t0, until) : [];
  }

  get #picture(): Picture {
    return {
      rows: new Rows(this.t0, this.t1, this.#rowS, this.#scale),
      lines: this.#lines,
      missing: this.#missing,
      alarms: this.#stories,
      regions: this.#readings.regions,
      marks: [],
    };
  }

  #draw(): void {
    const picture = this.#picture;
    const drawn = draw(picture);
    this.#paper.replaceChildren(...drawn);
    this.#calipers.node.style.setProperty("width", `${picture.rows.widthMm}mm`);
    this.#calipers.node.style.setProperty("height", `${drawn.length * ROW_MM}mm`);
    this.#calipers.lay(picture.rows, this.#lines);
    setText(this.#about, this.#title);
    if (this.#segments) setText(this.#note, this.#facts.join(" \u00b7 "));
  }

  get #title(): string {
    return titleOf(this.#stories, this.#at, this.t0, this.t1);
  }

  get #facts(): string[] {
    const lead = this.#segments?.find((s) => s.t0_us < this.t1 && endOf(s) > this.t0)?.lead ?? null;
    return factsOf(lead, this.#scale, this.#filter, this.#missing, this.#coming);
  }

  // The same on paper, with all that a reader must know of it.
  #printed(): Printed {
    const { mmPerMv, mmPerS } = this.#scale;
    const by = this.#app.station.session?.username ?? "";
    const facts = [
      this.#title,
      [...this.#facts, w.calibration(mmPerMv, 0.2 * mmPerS)].join(" \u00b7 "),
      this.#calipers.on ? this.#calipers.text : "",
      w.printed(moment(Math.round(this.#app.ward.now())), by),
    ];
    const marks = this.#calipers.on ? this.#calipers.marks : [];
    return {
      title: w.page(this.#app.ward.who(this.#patient)),
      facts: facts.filter(Boolean),
      picture: { ...this.#picture, marks },
    };
  }
}
