// Every word on the screen, in German.
import { ago, brief, countdown, duration } from "../kernel/clock.ts";
import { conditions, sentence } from "./alarms.de.ts";
import type { Strings } from "./en.ts";

const priorities: Strings["priorities"] = { high: "HOCH", medium: "MITTEL", low: "NIEDRIG", info: "INFO" };

const t: Strings["t"] = {
  title: "LiteHeart",
  notDevice: "Kein Medizinprodukt.",
  language: "Sprache",
  pages: "Seiten",
  pageNames: {
    wall: "Wand",
    list: "Liste",
    shift: "Schicht",
    burden: "Alarmlast",
    admit: "Aufnahmen",
    people: "Personen",
    audit: "Protokoll",
    models: "Modelle",
  },
  noPage: "Diese Seite gibt es nicht.",
  toWall: "Zurück zur Wand",
  wall: "Patienten",
  patients: (n) => (n === 1 ? "1 Patient" : `${n} Patienten`),
  openAlarms: (n) => (n === 0 ? "keine offenen Alarme" : n === 1 ? "1 offener Alarm" : `${n} offene Alarme`),
  pageTitle: (n) => (n ? `(${n}) LiteHeart` : "LiteHeart"),
  order: "Reihenfolge der Kacheln",
  worst: "Dringendste",
  fixed: "Feste Plätze",
  speed: "Ablenkgeschwindigkeit",
  speedOf: (mm) => `${String(mm).replace(".", ",")} mm/s`,
  gainOf: (mm) => `${String(mm).replace(".", ",")} mm/mV`,
  soundOff: "Ton ist aus \u2013 einschalten",
  soundOn: "Ton an",
  soundTest: "Prüfton abspielen",
  pause: (s) => `Tonpause ${brief(s)}`,
  short: (s) => brief(s),
  pausePatient: (s) => `Ton dieses Patienten pausieren ${brief(s)}`,
  pausedBrief: (s) => `\u{1F515} ${countdown(s)}`,
  pausedBy: (who) => `Ton dieses Patienten pausiert von ${who}`,
  step: (n) => `\u25b2${n}`,
  ladder: (e, s) => {
    const now = `${e.owner} (Stufe ${e.step + 1} von ${e.steps})`;
    if (!e.next_owner) return now;
    return e.overdue ? `${now} \u2013 ESKALATION ÜBERFÄLLIG` : `${now}, ${e.next_owner} in ${duration(s)}`;
  },
  limits: "Grenzwerte dieses Patienten",
  limitsAbout: "Leer gilt der Grenzwert der Station. Lebensbedrohliche Rhythmen lassen sich nicht abschalten.",
  limitsBy: (who, at) => `Gesetzt von ${who} um ${at}.`,
  limitsWard: "Es gelten die Grenzwerte der Station.",
  limitsSave: "Grenzwerte speichern",
  limitsSaved: "Gespeichert. Die Überwachung übernimmt sie binnen Sekunden.",
  within: (l) => `${l.least} \u2013 ${l.greatest} ${l.unit}`,
  told: (one, clock) => {
    const what = one.delivered_us
      ? `benachrichtigt um ${clock(one.delivered_us)}${one.late ? ", verspätet" : ""}`
      : one.failed_us
        ? `nicht benachrichtigt: ${one.error}`
        : one.attempts
          ? `noch nicht benachrichtigt: ${one.error}`
          : "wird benachrichtigt";
    return `${one.target}${one.step ? ` (Stufe ${one.step + 1})` : ""}: ${what}`;
  },
  paused: (s) => `Ton pausiert ${countdown(s)} \u2013 fortsetzen`,
  signOut: "Abmelden",
  signIn: "Anmelden",
  signInTitle: "Bei LiteHeart anmelden",
  username: "Benutzername",
  password: "Passwort",
  connecting: "Verbindung zum Server wird aufgebaut \u2026",
  linkLost: (s) => `VERBINDUNG UNTERBROCHEN seit ${duration(s)} \u2013 nichts hier ist aktuell. Neuer Versuch \u2026`,
  monitorDown: "ÜBERWACHUNG LÄUFT NICHT \u2013 Signale werden nicht bewertet und keine Alarme ausgelöst.",
  monitorSince: (s) => `Letztes Lebenszeichen vor ${duration(s)}.`,
  noPatients: "Noch keine Patienten. Kacheln erscheinen, sobald ein Gerät sendet.",
  bed: (bed) => bed || "Kein Bett",
  lead: (lead) => `Ableitung ${lead}`,
  bpm: "/min",
  none: "\u2013\u2013",
  sqi: (v) => (v === null ? "SQI \u2013" : `SQI ${v.toFixed(2).replace(".", ",")}`),
  battery: (pct) => `${pct} %`,
  batteryLabel: (pct) => `Akku ${pct} Prozent`,
  poor: "Schlechtes Signal",
  leadOff: "ELEKTRODE AB",
  noData: (s) => `KEINE DATEN ${duration(s)}`,
  noDataYet: "NOCH KEINE DATEN",
  age: (s) => (s < 2 ? "< 2 s" : duration(s)),
  ageLabel: "Alter des neuesten Messwerts",
  delayed: (s) => `verzögert um ${duration(s)}`,
  of: (i, n) => `${i}/${n}`,
  heartRateLabel: (bpm) => (bpm === null ? "Herzfrequenz unbekannt" : `Herzfrequenz ${bpm}`),
  openStrip: (who) => `Streifen von ${who} zeigen`,
  links: { up: "Verbindung: aktuell", late: "Verbindung: verzögert", down: "Verbindung: keine Daten" },
  wallPages: "Seiten der Wand",
  pageBack: "Vorige Seite (Bild auf)",
  pageOn: "Nächste Seite (Bild ab)",
  pageOf: (n, of) => `Seite ${n} von ${of}`,
  pageNumber: (n) => `Seite ${n}`,
  pageWith: (n, priority) => `Seite ${n}, Alarm der Priorität ${priority}`,
  elsewhere: (label, bed, page, more) =>
    `${label}, ${bed}, Seite ${page}${more ? `, und ${more} weitere auf anderen Seiten` : ""}`,
  technicalAlarms: "Technisch",
  missed: (n, which) =>
    `${n === 1 ? "1 Alarm begann und endete" : `${n} Alarme begannen und endeten`}, während dieser Schirm keine Verbindung hatte: ${which}${n > 3 ? " \u2026" : ""}`,
  drift: (n) =>
    `Technisch: Signal oder Befunde sind nicht, wie das Rhythmusmodell sie gelernt hat (${n === 1 ? "1 Merkmal" : `${n} Merkmale`})`,
  alarms: "Alarme",
  open: "Offen",
  recent: "Letzte",
  noAlarms: "Keine offenen Alarme.",
  noRecent: "Bisher keine Alarme.",
  acknowledge: "Quittieren",
  withReason: "mit Grund",
  presences: { on: "aktiv", latched: "vorbei, gehalten", ack: "quittiert", off: "vorbei" },
  brief: { on: "", latched: "gehalten: ", ack: "quittiert: ", off: "", retrospective: "rückblickend: " },
  ackBy: (who, reason) => `quittiert von ${who}${reason ? ` \u2013 ${reason}` : ""}`,
  retrospective: "rückblickend",
  late: "verspätet",
  episodes: (n) => `${n} Episoden`,
  since: (s) => `vor ${ago(s)}`,
  announce: (priority, label, who) => `Alarm der Priorität ${priorities[priority]}, ${label}, ${who}`,
  failed: (why) => `Das hat nicht geklappt: ${why}`,
  unreachable: "der Server hat nicht geantwortet",
  reviewOf: (who) => `Streifen von ${who}`,
  reviewNow: "letzte 30 s",
  toPatient: "Patientenseite",
  onset: "Beginn",
  close: "Schließen",
  loading: "Wird geladen \u2026",
  coming: "Der Rest ist noch nicht aufgezeichnet.",
  noSignal: "kein Signal gespeichert",
  scale: (lead) =>
    `${lead} \u00b7 25 mm/s \u00b7 10 mm/mV \u00b7 Grundlinie unter 0,3 Hz entfernt, nur für die Anzeige`,
};

export const de: Strings = {
  conditions,
  sentence,
  marks: { high: "***", medium: "**", low: "*", info: "", technical: "!!!" },
  priorities,
  technical: "TECHNISCH",
  reasons: {
    "true-actioned": "Richtig, gehandelt",
    "true-no-action": "Richtig, nichts nötig",
    "false-artefact": "Falsch: Artefakt",
    "false-algorithm": "Falsch: Algorithmus",
    "care-activity": "Pflegemaßnahme",
  },
  t,
};
