// The rows of the list: who is shown, in which order. No DOM in here.
import { level, waiting } from "../kernel/alarm.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Vitals, Ward } from "../kernel/ward.ts";

export const COLUMNS = ["alarm", "bed", "patient", "rate", "quality", "battery", "age"] as const;
export type Column = (typeof COLUMNS)[number];
export const SHOWN = ["all", "alarming", "high", "medium", "low", "technical", "silent"] as const;
export type Shown = (typeof SHOWN)[number];

export interface Row {
  patient: string;
  bed: string;
  vitals: Vitals;
  alarms: Alarm[]; // the worst first
  place: number; // in the order of the wall, the worst first
}

export interface Order {
  by: Column;
  descending: boolean;
}

const natural = new Intl.Collator(undefined, { numeric: true });
const LAST = Number.POSITIVE_INFINITY; // unknown values come last whichever way it is sorted

export function rowsOf(ward: Ward): Row[] {
  const alarms = new Map<string, Alarm[]>();
  for (const alarm of ward.worstFirst()) {
    const theirs = alarms.get(alarm.patient);
    if (theirs) theirs.push(alarm);
    else alarms.set(alarm.patient, [alarm]);
  }
  return ward.order(true).flatMap((patient, place) => {
    const state = ward.states.get(patient);
    if (!state) return [];
    return [{ patient, bed: state.bed, vitals: ward.vitals(state), alarms: alarms.get(patient) ?? [], place }];
  });
}

// Every word must be in the bed or the pseudonym.
export function matches(row: Row, words: string, shown: Shown): boolean {
  const text = `${row.bed} ${row.patient}`.toLocaleLowerCase();
  return (
    belongs(row, shown) &&
    words
      .toLocaleLowerCase()
      .split(/\s+/)
      .every((word) => text.includes(word))
  );
}

function belongs({ alarms, vitals }: Row, shown: Shown): boolean {
  if (shown === "all") return true;
  if (shown === "alarming") return alarms.length > 0;
  if (shown === "silent") return vitals.stale;
  return alarms.some((alarm) => level(alarm) === shown);
}

const value: Record<Exclude<Column, "bed" | "patient">, (row: Row) => number | null> = {
  alarm: (row) => row.place,
  rate: (row) => row.vitals.heartRate,
  quality: (row) => row.vitals.sqi,
  battery: (row) => row.vitals.battery,
  age: (row) => row.vitals.ageS,
};

export function sorted(rows: readonly Row[], { by, descending }: Order): Row[] {
  const sign = descending ? -1 : 1;
  const places = (a: Row, b: Row) => a.place - b.place;
  if (by === "bed" || by === "patient")
    return [...rows].sort(
      (a, b) => Number(!a[by]) - Number(!b[by]) || sign * natural.compare(a[by], b[by]) || places(a, b),
    );
  const of = value[by];
  return [...rows].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === null || y === null) return (x ?? LAST) === (y ?? LAST) ? places(a, b) : x === null ? 1 : -1;
    return sign * (x - y) || places(a, b);
  });
}

// What one press acknowledges: the worst that waits.
export const next = (row: Row): Alarm | null => row.alarms.find(waiting) ?? null;
