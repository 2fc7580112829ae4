// Full disclosure: a day, four hours or 24 minutes in 24 lines; where a moment lies on them. No DOM in here.
import type { Overview } from "./history.ts";

export const LINES = 24;
const COLUMNS_MAX = 4096; // of one answer

export interface Level {
  lineS: number;
  columns: number; // a line; a second or more each where that is cheap for the server
}

export const LEVELS: readonly Level[] = [
  { lineS: 3600, columns: 900 },
  { lineS: 600, columns: 600 },
  { lineS: 60, columns: 600 },
];

export interface Spot {
  line: number;
  share: number; // of the line, 0 to 1
}

const lineUs = (level: Level): number => level.lineS * 1e6;
export const spanUs = (level: Level): number => LINES * lineUs(level);

// The end of the line that a moment is on: lines begin at whole hours, tens of minutes or minutes of the wall's clock.
const endOf = (us: number, level: Level, zone: number): number =>
  (Math.floor((us + zone) / lineUs(level)) + 1) * lineUs(level) - zone;

// The beginning of the 24 lines with `around` in their midst, as far as there is something from `oldest` to `latest`.
export function beginOf(level: Level, around: number, latest: number, zone: number, oldest = 0): number {
  const end = endOf(latest, level, zone);
  const wanted = endOf(around, level, zone) + (LINES / 2) * lineUs(level);
  const first = oldest && endOf(oldest, level, zone) - lineUs(level);
  return Math.max(0, first, Math.min(end, wanted) - spanUs(level));
}

// The finest at which all of [t0, t1) is seen at once; the coarsest where there is more than that.
export const levelFor = (t0: number, t1: number): Level =>
  LEVELS.findLast((level) => t1 - t0 <= spanUs(level) - lineUs(level)) ?? (LEVELS[0] as Level);

export function spotOf(t0: number, level: Level, us: number): Spot | null {
  const lines = (us - t0) / lineUs(level);
  if (lines < 0 || lines >= LINES) return null;
  const line = Math.floor(lines);
  return { line, share: lines - line };
}

export const timeOf = (t0: number, level: Level, { line, share }: Spot): number =>
  t0 + (line + Math.min(1, Math.max(0, share))) * lineUs(level);

// The questions that fill the 24 lines: first line and how many.
export function chunksOf(level: Level): [first: number, lines: number][] {
  const each = Math.floor(COLUMNS_MAX / level.columns);
  const found: [number, number][] = [];
  for (let first = 0; first < LINES; first += each) found.push([first, Math.min(each, LINES - first)]);
  return found;
}

// Columns a line when all lines are asked for at once.
export const COARSE = Math.floor(COLUMNS_MAX / LINES);

export interface Column {
  low: number; // millivolts
  high: number;
}

// One line of columns; null: nothing was received.
export function columnsOf(found: Overview, line: number, columns: number): (Column | null)[] {
  return Array.from({ length: columns }, (_, i) => {
    const [low, high] = [found.low_uv[line * columns + i], found.high_uv[line * columns + i]];
    return low === null || low === undefined || high === null || high === undefined
      ? null
      : { low: low / 1000, high: high / 1000 };
  });
}

// What stands in the middle of a line, and how high a line is, so that nearly all of the signal is seen.
export function fitOf(lines: readonly (readonly (Column | null)[])[]): { mid: number; heightMv: number } {
  const all = lines.flat().filter((c) => c !== null);
  if (!all.length) return { mid: 0, heightMv: 2 };
  const mids = all.map((c) => (c.low + c.high) / 2).sort((a, b) => a - b);
  const mid = mids[Math.floor(mids.length / 2)] ?? 0;
  const reach = all.map((c) => Math.max(c.high - mid, mid - c.low)).sort((a, b) => a - b);
  const most = 2 * (reach[Math.floor(reach.length * 0.97)] ?? 1);
  return { mid, heightMv: [1, 2, 4, 8, 16].find((mv) => mv >= most) ?? 32 };
}
