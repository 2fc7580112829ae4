// The picture of full disclosure: lines of least and greatest values, what is missing, the alarms, strip and cursor.
import { level as levelOf } from "../kernel/alarm.ts";
import { colour, fit, pen } from "../kernel/dom.ts";
import { arrow } from "./arrow.ts";
import type { Story } from "./history.ts";
import { type Column, fitOf, type Level, LINES, spotOf } from "./lines.ts";
import { minute } from "./when.ts";

const LINE_PX = 26;
export const GUTTER_PX = 52; // for the time at which a line begins
export const HEIGHT_PX = LINES * LINE_PX;

export interface Day {
  t0: number; // microseconds
  level: Level;
  lines: readonly (readonly (Column | null)[])[]; // as many as are known
  stories: readonly Story[];
  strip: readonly [from: number, to: number];
  cursor: number;
  now: number;
}

interface Span {
  x: number;
  y: number;
  width: number;
}

// An alarm that says that the electrodes were off: what was received then is no signal.
export const isLeadOff = (story: Story): boolean => story.condition.startsWith("LEAD_OFF");

export const endOfStory = (story: Story, now: number): number =>
  story.ended_us ?? (story.active ? now : story.onset_us);

// How many millivolts high a line is then; null where there is no room to draw.
export function drawDay(canvas: HTMLCanvasElement, day: Day): number | null {
  const width = canvas.clientWidth;
  if (!width) return null;
  if (!fit(canvas, width, HEIGHT_PX)) pen(canvas).clearRect(0, 0, width, HEIGHT_PX);
  return new Drawing(pen(canvas), width - GUTTER_PX, day).all();
}

class Drawing {
  readonly #c: CanvasRenderingContext2D;
  readonly #width: number; // without the gutter
  readonly #day: Day;
  readonly #lineUs: number;
  readonly #hatch: CanvasPattern | string;

  constructor(c: CanvasRenderingContext2D, width: number, day: Day) {
    this.#c = c;
    this.#width = width;
    this.#day = day;
    this.#lineUs = day.level.lineS * 1e6;
    this.#hatch = hatching(c);
  }

  all(): number {
    const { lines, stories, strip, cursor, now, t0, level } = this.#day;
    const { mid, heightMv } = fitOf(lines);
    for (const story of stories.filter(isLeadOff)) this.#off(story.onset_us, endOfStory(story, now));
    for (let line = 0; line < LINES; line++) this.#line(line, mid, (LINE_PX - 2) / heightMv);
    for (const story of stories) this.#alarm(story, endOfStory(story, now));
    this.#box(...strip);
    const spot = spotOf(t0, level, cursor);
    if (spot) {
      this.#c.fillStyle = colour("--accent");
      this.#c.fillRect(GUTTER_PX + spot.share * this.#width - 1, spot.line * LINE_PX, 2, LINE_PX);
    }
    return heightMv;
  }

  #line(line: number, mid: number, pxPerMv: number): void {
    const c = this.#c;
    const { t0, now } = this.#day;
    const [begin, top] = [t0 + line * this.#lineUs, line * LINE_PX];
    c.fillStyle = colour("--muted");
    c.font = "11px system-ui, sans-serif";
    c.fillText(minute(begin), 4, top + 17);
    c.fillStyle = colour("--line");
    c.fillRect(GUTTER_PX, top + LINE_PX - 1, this.#width, 1);
    const columns = this.#day.lines[line];
    if (!columns) return;
    const each = this.#width / columns.length;
    const known = Math.min(columns.length, ((now - begin) / this.#lineUs) * columns.length);
    const trace = colour("--trace");
    const y = (mv: number) => Math.min(top + LINE_PX - 2, Math.max(top, top + LINE_PX / 2 - (mv - mid) * pxPerMv));
    columns.forEach((column, i) => {
      const x = GUTTER_PX + i * each;
      if (column) {
        c.fillStyle = trace;
        c.fillRect(x, y(column.high), Math.max(0.7, each), Math.max(1, y(column.low) - y(column.high)));
      } else if (i < known) {
        c.fillStyle = this.#hatch;
        c.fillRect(x, top, each + 0.5, LINE_PX - 1);
      }
    });
  }

  // Hatched under what the device sent all the same, so that no flat line stands there by itself.
  #off(from: number, to: number): void {
    this.#c.fillStyle = this.#hatch;
    for (const { x, y, width } of this.#spans(from, to)) this.#c.fillRect(x, y, Math.max(1, width), LINE_PX - 1);
  }

  // A bar as long as the alarm held, and its onset.
  #alarm(story: Story, end: number): void {
    const c = this.#c;
    const { t0, level } = this.#day;
    const shade = colour(`--${levelOf(story)}`) || colour("--muted");
    for (const { x, y, width } of this.#spans(story.onset_us, end)) {
      c.fillStyle = colour("--muted");
      c.fillRect(x, y, Math.max(2, width), 4);
      c.fillStyle = shade;
      c.fillRect(x, y, Math.max(2, width), 3);
    }
    const spot = spotOf(t0, level, story.onset_us);
    if (spot) arrow(c, story, GUTTER_PX + spot.share * this.#width, spot.line * LINE_PX);
  }

  #box(from: number, to: number): void {
    this.#c.strokeStyle = colour("--text");
    this.#c.lineWidth = 1;
    for (const { x, y, width } of this.#spans(from, to))
      this.#c.strokeRect(x + 0.5, y + 0.5, Math.max(3, width - 1), LINE_PX - 2);
  }

  // [from, to] as far as it is shown, cut where lines end.
  #spans(from: number, to: number): Span[] {
    const { t0 } = this.#day;
    const found: Span[] = [];
    const last = Math.min(to, t0 + LINES * this.#lineUs);
    for (let at = Math.max(from, t0); at <= last; ) {
      const row = Math.floor((at - t0) / this.#lineUs);
      if (row >= LINES) break;
      const begin = t0 + row * this.#lineUs;
      const end = Math.min(last, begin + this.#lineUs);
      const x = GUTTER_PX + ((at - begin) / this.#lineUs) * this.#width;
      found.push({ x, y: row * LINE_PX, width: ((end - at) / this.#lineUs) * this.#width });
      if (end <= at || end === last) break;
      at = end;
    }
    return found;
  }
}

// What nothing was received of: never a line.
export function hatching(c: CanvasRenderingContext2D): CanvasPattern | string {
  const tile = new OffscreenCanvas(6, 6);
  const p = tile.getContext("2d");
  if (!p) return colour("--missing");
  p.strokeStyle = colour("--muted");
  p.globalAlpha = 0.55;
  p.beginPath();
  for (const x of [-6, 0, 6]) {
    p.moveTo(x, 6);
    p.lineTo(x + 6, 0);
  }
  p.stroke();
  return c.createPattern(tile, "repeat") ?? colour("--missing");
}
