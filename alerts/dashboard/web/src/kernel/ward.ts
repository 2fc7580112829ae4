// What is known of the ward: states, alarms, and the server's time. No DOM in here.
import { RANK, rank, soundKey, waiting } from "./alarm.ts";
import type { Alarm, CareNow, PatientState, Pause, Step } from "./types.ts";
import type { Frame } from "./wire.ts";

const STALE_S = 5; // or two and a half frames, whichever is longer
const FRESH_VITALS_S = 10;
const natural = new Intl.Collator(undefined, { numeric: true });

interface Arrival {
  arrival: number;
  leadOff: boolean;
  frameS: number;
  battery: number | null;
}

// Everything a tile shows that ages.
export interface Vitals {
  ageS: number | null;
  stale: boolean;
  delayedS: number;
  leadOff: boolean;
  heartRate: number | null;
  sqi: number | null;
  usable: boolean;
  battery: number | null;
  codes: string[];
}

export type LinkState = "up" | "late" | "down";
const LATE_S = 3; // no sample for so long
const DELAYED_S = 20; // samples that are older than this when they arrive

// How the device's link is.
export function linkOf({ stale, ageS, delayedS }: Vitals): LinkState {
  if (stale) return "down";
  return (ageS ?? 0) >= LATE_S || delayedS > DELAYED_S ? "late" : "up";
}

export class Ward {
  readonly states = new Map<string, PatientState>(); // by patient
  readonly alarms = new Map<string, Alarm>(); // by id, open ones only
  readonly arrivals = new Map<string, Arrival>(); // by patient
  readonly names = new Map<string, string>(); // condition code -> name
  clockUs = Date.now() * 1000;
  clockAt = performance.now();
  revision = 0; // counts whatever may change the order
  cares = false; // the server keeps pauses, limits and the ladder
  pauses: Pause[] = [];
  ladder = new Map<string, Step>(); // alarm id -> where it stands
  station = "ward";
  pauseS = [120]; // pauses that may be chosen, the longest last
  isKnown = false; // a whole snapshot has come: who is not in it is not here
  seenUs: number | null = null; // server time of the newest that this screen was told; null before anything
  #seen: Set<string> | null = null; // what the snapshot under way has named so far
  #pressedUs = 0;

  get longestPauseS(): number {
    return this.pauseS.at(-1) ?? 120;
  }

  // null: the server could not say. What is known runs on; a pause ends by itself.
  // What was read before the latest press on this screen is old: it must not take the pause back for a moment.
  setCare(care: CareNow | null | undefined): void {
    if (!care || care.at_us < this.#pressedUs) return;
    this.cares = true;
    this.pauses = care.pauses;
    this.ladder = new Map(care.escalations.map((step) => [step.alarm_id, step]));
  }

  paused(pause: Pause): void {
    const same = (p: Pause) => p.patient === pause.patient && p.station === pause.station;
    this.pauses = [...this.pauses.filter((p) => !same(p)), pause];
    this.#pressedUs = pause.began_us;
  }

  resumed(pause: Pause): void {
    this.pauses = this.pauses.filter((p) => p.pause_id !== pause.pause_id);
    this.#pressedUs = this.now();
  }

  leftS(pause: Pause): number {
    return Math.max(0, (pause.until_us - this.now()) / 1e6);
  }

  #holding(): Pause[] {
    const now = this.now();
    return this.pauses.filter((p) => p.until_us > now && (p.station === null || p.station === this.station));
  }

  pauseOf(patient: string): Pause | null {
    return this.#holding().find((p) => p.patient === patient) ?? null;
  }

  stationPause(): Pause | null {
    return this.#holding().find((p) => p.station !== null) ?? null;
  }

  // A pause silences what had been heard when it began, and after that what is no worse: never a new alarm of HIGH.
  muted(alarm: Alarm): boolean {
    const key = soundKey(alarm);
    return this.#holding().some(
      (p) =>
        (p.station !== null || p.patient === alarm.patient) &&
        (p.silenced.includes(key) || (rank(alarm) < RANK.high && rank(alarm) <= RANK[p.priority])),
    );
  }

  // Where a waiting alarm stands on the ladder.
  escalation(alarm: Alarm): Step | null {
    const step = this.ladder.get(alarm.alarm_id);
    return step && waiting(alarm) && step.episodes === alarm.episodes ? step : null;
  }

  // Server time; runs on between heartbeats.
  now(): number {
    return this.clockUs + (performance.now() - this.clockAt) * 1000;
  }

  setClock(us: number): void {
    this.seenUs = Math.max(this.seenUs ?? 0, us);
    this.clockUs = us;
    this.clockAt = performance.now();
  }

  beginSnapshot(): void {
    this.#seen = new Set();
  }

  // Nobody is signed in: nothing is known.
  forget(): void {
    this.beginSnapshot();
    this.endSnapshot();
    this.isKnown = false;
    this.seenUs = null;
  }

  // What the snapshot did not name is gone.
  endSnapshot(): void {
    const seen = this.#seen;
    if (!seen) return;
    for (const id of this.alarms.keys()) if (!seen.has(id)) this.alarms.delete(id);
    for (const patient of this.states.keys()) if (!seen.has(patient)) this.states.delete(patient);
    this.#seen = null;
    this.isKnown = true;
    this.revision++;
  }

  // Beds come with the snapshot only: the monitor, who tells the rest live, does not know them.
  setState(state: PatientState): void {
    if (state.discharged) {
      this.#left(state.patient);
      return;
    }
    const known = this.states.get(state.patient);
    if (this.#seen) this.#seen.add(state.patient);
    else state.bed ||= known?.bed ?? "";
    if (known?.bed !== state.bed) this.revision++;
    this.states.set(state.patient, state);
  }

  #left(patient: string): void {
    this.states.delete(patient);
    this.arrivals.delete(patient);
    for (const alarm of this.alarms.values()) if (alarm.patient === patient) this.alarms.delete(alarm.alarm_id);
    this.revision++;
  }

  setAlarm(alarm: Alarm): void {
    this.#seen?.add(alarm.alarm_id);
    if (alarm.presence === "off") this.alarms.delete(alarm.alarm_id);
    else this.alarms.set(alarm.alarm_id, alarm);
    this.revision++;
  }

  frameCame(frame: Frame): void {
    this.seenUs = Math.max(this.seenUs ?? 0, frame.arrival);
    if ((this.arrivals.get(frame.patient)?.arrival ?? 0) > frame.arrival) return; // what was missed comes after
    this.arrivals.set(frame.patient, {
      arrival: frame.arrival,
      leadOff: frame.leadOff,
      frameS: frame.samples.length / frame.fs,
      battery: frame.battery,
    });
  }

  // Worked out for now.
  vitals(state: PatientState): Vitals {
    const frame = this.arrivals.get(state.patient);
    const told = state.last_arrival_us ?? 0; // 0: nothing has come yet
    const arrival = Math.max(told, frame?.arrival ?? 0);
    const ageS = arrival ? Math.max(0, (this.now() - arrival) / 1e6) : null;
    const stale = ageS === null || ageS >= Math.max(STALE_S, 2.5 * (frame?.frameS ?? 1));
    const vitalsAgeS = (this.now() - told) / 1e6;
    const fresh = !stale && vitalsAgeS < FRESH_VITALS_S;
    const leadOff = !stale && (frame ? frame.leadOff : state.lead_off);
    return {
      ageS,
      stale,
      delayedS: (told - (state.last_sample_us ?? told)) / 1e6,
      leadOff,
      heartRate: fresh && !leadOff && state.heart_rate_bpm !== null ? Math.round(state.heart_rate_bpm) : null,
      sqi: fresh ? state.sqi : null,
      usable: fresh && state.usable,
      battery: frame?.battery ?? state.battery_pct,
      codes: stale ? [] : state.codes,
    };
  }

  name(code: string): string {
    return this.names.get(code) ?? code;
  }

  // "Bed 3 - p-017", for sentences.
  who(patient: string): string {
    const bed = this.states.get(patient)?.bed;
    return bed ? `${bed} \u00b7 ${patient}` : patient;
  }

  waiting(): Alarm[] {
    return [...this.alarms.values()].filter(waiting);
  }

  isAlarmed(patient: string): boolean {
    for (const alarm of this.alarms.values()) if (alarm.patient === patient) return true;
    return false;
  }

  alarmsOf(patient: string): Alarm[] {
    return this.worstFirst([...this.alarms.values()].filter((a) => a.patient === patient));
  }

  // Unacknowledged before acknowledged, then worst, then what still goes on, then longest.
  worstFirst(alarms: Alarm[] = [...this.alarms.values()]): Alarm[] {
    return alarms.sort(
      (a, b) =>
        Number(waiting(b)) - Number(waiting(a)) ||
        rank(b) - rank(a) ||
        Number(a.presence === "latched") - Number(b.presence === "latched") ||
        Number(a.retrospective) - Number(b.retrospective) ||
        Number(a.kind === "technical") - Number(b.kind === "technical") ||
        a.onset_us - b.onset_us ||
        (a.alarm_id < b.alarm_id ? -1 : 1),
    );
  }

  // Patients in the order of the wall.
  order(worst: boolean): string[] {
    const fixed = [...this.states.values()].sort(
      (a, b) => natural.compare(a.bed || "\uffff", b.bed || "\uffff") || natural.compare(a.patient, b.patient),
    );
    if (!worst) return fixed.map((s) => s.patient);
    const top = new Map<string, number>();
    this.worstFirst().forEach((alarm, place) => {
      if (!top.has(alarm.patient)) top.set(alarm.patient, place);
    });
    const place = (s: PatientState) => top.get(s.patient) ?? (this.vitals(s).stale ? 1e6 : 2e6);
    return fixed
      .map((s, i): [number, number, string] => [place(s), i, s.patient])
      .sort((a, b) => a[0] - b[0] || a[1] - b[1])
      .map((row) => row[2]);
  }
}
