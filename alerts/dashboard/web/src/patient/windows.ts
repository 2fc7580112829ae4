// Where the student's windows begin: all of one patient lie on one grid (ingest/window.py). No DOM in here.
import type { Trends } from "./history.ts";

export interface Grid {
  hopUs: number; // from one beginning to the next
  lengthUs: number;
  phaseUs: number; // of any beginning, what a whole number of hops leaves
}

export interface Reading {
  t0: number; // microseconds
  codes: string[];
  answered: boolean; // false: the student was undecided
  usable: boolean;
}

interface Window {
  t0_us: number;
  t1_us: number;
}

const LEAST_HOP_US = 5e6; // what the server adds up at least

// From some readings that follow one another; null where there is none.
export function gridOf(windows: readonly Window[]): Grid | null {
  const newest = windows[0];
  if (!newest) return null;
  const begins = [...new Set(windows.map((w) => w.t0_us))].sort((a, b) => a - b);
  const lengthUs = newest.t1_us - newest.t0_us;
  let hopUs = lengthUs;
  for (let i = 1; i < begins.length; i++) hopUs = Math.min(hopUs, (begins[i] as number) - (begins[i - 1] as number));
  hopUs = Math.max(LEAST_HOP_US, hopUs);
  return { hopUs, lengthUs, phaseUs: newest.t0_us % hopUs };
}

// [from, to) of the beginnings of the windows that overlap [t0, t1), on the grid.
export function beginsIn({ hopUs, lengthUs, phaseUs }: Grid, t0: number, t1: number): [number, number] {
  const first = Math.floor((t0 - lengthUs - phaseUs) / hopUs) + 1;
  const last = Math.ceil((t1 - phaseUs) / hopUs);
  return [Math.max(phaseUs, first * hopUs + phaseUs), last * hopUs + phaseUs];
}

// Of a trend whose steps are the grid's: each step then holds one window.
export function readingsOf(trends: Trends): Reading[] {
  const found: Reading[] = [];
  trends.windows.forEach((n, i) => {
    if (!n) return;
    const codes = Object.keys(trends.codes).filter((code) => (trends.codes[code]?.[i] ?? 0) > 0);
    found.push({
      t0: trends.t0_us + i * trends.step_s * 1e6,
      codes,
      answered: (trends.answered[i] ?? 0) > 0,
      usable: (trends.usable[i] ?? 0) > 0,
    });
  });
  return found;
}
