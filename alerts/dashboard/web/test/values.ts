// Values for the tests; what is not said is ordinary.
import type { Alarm, PatientState } from "../src/kernel/types.ts";

export const NOW_US = 1_790_000_000_000_000;

export function alarm(values: Partial<Alarm> = {}): Alarm {
  return {
    alarm_id: "a1",
    patient: "p-1",
    condition: "asystole",
    label: "Asystole",
    kind: "physiological",
    priority: "high",
    latching: true,
    onset_us: NOW_US,
    raised_us: NOW_US,
    message: "no beat for 4.2 s > 4 s",
    active: true,
    presence: "on",
    ended_us: null,
    acknowledged_us: null,
    acknowledged_by: null,
    reason: null,
    retrospective: false,
    late: false,
    episodes: 1,
    evidence: {},
    ...values,
  };
}

export function state(patient: string, values: Partial<PatientState> = {}): PatientState {
  return {
    patient,
    device: `d-${patient}`,
    lead: "I",
    fs_hz: 250,
    last_arrival_us: NOW_US,
    last_sample_us: NOW_US,
    bed: "",
    heart_rate_bpm: 71.6,
    sqi: 0.9,
    usable: true,
    lead_off: false,
    battery_pct: 80,
    codes: ["NORM"],
    model: null,
    ...values,
  };
}
