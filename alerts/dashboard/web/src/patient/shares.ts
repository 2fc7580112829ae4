// Shares over a trend. What is not known is null and stays so. No DOM in here.
import type { Series, Trends } from "./history.ts";

export interface Lane {
  code: string; // of a condition, or "undecided", "poor"
  total: number; // share of all that counts for it
  shares: Series; // of each step; null: no reading
}

export const known = (v: number | null): v is number => v !== null;

// Weighted by how many readings each step holds.
export function meanOf(values: Series, weights: readonly number[]): number | null {
  let [sum, n] = [0, 0];
  values.forEach((v, i) => {
    if (v === null) return;
    sum += v * (weights[i] ?? 0);
    n += weights[i] ?? 0;
  });
  return n ? sum / n : null;
}

// How many windows the student answered, and of all of them the share that it was undecided about.
export function summary(trends: Trends): { answered: number; undecided: number } {
  const share = meanOf(trends.answered, trends.windows);
  const all = trends.windows.reduce((sum, n) => sum + n, 0);
  return { answered: share === null ? 0 : Math.round(share * all), undecided: share === null ? 0 : 1 - share };
}

// The commonest finding first; at the end what kept the student from an answer.
export function lanesOf(trends: Trends): Lane[] {
  const found = Object.entries(trends.codes)
    .map(([code, shares]) => ({ code, total: trends.burden[code] ?? 0, shares }))
    .sort((a, b) => b.total - a.total);
  const rest = (shares: Series): Series => shares.map((v) => (v === null ? null : 1 - v));
  const lanes: [string, Series][] = [
    ["undecided", rest(trends.answered)],
    ["poor", rest(trends.usable)],
  ];
  return [...found, ...lanes.map(([code, shares]) => ({ code, total: meanOf(shares, trends.windows) ?? 0, shares }))];
}
