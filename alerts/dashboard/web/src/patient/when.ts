// Days and moments as this screen's clock has them.
import { clock } from "../kernel/clock.ts";

const two = (n: number): string => String(n).padStart(2, "0");

// 2026-11-22
export function day(us: number): string {
  const d = new Date(us / 1000);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
}

export const moment = (us: number): string => `${day(us)} ${clock(us)}`;

// 14:03:07.120
export const exact = (us: number): string => `${clock(us)}.${String(Math.floor(us / 1000) % 1000).padStart(3, "0")}`;

// 14:03
export const minute = (us: number): string => clock(us).slice(0, 5);

// Microseconds that this screen's clock is ahead of UTC, then.
export const zone = (us: number): number => -new Date(us / 1000).getTimezoneOffset() * 60e6;
