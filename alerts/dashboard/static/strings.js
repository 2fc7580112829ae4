// Every word on the screen. To translate the page, translate this module.
const two = (n) => String(n).padStart(2, "0");

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}

export function clock(us) {
  const d = new Date(us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export const marks = { high: "***", medium: "**", low: "*", info: "", technical: "!!!" };
export const priorities = { high: "HIGH", medium: "MEDIUM", low: "LOW", info: "INFO" };
export const technical = "TECHNICAL";

export const reasons = {
  "true-actioned": "True, acted on",
  "true-no-action": "True, no action needed",
  "false-artefact": "False: artefact",
  "false-algorithm": "False: algorithm",
  "care-activity": "Care activity",
};

export const t = {
  title: "LiteHeart",
  notDevice: "Not a medical device.",
  wall: "Patients",
  patients: (n) => (n === 1 ? "1 patient" : `${n} patients`),
  openAlarms: (n) => (n === 0 ? "no open alarms" : n === 1 ? "1 open alarm" : `${n} open alarms`),
  pageTitle: (n) => (n ? `(${n}) LiteHeart` : "LiteHeart"),
  order: "Order of tiles",
  worst: "Worst first",
  fixed: "Fixed places",
  speed: "Sweep speed",
  speedOf: (mm) => `${mm} mm/s`,
  gainOf: (mm) => `${mm} mm/mV`,
  soundOff: "Sound is off \u2013 click to enable",
  soundOn: "Sound on",
  soundTest: "Play a test tone",
  pause: (s) => `Pause sound ${t.short(s)}`,
  short: (s) => (s % 60 ? `${s} s` : `${s / 60} min`),
  pausePatient: (s) => `Pause sound of this patient ${t.short(s)}`,
  pausedBrief: (s) => `\u{1F515} ${Math.floor(s / 60)}:${two(Math.floor(s % 60))}`,
  pausedBy: (who) => `Sound of this patient paused by ${who}`,
  step: (n) => `\u25b2${n}`,
  ladder: (e, s) => {
    const now = `${e.owner} (step ${e.step + 1} of ${e.steps})`;
    if (!e.next_owner) return now;
    return e.overdue ? `${now} \u2013 ESCALATION OVERDUE` : `${now}, ${e.next_owner} in ${duration(s)}`;
  },
  limits: "Limits of this patient",
  limitsAbout: "Empty means the limit of the ward. Lethal rhythms cannot be turned off.",
  limitsBy: (who, at) => `Set by ${who} at ${at}.`,
  limitsWard: "The limits of the ward hold.",
  limitsSave: "Save limits",
  limitsSaved: "Saved. The monitor takes them up within seconds.",
  within: (l) => `${l.least} \u2013 ${l.greatest} ${l.unit}`,
  told: (one, clock) => {
    const what = one.delivered_us
      ? `told at ${clock(one.delivered_us)}${one.late ? ", late" : ""}`
      : one.failed_us
        ? `not told: ${one.error}`
        : one.attempts
          ? `not told yet: ${one.error}`
          : "being told";
    return `${one.target}${one.step ? ` (step ${one.step + 1})` : ""}: ${what}`;
  },
  paused: (s) => `Sound paused ${Math.floor(s / 60)}:${two(Math.floor(s % 60))} \u2013 resume`,
  signOut: "Sign out",
  signIn: "Sign in",
  signInTitle: "Sign in to LiteHeart",
  username: "User name",
  password: "Password",
  connecting: "Connecting to the server \u2026",
  linkLost: (s) => `CONNECTION LOST for ${duration(s)} \u2013 nothing here is live. Reconnecting \u2026`,
  monitorDown: "MONITOR NOT RUNNING \u2013 signals are not being watched and no alarms are raised.",
  monitorSince: (s) => `Last heard of ${duration(s)} ago.`,
  noPatients: "No patients yet. Tiles appear as soon as a device sends.",
  bed: (bed) => bed || "No bed",
  lead: (lead) => `Lead ${lead}`,
  bpm: "bpm",
  none: "\u2013\u2013",
  sqi: (v) => (v === null ? "SQI \u2013" : `SQI ${v.toFixed(2)}`),
  battery: (pct) => (pct === null ? "" : `${pct} %`),
  batteryLabel: (pct) => `Battery ${pct} percent`,
  poor: "Poor signal",
  leadOff: "LEAD OFF",
  noData: (s) => `NO DATA ${duration(s)}`,
  noDataYet: "NO DATA YET",
  age: (s) => (s < 2 ? "< 2 s" : duration(s)),
  ageLabel: "Age of the newest sample",
  delayed: (s) => `delayed ${duration(s)}`,
  more: (n) => `+${n}`,
  of: (i, n) => `${i}/${n}`,
  heartRateLabel: (bpm) => (bpm === null ? "Heart rate unknown" : `Heart rate ${bpm}`),
  openStrip: (who) => `Show the strip of ${who}`,
  alarms: "Alarms",
  open: "Open",
  recent: "Recent",
  noAlarms: "No open alarms.",
  noRecent: "No alarms so far.",
  acknowledge: "Acknowledge",
  withReason: "with reason",
  strip: "Strip",
  on: "active",
  latched: "over, latched",
  ack: "acknowledged",
  off: "over",
  brief: { on: "", latched: "latched: ", ack: "ack: ", off: "", retrospective: "retrospective: " },
  ackBy: (who, reason) => `acknowledged by ${who}${reason ? ` \u2013 ${reason}` : ""}`,
  retrospective: "retrospective",
  late: "late",
  episodes: (n) => `${n} episodes`,
  since: (s) => `${s < 60 || s >= 3600 ? duration(s) : `${Math.floor(s / 60)} min`} ago`,
  announce: (a, who) => `${priorities[a.priority]} priority alarm, ${a.label}, ${who}`,
  failed: (why) => `That did not work: ${why}`,
  unreachable: "the server did not answer",
  reviewOf: (who) => `Strip of ${who}`,
  reviewNow: "latest 30 s",
  onset: "onset",
  close: "Close",
  loading: "Loading \u2026",
  coming: "The rest has not been recorded yet.",
  noSignal: "no signal stored",
  scale: (lead) => `${lead} \u00b7 25 mm/s \u00b7 10 mm/mV \u00b7 baseline removed below 0.3 Hz, for display only`,
};
