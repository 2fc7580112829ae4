// All of the signal on one canvas: 24 lines of least and greatest values, with the alarms; from a day down to the strip.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { labelOf, mark } from "../kernel/alarm.ts";
import { reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { choice, el, setAttr, setText } from "../kernel/dom.ts";
import { drawDay, endOfStory, GUTTER_PX } from "./day.ts";
import type { History, Story } from "./history.ts";
import * as lines from "./lines.ts";
import { LEVELS, type Level, LINES } from "./lines.ts";
import type { Reach } from "./reach.ts";
import { moment, zone } from "./when.ts";

const NUDGE = 1 / 60; // of a line, a press of an arrow key

export interface DisclosureEvents {
  chosen(us: number): void; // a moment of the finest lines: to the strip
}

export class Disclosure {
  readonly node: HTMLElement;
  readonly #reach: Reach;
  readonly #history: History;
  readonly #on: DisclosureEvents;
  readonly #canvas: HTMLCanvasElement;
  readonly #range = el("p", { class: "patient-about" });
  readonly #says = el("p", { class: "patient-note", role: "status" });
  readonly #levels: HTMLElement;
  readonly #watch = new ResizeObserver(() => this.#draw());
  readonly #light = matchMedia("(prefers-color-scheme: light)");
  readonly #redraw = () => this.#draw();
  #level = LEVELS[0] as Level;
  #t0 = 0;
  #cursor = 0; // microseconds
  #strip: [number, number] = [0, 0];
  #stories: readonly Story[] = [];
  #lines: (lines.Column | null)[][] = [];
  readonly drawn: Promise<void>; // once the first picture stands, or cannot be had
  #loads = 0; // counts questions: only the last one's answers are drawn

  constructor(reach: Reach, history: History, at: number, on: DisclosureEvents) {
    this.#reach = reach;
    this.#history = history;
    this.#on = on;
    this.#canvas = el("canvas", {
      class: "patient-full",
      tabindex: "0",
      role: "application",
      onkeydown: (event: KeyboardEvent) => this.#key(event),
      onclick: (event: MouseEvent) => this.#click(event),
    });
    this.#levels = choice(
      w.lines,
      LEVELS.map(({ lineS }) => [String(lineS), w.linesOf[lineS] ?? ""] as const),
      String(this.#level.lineS),
      (lineS) => void this.#show(LEVELS.find((l) => String(l.lineS) === lineS) ?? this.#level, this.#cursor),
    );
    const button = (text: string, onclick: () => void) => el("button", { type: "button", text, onclick });
    this.node = el(
      "section",
      { class: "patient-disclosure", "aria-label": w.full },
      el("header", {}, el("h2", { text: w.full, tabindex: "-1" }), this.#range),
      el(
        "div",
        { class: "patient-tools" },
        this.#levels,
        button(w.earlier, () => this.#page(-1)),
        button(w.later, () => this.#page(1)),
        button(w.toNow, () => void this.#show(this.#level, this.#reach.latest)),
        button(w.zoomOut, () => this.#zoom(-1)),
      ),
      this.#canvas,
      this.#says,
      el("p", { class: "patient-note", text: w.legend }),
    );
    this.#watch.observe(this.#canvas);
    this.#light.addEventListener("change", this.#redraw);
    this.drawn = this.#show(this.#wide, at);
  }

  leave(): void {
    this.#loads++;
    this.#watch.disconnect();
    this.#light.removeEventListener("change", this.#redraw);
  }

  mark(stories: readonly Story[]): void {
    this.#stories = stories;
    this.#draw();
  }

  // What the strip shows now.
  frame(from: number, to: number): void {
    this.#strip = [from, to];
    this.#draw();
  }

  // It is known by now how far the signal reaches.
  bound(): void {
    void this.#show(this.#wide, this.#cursor);
  }

  // What has come since, where the newest is shown.
  refresh(): void {
    const now = this.#reach.latest;
    if (now < this.#t0) return;
    if (now >= this.#t0 + lines.spanUs(this.#level)) {
      const shown = this.#t0 + lines.spanUs(this.#level) > now - 2e6 * this.#level.lineS;
      if (shown) void this.#show(this.#level, now);
      return;
    }
    const newest = lines.spotOf(this.#t0, this.#level, now)?.line ?? 0;
    const chunk = lines.chunksOf(this.#level).findLast(([first]) => first <= newest);
    if (chunk) void this.#fine([chunk], this.#loads);
  }

  // A day, or all there is of a short recording.
  get #wide(): Level {
    const { isGone, oldest, latest } = this.#reach;
    return isGone && oldest ? lines.levelFor(oldest, latest) : (LEVELS[0] as Level);
  }

  // Resolves once all lines are drawn roughly.
  #show(level: Level, around: number): Promise<void> {
    this.#level = level;
    const latest = this.#reach.latest;
    this.#cursor = Math.min(around, latest - 1); // on what there is
    const t0 = lines.beginOf(level, this.#cursor, latest, zone(latest), this.#reach.oldest);
    for (const [i, node] of [...this.#levels.children].entries())
      setAttr(node, "aria-pressed", String(LEVELS[i] === level));
    this.#t0 = t0;
    this.#lines = [];
    this.#draw();
    return this.#load();
  }

  // All lines roughly by one question, then each as finely as it is drawn.
  async #load(): Promise<void> {
    const load = ++this.#loads;
    const [t0, level] = [this.#t0, this.#level];
    setAttr(this.#canvas, "data-state", "loading");
    setText(this.#says, w.reading24);
    try {
      const all = await this.#history.overview(t0, t0 + lines.spanUs(level), LINES * lines.COARSE);
      if (load !== this.#loads) return;
      this.#lines = Array.from({ length: LINES }, (_, i) => lines.columnsOf(all, i, lines.COARSE));
      setAttr(this.#canvas, "data-state", "coarse");
      this.#draw();
    } catch (error) {
      if (load === this.#loads) setText(this.#says, t.failed(reasonOf(error)));
      return;
    }
    void this.#finish(load);
  }

  async #finish(load: number): Promise<void> {
    const [t0, level, now] = [this.#t0, this.#level, this.#reach.latest];
    await this.#fine(
      lines.chunksOf(level).filter(([first]) => t0 + first * level.lineS * 1e6 < now),
      load,
    );
    if (load === this.#loads) setAttr(this.#canvas, "data-state", "fine");
  }

  async #fine(chunks: [number, number][], load: number): Promise<void> {
    const { lineS, columns } = this.#level;
    for (const [first, n] of chunks.toReversed()) {
      const from = this.#t0 + first * lineS * 1e6;
      const found = await this.#history.overview(from, from + n * lineS * 1e6, n * columns).catch(() => null);
      if (load !== this.#loads) return;
      if (!found) continue; // what was drawn roughly stays
      for (let i = 0; i < n; i++) this.#lines[first + i] = lines.columnsOf(found, i, columns);
      this.#draw();
    }
  }

  #page(direction: number): void {
    if (direction < 0 && this.#t0 <= this.#reach.oldest) setText(this.#says, w.noEarlier);
    else void this.#show(this.#level, this.#t0 + lines.spanUs(this.#level) * (0.5 + direction));
  }

  #zoom(direction: number): void {
    const at = LEVELS.indexOf(this.#level) + direction;
    const level = LEVELS[at];
    if (level) void this.#show(level, this.#cursor);
    else if (at > 0) this.#on.chosen(Math.round(this.#cursor));
  }

  #click(event: MouseEvent): void {
    const box = this.#canvas.getBoundingClientRect();
    const line = Math.min(LINES - 1, Math.floor(((event.clientY - box.top) / box.height) * LINES));
    const share = (event.clientX - box.left - GUTTER_PX) / Math.max(1, box.width - GUTTER_PX);
    const us = lines.timeOf(this.#t0, this.#level, { line, share });
    if (us > this.#reach.latest) return;
    this.#cursor = us;
    this.#zoom(1);
  }

  #key(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const line = this.#level.lineS * 1e6;
    const moves: Record<string, number> = {
      ArrowLeft: -NUDGE * line,
      ArrowRight: NUDGE * line,
      ArrowUp: -line,
      ArrowDown: line,
    };
    const does: Record<string, () => void> = {
      Enter: () => this.#zoom(1),
      "+": () => this.#zoom(1),
      "-": () => this.#zoom(-1),
      PageUp: () => this.#page(-1),
      PageDown: () => this.#page(1),
      n: () => this.#toAlarm(1),
      p: () => this.#toAlarm(-1),
    };
    const move = moves[event.key];
    const what = does[event.key];
    if (move === undefined && !what) return;
    event.preventDefault();
    if (move === undefined) what?.();
    else this.#move(this.#cursor + move);
  }

  #move(us: number): void {
    this.#cursor = Math.min(this.#reach.latest, Math.max(0, us));
    if (lines.spotOf(this.#t0, this.#level, this.#cursor)) this.#draw();
    else void this.#show(this.#level, this.#cursor);
  }

  #toAlarm(direction: 1 | -1): void {
    const others = this.#stories
      .map((s) => s.onset_us)
      .filter((us) => direction * (us - this.#cursor) > 0)
      .sort((a, b) => direction * (a - b));
    if (others[0] === undefined) setText(this.#says, w.noAlarmThere);
    else this.#move(others[0]);
  }

  #draw(): void {
    const now = this.#reach.latest;
    const heightMv = drawDay(this.#canvas, {
      t0: this.#t0,
      level: this.#level,
      lines: this.#lines,
      stories: this.#stories,
      strip: this.#strip,
      cursor: this.#cursor,
      now,
    });
    if (heightMv === null) return;
    const [from, to] = [moment(this.#t0), moment(this.#t0 + lines.spanUs(this.#level))];
    setAttr(this.#canvas, "aria-label", w.fullLabel(from, to));
    setText(this.#range, `${from} \u2013 ${to} \u00b7 ${w.lineScale(heightMv)}`);
    if (this.#lines.length) setText(this.#says, this.#told(now));
  }

  // What the cursor stands on.
  #told(now: number): string {
    const parts = [w.cursorAt(moment(this.#cursor))];
    const spot = lines.spotOf(this.#t0, this.#level, this.#cursor);
    const columns = spot ? this.#lines[spot.line] : undefined;
    if (spot && columns) {
      const column = columns[Math.min(columns.length - 1, Math.floor(spot.share * columns.length))];
      if (column) parts.push(w.cursorSignal(column.low, column.high));
      else parts.push(this.#cursor > now - 5e6 && !this.#reach.isGone ? w.cursorFuture : w.cursorNothing);
    }
    const near = (this.#level.lineS * 1e6) / 120;
    for (const s of this.#stories)
      if (this.#cursor >= s.onset_us - near && this.#cursor <= endOfStory(s, now) + near)
        parts.push(`${mark(s)} ${labelOf(s)} ${clock(s.onset_us)}`.trim());
    return parts.join(" \u00b7 ");
  }
}
