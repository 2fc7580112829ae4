// What the server tells of a patient's past, as alerts/dashboard/{history,notes,identity}.py lay it out.
import { api } from "../kernel/api.ts";
import type { Alarm, Items, Reason, Segment, Told } from "../kernel/types.ts";

export interface Story extends Alarm {
  events: { action: string; t_us: number; at_us: number; by: string | null; reason: Reason | null }[];
  notifications: Told[];
  escalations: { step: number; owner: string; due_us: number; at_us: number }[];
}

export interface Overview {
  t0_us: number;
  t1_us: number;
  columns: number;
  low_uv: (number | null)[];
  high_uv: (number | null)[];
}

export type Series = (number | null)[];

export interface Trends {
  t0_us: number;
  t1_us: number;
  step_s: number;
  windows: number[];
  heart_rate: Series;
  heart_rate_low: Series;
  heart_rate_high: Series;
  sqi: Series;
  usable: Series;
  answered: Series;
  codes: Record<string, Series>;
  burden: Record<string, number>;
}

export interface RegionMap {
  t0_us: number;
  t1_us: number;
  model: string;
  code: string | null;
  map: number[] | null;
  maps: Record<string, number[]>;
}

export interface PatientNote {
  note_id: number;
  patient: string;
  text: string;
  by: string;
  at_us: number;
}

export interface Identity {
  name: string;
  born: string | null;
  record_number: string | null;
}

// From when to when signal is kept, microseconds.
export interface Extent {
  t0_us: number;
  t1_us: number;
}

// As storage/consents.py and storage/subjects.py have them.
export const SCOPES = ["research", "training", "export"] as const;
export type Scope = (typeof SCOPES)[number];
export const SEXES = ["unknown", "female", "male", "other"] as const;

// The newest word on a scope; without one nothing was agreed to.
export interface Consent {
  scope: Scope;
  given: boolean;
  by: string;
  at_us: number;
}

// What cohorts are chosen by.
export interface Subject {
  site: string;
  sex: (typeof SEXES)[number];
  birth_year: number | null;
}

const STORIES = 500;

// The API of one patient.
export class History {
  readonly #path: string;

  constructor(patient: string) {
    this.#path = `/patients/${encodeURIComponent(patient)}`;
  }

  async strip(t0: number, t1: number): Promise<Segment[]> {
    return (await api<{ segments: Segment[] }>(`${this.#path}/strip?t0_us=${t0}&t1_us=${t1}`)).segments;
  }

  // null where nothing is kept.
  async extent(): Promise<Extent | null> {
    const { t0_us, t1_us } = await api<{ [end in keyof Extent]: number | null }>(`${this.#path}/extent`);
    return t0_us === null || t1_us === null ? null : { t0_us, t1_us };
  }

  overview(t0: number, t1: number, columns: number): Promise<Overview> {
    return api(`${this.#path}/overview?t0_us=${t0}&t1_us=${t1}&columns=${columns}`);
  }

  trends(t0: number, t1: number, stepS: number): Promise<Trends> {
    return api(`${this.#path}/trends?t0_us=${t0}&t1_us=${t1}&step_s=${stepS}`);
  }

  async newest(limit: number): Promise<{ t0_us: number; t1_us: number }[]> {
    return (await api<Items<{ t0_us: number; t1_us: number }>>(`${this.#path}/findings?limit=${limit}`)).items;
  }

  regions(t0: number): Promise<RegionMap> {
    return api(`${this.#path}/region-map?t0_us=${t0}`);
  }

  async stories(since: number): Promise<Story[]> {
    const since_us = Math.max(0, Math.round(since));
    return (await api<Items<Story>>(`${this.#path}/alarms?since_us=${since_us}&limit=${STORIES}`)).items;
  }

  async notes(): Promise<PatientNote[]> {
    return (await api<Items<PatientNote>>(`${this.#path}/notes`)).items;
  }

  write(text: string): Promise<PatientNote> {
    return api(`${this.#path}/notes`, { method: "POST", body: { text } });
  }

  async consents(): Promise<Consent[]> {
    return (await api<Items<Consent>>(`${this.#path}/consents`)).items;
  }

  consent(scope: Scope, given: boolean): Promise<Consent> {
    return api(`${this.#path}/consents`, { method: "POST", body: { scope, given } });
  }

  subject(): Promise<Subject> {
    return api(`${this.#path}/subject`);
  }

  describe(subject: Subject): Promise<null> {
    return api(`${this.#path}/subject`, { method: "PUT", body: subject });
  }

  identity(): Promise<Identity> {
    return api(`${this.#path}/identity`);
  }

  breakGlass(reason: string): Promise<{ until_us: number }> {
    return api(`${this.#path}/break-glass`, { method: "POST", body: { reason } });
  }
}
