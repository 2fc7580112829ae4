// From when to when: the last hours, or between two moments. In the address, so that it can be passed on and kept.
export type Period = { hours: number } | { since_us: number; until_us: number | null };

const whole = (text: string | null): number | null => (text && /^\d{1,18}$/.test(text) ? Number(text) : null);

// What the address asks for; `otherwise` hours where it asks nothing that makes sense.
export function periodOf(query: URLSearchParams, otherwise: number): Period {
  const [since, until, hours] = ["since", "until", "hours"].map((name) => whole(query.get(name)));
  if (since && (!until || until > since)) return { since_us: since, until_us: until || null };
  return { hours: hours || otherwise };
}

export function queryOf(period: Period): Record<string, number> {
  if ("hours" in period) return { hours: period.hours };
  return period.until_us === null ? { since: period.since_us } : { since: period.since_us, until: period.until_us };
}

// When it begins and ends; null: now.
export function boundsOf(period: Period, nowUs: number): { since_us: number; until_us: number | null } {
  if ("hours" in period) return { since_us: Math.max(0, Math.round(nowUs - period.hours * 3.6e9)), until_us: null };
  return period;
}

// Runs on: what is shown grows old.
export const runsOn = (period: Period): boolean => "hours" in period || period.until_us === null;
