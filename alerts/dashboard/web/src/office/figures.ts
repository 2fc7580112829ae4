// Figures as people read them, and where the bars of a chart stand. Nothing here draws or asks.
import type { BurdenHour, Figures } from "../kernel/types.ts";

export const US_PER_H = 3_600_000_000;
const CHART_MAX_BARS = 72; // more hours than this are drawn as days

// Acknowledged without a word why.
export function unexplained({ acknowledged, reasons }: Figures): number {
  return Math.max(
    0,
    Object.values(reasons).reduce((left, n) => left - n, acknowledged),
  );
}

export interface Bar {
  t0_us: number;
  count: number;
  audible: number;
}

// Hours as they are, or added up by the days of this screen's calendar where they are many.
export function binned(hours: readonly BurdenHour[]): { bars: Bar[]; days: boolean } {
  const days = hours.length > CHART_MAX_BARS;
  if (!days) return { bars: hours.map(({ t0_us, count, audible }) => ({ t0_us, count, audible })), days };
  const bars: Bar[] = [];
  let last = "";
  for (const { t0_us, count, audible } of hours) {
    const day = dayOf(t0_us);
    const bar = bars.at(-1);
    if (bar && day === last) {
      bar.count += count;
      bar.audible += audible;
    } else bars.push({ t0_us, count, audible });
    last = day;
  }
  return { bars, days };
}

// Whole numbers from 0 to at least `top`, at most five of them.
export function ticks(top: number): number[] {
  const wanted = Math.max(1, top) / 4;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = Math.max(1, [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted) ?? wanted);
  return Array.from({ length: Math.ceil(Math.max(1, top) / step) + 1 }, (_, i) => i * step);
}

// Every how many bars one is named, so that the names stand `least` apart.
export function every(bars: number, width: number, least: number): number {
  return Math.max(1, Math.ceil((least * bars) / Math.max(1, width)));
}

const two = (n: number): string => String(n).padStart(2, "0");

// 2026-11-22, on this screen's calendar.
export function dayOf(us: number): string {
  const d = new Date(us / 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

// 14:05, on this screen's clock.
export function minuteOf(us: number): string {
  const d = new Date(us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}`;
}

// The time alone for what was today, else the day before it.
export function moment(us: number, nowUs: number): string {
  return dayOf(us) === dayOf(nowUs) ? minuteOf(us) : `${dayOf(us)} ${minuteOf(us)}`;
}

// What a field of type datetime-local holds, and back; null for none.
export const fieldOf = (us: number): string => `${dayOf(us)}T${minuteOf(us)}`;
export function usOf(field: string): number | null {
  const ms = new Date(field).getTime();
  return Number.isFinite(ms) ? ms * 1000 : null;
}
