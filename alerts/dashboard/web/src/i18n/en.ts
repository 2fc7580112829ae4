// Every word on the screen, in English; the other tables have this one's type, so that none can lack a string.
import { ago, brief, countdown, duration } from "../kernel/clock.ts";
import type { Level, Limit, Presence, Priority, Reason, Step, Told } from "../kernel/types.ts";

const marks: Record<Level, string> = { high: "***", medium: "**", low: "*", info: "", technical: "!!!" };
const priorities: Record<Priority, string> = { high: "HIGH", medium: "MEDIUM", low: "LOW", info: "INFO" };

const reasons: Record<Reason, string> = {
  "true-actioned": "True, acted on",
  "true-no-action": "True, no action needed",
  "false-artefact": "False: artefact",
  "false-algorithm": "False: algorithm",
  "care-activity": "Care activity",
};

const presences: Record<Presence, string> = {
  on: "active",
  latched: "over, latched",
  ack: "acknowledged",
  off: "over",
};
const brieves: Record<Presence | "retrospective", string> = {
  on: "",
  latched: "latched: ",
  ack: "ack: ",
  off: "",
  retrospective: "retrospective: ",
};

const t = {
  title: "LiteHeart",
  notDevice: "Not a medical device.",
  language: "Language",
  pages: "Pages",
  pageNames: {
    wall: "Wall",
    list: "List",
    shift: "Shift",
    burden: "Alarm burden",
    admit: "Admissions",
    people: "People",
    audit: "Audit",
    models: "Models",
  },
  noPage: "There is no such page.",
  toWall: "Back to the wall",
  wall: "Patients",
  patients: (n: number): string => (n === 1 ? "1 patient" : `${n} patients`),
  openAlarms: (n: number): string => (n === 0 ? "no open alarms" : n === 1 ? "1 open alarm" : `${n} open alarms`),
  pageTitle: (n: number): string => (n ? `(${n}) LiteHeart` : "LiteHeart"),
  order: "Order of tiles",
  worst: "Worst first",
  fixed: "Fixed places",
  speed: "Sweep speed",
  speedOf: (mm: number): string => `${mm} mm/s`,
  gainOf: (mm: number): string => `${mm} mm/mV`,
  soundOff: "Sound is off \u2013 click to enable",
  soundOn: "Sound on",
  soundTest: "Play a test tone",
  pause: (s: number): string => `Pause sound ${brief(s)}`,
  short: (s: number): string => brief(s),
  pausePatient: (s: number): string => `Pause sound of this patient ${brief(s)}`,
  pausedBrief: (s: number): string => `\u{1F515} ${countdown(s)}`,
  pausedBy: (who: string): string => `Sound of this patient paused by ${who}`,
  step: (n: number): string => `\u25b2${n}`,
  ladder: (e: Step, s: number): string => {
    const now = `${e.owner} (step ${e.step + 1} of ${e.steps})`;
    if (!e.next_owner) return now;
    return e.overdue ? `${now} \u2013 ESCALATION OVERDUE` : `${now}, ${e.next_owner} in ${duration(s)}`;
  },
  limits: "Limits of this patient",
  limitsAbout: "Empty means the limit of the ward. Lethal rhythms cannot be turned off.",
  limitsBy: (who: string, at: string): string => `Set by ${who} at ${at}.`,
  limitsWard: "The limits of the ward hold.",
  limitsSave: "Save limits",
  limitsSaved: "Saved. The monitor takes them up within seconds.",
  within: (l: Limit): string => `${l.least} \u2013 ${l.greatest} ${l.unit}`,
  told: (one: Told, clock: (us: number) => string): string => {
    const what = one.delivered_us
      ? `told at ${clock(one.delivered_us)}${one.late ? ", late" : ""}`
      : one.failed_us
        ? `not told: ${one.error}`
        : one.attempts
          ? `not told yet: ${one.error}`
          : "being told";
    return `${one.target}${one.step ? ` (step ${one.step + 1})` : ""}: ${what}`;
  },
  paused: (s: number): string => `Sound paused ${countdown(s)} \u2013 resume`,
  signOut: "Sign out",
  signIn: "Sign in",
  signInTitle: "Sign in to LiteHeart",
  username: "User name",
  password: "Password",
  connecting: "Connecting to the server \u2026",
  linkLost: (s: number): string =>
    `CONNECTION LOST for ${duration(s)} \u2013 nothing here is live. Reconnecting \u2026`,
  monitorDown: "MONITOR NOT RUNNING \u2013 signals are not being watched and no alarms are raised.",
  monitorSince: (s: number): string => `Last heard of ${duration(s)} ago.`,
  noPatients: "No patients yet. Tiles appear as soon as a device sends.",
  bed: (bed: string): string => bed || "No bed",
  lead: (lead: string): string => `Lead ${lead}`,
  bpm: "bpm",
  none: "\u2013\u2013",
  sqi: (v: number | null): string => (v === null ? "SQI \u2013" : `SQI ${v.toFixed(2)}`),
  battery: (pct: number): string => `${pct} %`,
  batteryLabel: (pct: number): string => `Battery ${pct} percent`,
  poor: "Poor signal",
  leadOff: "LEAD OFF",
  noData: (s: number): string => `NO DATA ${duration(s)}`,
  noDataYet: "NO DATA YET",
  age: (s: number): string => (s < 2 ? "< 2 s" : duration(s)),
  ageLabel: "Age of the newest sample",
  delayed: (s: number): string => `delayed ${duration(s)}`,
  of: (i: number, n: number): string => `${i}/${n}`,
  heartRateLabel: (bpm: number | null): string => (bpm === null ? "Heart rate unknown" : `Heart rate ${bpm}`),
  openStrip: (who: string): string => `Show the strip of ${who}`,
  links: { up: "Link: live", late: "Link: late", down: "Link: no data" },
  wallPages: "Pages of the wall",
  pageBack: "Page before (Page Up)",
  pageOn: "Next page (Page Down)",
  pageOf: (n: number, of: number): string => `Page ${n} of ${of}`,
  pageNumber: (n: number): string => `Page ${n}`,
  pageWith: (n: number, priority: string): string => `Page ${n}, alarm of ${priority} priority`,
  elsewhere: (label: string, bed: string, page: number, more: number): string =>
    `${label}, ${bed}, page ${page}${more ? `, and ${more} more on other pages` : ""}`,
  technicalAlarms: "Technical",
  missed: (n: number, which: string): string =>
    `${n === 1 ? "1 alarm" : `${n} alarms`} began and ended while this screen was cut off: ${which}${n > 3 ? " \u2026" : ""}`,
  drift: (n: number): string =>
    `Technical: signal or findings are not what the rhythm model learned from (${n === 1 ? "1 feature" : `${n} features`})`,
  alarms: "Alarms",
  open: "Open",
  recent: "Recent",
  noAlarms: "No open alarms.",
  noRecent: "No alarms so far.",
  acknowledge: "Acknowledge",
  withReason: "with reason",
  presences,
  brief: brieves,
  ackBy: (who: string, reason: string | null): string => `acknowledged by ${who}${reason ? ` \u2013 ${reason}` : ""}`,
  retrospective: "retrospective",
  late: "late",
  episodes: (n: number): string => `${n} episodes`,
  since: (s: number): string => `${ago(s)} ago`,
  announce: (priority: Priority, label: string, who: string): string =>
    `${priorities[priority]} priority alarm, ${label}, ${who}`,
  failed: (why: string): string => `That did not work: ${why}`,
  unreachable: "the server did not answer",
  reviewOf: (who: string): string => `Strip of ${who}`,
  reviewNow: "latest 30 s",
  toPatient: "Patient page",
  onset: "onset",
  close: "Close",
  loading: "Loading \u2026",
  coming: "The rest has not been recorded yet.",
  noSignal: "no signal stored",
  scale: (lead: string): string =>
    `${lead} \u00b7 25 mm/s \u00b7 10 mm/mV \u00b7 baseline removed below 0.3 Hz, for display only`,
};

// The server's own words are English.
const conditions: Record<string, string> = {};
const sentence = (message: string): string | null => message;

export const en = { conditions, sentence, marks, priorities, technical: "TECHNICAL", reasons, t };
export type Strings = typeof en;
