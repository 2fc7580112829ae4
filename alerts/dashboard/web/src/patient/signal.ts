// Stored segments as what is drawn: lines, and what is missing between them. No DOM in here.
import type { Segment } from "../kernel/types.ts";
import { HighPass } from "../wall/trace.ts";

export type Filter = "baseline" | "none";

export const CORNER_HZ = 0.3;
const GAP_US = 40000; // shorter ones are jitter of the clock

export interface Line {
  t0: number; // microseconds
  fs: number; // Hz
  mv: ArrayLike<number>;
}

// Nothing was received, or the lead was off: neither is a flat line.
export interface Missing {
  from: number; // microseconds
  to: number;
  leadOff: boolean;
}

export interface Sample {
  us: number;
  mv: number;
}

// Just after the last sample, microseconds.
export const endOf = (segment: Segment): number => segment.t0_us + (segment.mv.length * 1e6) / segment.fs_hz;

// Forwards and backwards, so that nothing shifts.
export function smooth(mv: ArrayLike<number>, fs: number): Float32Array {
  const forward = new HighPass(fs, CORNER_HZ).run(mv, 1).reverse();
  return new HighPass(fs, CORNER_HZ).run(forward, 1).reverse();
}

// What was worn, for the eye: without the slow part, or only without what is constant over all of it.
export function linesOf(segments: readonly Segment[], filter: Filter): Line[] {
  const worn = segments.filter((s) => !s.lead_off && s.mv.length > 0);
  const level = filter === "none" ? median(worn.flatMap((s) => s.mv)) : 0;
  return worn.map((s) => ({
    t0: s.t0_us,
    fs: s.fs_hz,
    mv: filter === "none" ? Float32Array.from(s.mv, (v) => v - level) : smooth(s.mv, s.fs_hz),
  }));
}

// Of [t0, until), in order. `segments` are in order, do not overlap, and may reach beyond.
export function missingOf(segments: readonly Segment[], t0: number, until: number): Missing[] {
  const found: Missing[] = [];
  let reach = t0;
  for (const segment of segments) {
    if (segment.t0_us - reach > GAP_US) found.push({ from: reach, to: Math.min(segment.t0_us, until), leadOff: false });
    const off = { from: Math.max(t0, segment.t0_us), to: Math.min(endOf(segment), until), leadOff: true };
    if (segment.lead_off) found.push(off);
    reach = Math.max(reach, endOf(segment));
  }
  if (until - reach > GAP_US) found.push({ from: reach, to: until, leadOff: false });
  return found.filter((gap) => gap.to > gap.from);
}

// The sample that is nearest to a moment; null where none is within one and a half periods.
export function nearest(lines: readonly Line[], us: number): Sample | null {
  for (const { t0, fs, mv } of lines) {
    const at = ((us - t0) * fs) / 1e6;
    const i = Math.min(mv.length - 1, Math.max(0, Math.round(at)));
    const value = mv[i];
    if (value !== undefined && Math.abs(at - i) <= 1.5) return { us: t0 + (i * 1e6) / fs, mv: value };
  }
  return null;
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length / 2)] ?? 0;
}
