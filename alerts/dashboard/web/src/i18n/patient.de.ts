// The words of the patient page, in German.
import { duration } from "../kernel/clock.ts";
import type { en } from "./patient.en.ts";

const number = (v: number, digits = 0): string => v.toFixed(digits).replace(".", ",");
const percent = (share: number): string =>
  share > 0 && share < 0.0005 ? `< ${number(0.1, 1)} %` : `${number(100 * share, share > 0 && share < 0.1 ? 1 : 0)} %`;
const signed = (v: number, digits: number): string => `${v < 0 ? "\u2212" : "+"}${number(Math.abs(v), digits)}`;
const plain = (v: number): string => String(v).replace(".", ",");

export const de: typeof en = {
  number,
  percent,
  nobody: "Diese Adresse nennt keinen Patienten.",
  page: (who) => `Patient ${who}`,
  toWall: "Wand",
  parts: "Teile dieser Seite",
  noBed: "Kein Bett",
  unknown: "Von diesem Patienten kommt gerade nichts; gezeigt wird, was gespeichert ist.",
  live: "Signal jetzt",
  rate: "Herzfrequenz",
  quality: "Signalqualität",
  battery: "Akku",
  newest: "Neuester Messwert",
  findings: "Befunde",
  undecidedNow: "unentschieden",
  who: "Identität",
  showWho: "Identität zeigen",
  hideWho: "Identität verbergen",
  nameOf: "Name",
  born: "Geboren",
  record: "Fallnummer",
  notSaid: "nicht angegeben",
  glassAbout:
    "Ihre Rolle darf Identitäten nicht lesen. Mit einem Grund dürfen Sie es eine Stunde lang; das wird festgehalten und geprüft.",
  glassReason: "Grund",
  breakGlass: "Notzugriff",
  openAlarms: "Offene Alarme",
  noOpen: "Keine offenen Alarme.",
  addReason: "Grund nachtragen",
  toStrip: (label, at) => `Streifen von ${label} um ${at} zeigen`,

  strip: "Streifen",
  stripTools: "Was der Streifen zeigt",
  paperLabel:
    "Streifen auf Millimeterpapier. Pfeiltasten gehen in der Zeit, N und P zum nächsten und zum vorigen Alarm.",
  before: "Voriger Alarm",
  after: "Nächster Alarm",
  back: "10 s zurück",
  on: "10 s weiter",
  toNow: "Neuestes",
  gain: "Verstärkung",
  gainOf: (mm) => `${plain(mm)} mm/mV`,
  speed: "Papiergeschwindigkeit",
  speedOf: (mm) => `${plain(mm)} mm/s`,
  filter: "Filter der Anzeige",
  filters: { baseline: "Ohne Grundlinie", none: "Ungefiltert" },
  filtered: {
    baseline: "Hochpass 0,3 Hz, phasenfrei, nur für die Anzeige",
    none: "ohne Filter, Gleichanteil entfernt",
  },
  calipers: "Messzirkel",
  caliper: (name) => `Messmarke ${name}`,
  caliperAt: (at, mv) => `${at}, ${mv === null ? "hier ist kein Signal" : `${number(mv, 2)} mV`}`,
  measured: (ms, bpm, mv) =>
    [
      `\u0394t ${number(ms)} ms`,
      bpm === null ? "\u2013 /min" : `${number(bpm)} /min`,
      mv === null ? "\u0394U \u2013 (kein Signal unter einer Marke)" : `\u0394U ${signed(mv, 2)} mV`,
    ].join(" \u00b7 "),
  caliperHelp:
    "Ziehen, oder: Pfeiltasten 1 Messwert, mit Umschalt 40 ms; Bild-Tasten 1 s; auf und ab löst von der Linie.",
  print: "Drucken",
  lead: (lead) => `Ableitung ${lead}`,
  noSignal: "Für diese Zeit ist kein Signal gespeichert.",
  missing: (s) => `${number(s, 1)} s ohne Signal`,
  missingOff: (s) => `${number(s, 1)} s Elektrode ab`,
  gap: "KEIN SIGNAL",
  leadOff: "ELEKTRODE AB",
  coming: "Der Rest ist noch nicht aufgezeichnet.",
  noAlarmThere: "In dieser Richtung liegt kein Alarm mehr.",
  noAlarm: "hier beginnt kein Alarm",
  onset: "Beginn",
  late: "verspätet",
  retrospective: "rückblickend",
  calibration: (mv, s) => `Eichzacke 1 mV = ${plain(mv)} mm, 0,2 s = ${number(s, 1)} mm`,
  printed: (at, by) => `Gedruckt ${at} von ${by}`,
  notDevice: "LiteHeart \u00b7 Kein Medizinprodukt.",

  readings: "Lesungen des Modells auf diesem Streifen",
  noReadings: "Keine Lesung deckt diesen Streifen ab.",
  undecided: "unentschieden",
  nothing: "nichts gefunden",
  poor: "schlechtes Signal",
  reading: (at, says) => `${at} ${says}`,
  regionsAsked: "Das Modell wird gefragt \u2026",
  regionsOf: (name) => `Blau: wohin das Modell für \u201e${name}\u201c gesehen hat; je dunkler, desto mehr.`,
  regionsFlat: (name) => `Kein Augenblick dieses Fensters spricht mehr als ein anderer für \u201e${name}\u201c.`,
  regionsUndecided: "Das Modell war bei diesem Fenster unentschieden; es gibt nichts, wohin es gesehen hätte.",
  regionsGone: "Signal oder Lesung dieses Fensters sind nicht mehr gespeichert.",
  codeShown: "Gezeigter Befund",

  full: "Gesamtaufzeichnung",
  fullLabel: (from, to) =>
    `Alles Signal von ${from} bis ${to}. Pfeiltasten bewegen die Marke, Eingabe vergrößert, Minus verkleinert, N und P gehen zu Alarmen.`,
  lines: "Länge einer Zeile",
  linesOf: { 3600: "1 h", 600: "10 min", 60: "1 min" },
  earlier: "Früher",
  later: "Später",
  zoomOut: "Verkleinern",
  lineScale: (mv) => `eine Zeile ist ${number(mv)} mV hoch`,
  legend:
    "\u25bc Alarm, \u25bd verspätet oder rückblickend; Balken: solange er bestand. Schraffiert: nichts empfangen oder Elektrode ab.",
  cursorAt: (at) => `Marke bei ${at}`,
  cursorSignal: (low, high) => `${number(low, 2)} bis ${number(high, 2)} mV`,
  cursorNothing: "nichts empfangen",
  cursorFuture: "noch nicht",
  reading24: "Wird geladen \u2026",

  trends: "Befunde und Verläufe",
  span: "Zeitraum",
  spans: { 6: "6 h", 24: "24 h", 168: "7 Tage" },
  rateTitle: "Herzfrequenz, /min",
  rateSays: (mean, low, high) =>
    mean === null
      ? "Aus dieser Zeit ist keine Herzfrequenz bekannt."
      : `Herzfrequenz: Mittel ${number(mean)}, kleinste ${number(low ?? mean)}, größte ${number(high ?? mean)} /min.`,
  burdenTitle: (name) => `${name}, % der beantworteten Fenster`,
  burdenSays: (name, share) =>
    share === null
      ? `${name}: das Modell hat in dieser Zeit nichts beantwortet.`
      : `${name}: ${percent(share)} der Fenster, die das Modell beantwortet hat.`,
  burdenPoor: (share) => `Bei ${percent(share)} aller Fenster war es unentschieden.`,
  lanes: "Anteil jedes Befunds im Verlauf",
  laneFinding: "Befund",
  laneShare: "Anteil",
  laneTime: "Verlauf",
  laneUndecided: "Unentschieden",
  lanePoor: "Schlechtes Signal",
  laneAbout:
    "Befunde: von beantworteten Fenstern. Unentschieden, schlechtes Signal: von allen. Grau: unentschieden. Schraffiert: keine Lesung.",
  noTrend: "Keine Lesungen in dieser Zeit.",
  marksAbout: "Senkrechte Linien: Alarme. Ein Klick führt zum Streifen.",
  show: (name) => `${name} im Diagramm zeigen`,

  alarms: "Alarme bisher",
  noStories: "Keine Alarme in den letzten sieben Tagen.",
  lasted: (s) => `dauerte ${duration(s)}`,
  lasting: (s) => `dauert seit ${duration(s)}`,
  raisedAfter: (s) => `ausgelöst ${duration(s)} nach Beginn`,
  acknowledged: (who, at, s) => `Quittiert von ${who} um ${at}, nach ${duration(s)}`,
  notAcknowledged: "Nicht quittiert",
  reasonWas: (reason) => `Grund: ${reason}`,
  noReason: "Kein Grund angegeben",
  told: "Benachrichtigt",
  toldNobody: "Niemand war zu benachrichtigen.",
  climbed: (owner, at) => `Eskaliert an ${owner} um ${at}`,
  course: "Ablauf",
  actions: { raised: "ausgelöst", reactivated: "wiedergekehrt", ended: "vorbei", acknowledged: "quittiert" },
  by: (who) => `von ${who}`,

  notes: "Notizen",
  noNotes: "Noch keine Notizen.",
  notesNotYours: "Ihre Rolle darf Notizen nicht lesen.",
  newNote: "Neue Notiz",
  noteKept: "Bleibt für immer, mit Ihrem Namen. Keine Patientennamen.",
  writeNote: "Notiz schreiben",
  noteBy: (who, at) => `${who}, ${at}`,
};
