// What the API and the live link tell, as liteheart/board.py, alerts/dashboard/*.py lay it out. Times: microseconds.
export type Priority = "info" | "low" | "medium" | "high";
export type Presence = "on" | "latched" | "ack" | "off";
export type Level = Priority | "technical";
export type Right =
  | "look"
  | "acknowledge"
  | "limits"
  | "admit"
  | "pair"
  | "identity"
  | "people"
  | "audit"
  | "note"
  | "report"
  | "break_glass";

export interface Alarm {
  alarm_id: string;
  patient: string;
  condition: string;
  label: string;
  kind: "physiological" | "technical";
  priority: Priority;
  latching: boolean;
  onset_us: number;
  raised_us: number;
  message: string;
  active: boolean;
  presence: Presence;
  ended_us: number | null;
  acknowledged_us: number | null;
  acknowledged_by: string | null;
  reason: Reason | null;
  retrospective: boolean;
  late: boolean;
  episodes: number;
  evidence: Record<string, string | number>;
}

export type Reason = "true-actioned" | "true-no-action" | "false-artefact" | "false-algorithm" | "care-activity";
export const REASONS: readonly Reason[] = [
  "true-actioned",
  "true-no-action",
  "false-artefact",
  "false-algorithm",
  "care-activity",
];

export interface PatientState {
  patient: string;
  device: string;
  lead: string;
  fs_hz: number;
  last_arrival_us: number;
  last_sample_us: number;
  bed: string;
  heart_rate_bpm: number | null;
  sqi: number | null;
  usable: boolean;
  lead_off: boolean;
  battery_pct: number | null;
  codes: string[];
  model: string | null;
}

export interface Session {
  username: string;
  role: string;
  can_sign_out: boolean;
  may_acknowledge?: boolean;
  may?: Right[];
}

// What is asked of a pause: one of patient and station.
export interface PauseWanted {
  patient?: string;
  station?: string;
  seconds: number;
}

export interface Pause {
  pause_id: number;
  by: string;
  began_us: number;
  until_us: number;
  patient: string | null;
  station: string | null;
  silenced: string[];
  priority: Priority;
}

// Where an alarm stands on the ladder.
export interface Step {
  alarm_id: string;
  episodes: number;
  step: number;
  steps: number;
  owner: string;
  since_us: number;
  next_owner: string | null;
  next_us: number | null;
  overdue: boolean;
}

export interface CareNow {
  at_us: number;
  pauses: Pause[];
  escalations: Step[];
}

export interface CareChoice extends CareNow {
  stations: string[];
  pause_s: number[];
  owners: string[];
}

export interface Limit {
  name: string;
  ward: number;
  least: number;
  greatest: number;
  unit: string;
  says: string;
}

export interface Limits {
  patient: string;
  limits: Record<string, number>;
  ward: Limit[];
  history: { by: string; at_us: number; limits: Record<string, number> }[];
}

export interface Told {
  target: string;
  step: number;
  created_us: number;
  attempts: number;
  delivered_us: number | null;
  failed_us: number | null;
  late: boolean;
  error: string | null;
}

export interface Segment {
  t0_us: number;
  fs_hz: number;
  lead: string;
  lead_off: boolean;
  mv: number[];
}

export interface Items<T> {
  items: T[];
}
