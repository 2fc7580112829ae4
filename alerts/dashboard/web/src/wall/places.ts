// Which patients stand on which page of the wall, and which alarms on other pages wait. No DOM in here.
import { waiting } from "../kernel/alarm.ts";
import type { Alarm } from "../kernel/types.ts";

export const TILES = 48; // on a page: as many as one person is asked to watch

export const pagesOf = (patients: number): number => Math.max(1, Math.ceil(patients / TILES));

// The page of those patients who are shown; one that no longer is there becomes the last.
export function pageAt(order: readonly string[], page: number): string[] {
  const at = Math.min(Math.max(0, page), pagesOf(order.length) - 1);
  return order.slice(at * TILES, (at + 1) * TILES);
}

export interface Elsewhere {
  alarm: Alarm;
  page: number;
}

// Of each page but the one shown, the alarms that wait, in the order given (the worst first).
export function elsewhere(order: readonly string[], shown: number, alarms: readonly Alarm[]): Elsewhere[] {
  const places = new Map(order.map((patient, i) => [patient, Math.floor(i / TILES)]));
  return alarms
    .filter((alarm) => waiting(alarm))
    .map((alarm) => ({ alarm, page: places.get(alarm.patient) ?? shown }))
    .filter(({ page }) => page !== shown);
}
