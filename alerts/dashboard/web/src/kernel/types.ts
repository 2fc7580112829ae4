// What the API and the live link tell, as liteheart/board.py, alerts/dashboard/*.py lay it out. Times: microseconds.
export type Priority = "info" | "low" | "medium" | "high";
export type Presence = "on" | "latched" | "ack" | "off";
export type Level = Priority | "technical";
export type Role = "nurse" | "physician" | "technician" | "administrator" | "researcher";
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
  | "break_glass"
  | "models"
  | "fhir";

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
  fs_hz: number | null;
  last_arrival_us: number | null; // null: nothing has come yet
  last_sample_us: number | null;
  since_us?: number; // then: since when it is awaited
  bed: string;
  heart_rate_bpm: number | null;
  sqi: number | null;
  usable: boolean;
  lead_off: boolean;
  battery_pct: number | null;
  codes: string[];
  model: string | null;
  discharged?: true; // has left
}

export interface Session {
  username: string;
  role: string;
  can_sign_out: boolean;
  models?: boolean; // whether the server tells of the students
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

// Of the office: who is here and who they are, accounts, audit, and what is looked back at after a shift.
export interface Stay {
  patient: string;
  bed: string;
  since_us: number | null;
  devices: string[]; // whose tokens are valid
  identified: boolean;
}

export interface Identity {
  name: string;
  born: string | null; // 1951-03-04
  record_number: string | null;
}

export interface Account {
  username: string;
  role: string;
  sessions: number; // screens signed in
}

export interface SignIn {
  username: string;
  role: string;
  began_us: number;
  seen_us: number;
  from: string;
  here: boolean;
}

export interface Deed {
  id: number;
  at_us: number;
  by: string;
  action: string;
  subject: string;
  detail: Record<string, unknown>;
  flagged: boolean;
}

export interface Chain {
  rows: number;
  head: string;
  broken: number | null; // the first line that does not hold
  reason: string;
}

export interface Figures {
  count: number;
  audible: number;
  acknowledged: number;
  median_ack_s: number | null;
  p90_ack_s: number | null;
  reasons: Partial<Record<Reason, number>>;
  share_false: number | null; // of those with a reason
}

export type BurdenRule = Figures & Pick<Alarm, "condition" | "label" | "kind" | "priority">;
export type BurdenPatient = Figures & { patient: string; bed: string };
export type BurdenHour = Figures & { t0_us: number };

export interface Burden {
  since_us: number;
  until_us: number;
  total: Figures;
  rules: BurdenRule[];
  patients: BurdenPatient[];
  hours: BurdenHour[];
}

export interface LastVitals {
  heart_rate_bpm: number | null;
  sqi: number | null;
  usable: boolean;
  lead_off: boolean;
  battery_pct: number | null;
  codes: string[];
  last_sample_us: number;
}

export interface ShiftEntry {
  patient: string;
  bed: string;
  alarms: Record<Priority, number>;
  technical: number;
  unacknowledged: number;
  reasons: Partial<Record<Reason, number>>;
  open: Alarm[];
  notes: { note_id: number; text: string; by: string; at_us: number }[];
  vitals: LastVitals | null;
}

export interface Shift {
  since_us: number;
  until_us: number;
  items: ShiftEntry[];
}

export interface Handover {
  handover_id: number;
  by: string;
  to: string;
  text: string;
  at_us: number;
}
