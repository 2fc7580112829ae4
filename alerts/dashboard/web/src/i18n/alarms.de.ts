// What the server says of alarms and conditions, in German: conditions by their codes, messages by their fixed forms.

export const conditions: Record<string, string> = {
  // alarms
  VF: "Kammerflimmern oder -flattern",
  ASYSTOLE: "Asystolie",
  VT: "Ventrikuläre Tachykardie",
  EXTREME_BRADY: "Extreme Bradykardie",
  EXTREME_TACHY: "Extreme Tachykardie",
  PAUSE: "Pause",
  "3AVB": "AV-Block III. Grades",
  "2AVB": "AV-Block II. Grades",
  AFIB: "Vorhofflimmern",
  AFLT: "Vorhofflattern",
  SVTAC: "Supraventrikuläre Tachykardie",
  PSVT: "Paroxysmale supraventrikuläre Tachykardie",
  PVC_FREQUENT: "Häufige ventrikuläre Extrasystolen",
  NO_SIGNAL: "Kein Signal: Elektrode, Kabel oder Asystolie",
  NO_DATA_LONG: "Lange keine Daten",
  NO_DATA: "Keine Daten",
  NOT_LIVE: "Signal kommt verspätet, Alarme sind nicht live",
  MODEL_UNAVAILABLE: "Rhythmusmodell antwortet nicht",
  MODEL_STALE: "Keine neue Antwort des Rhythmusmodells",
  ANALYSIS_FAILED: "Signal kann nicht ausgewertet werden",
  CLOCK_SKEW: "Uhr des Geräts geht falsch",
  LEAD_OFF_LONG: "Lange Elektrode ab",
  POOR_SIGNAL_LONG: "Lange schlechtes Signal",
  LEAD_OFF: "Elektrode ab",
  POOR_SIGNAL: "Schlechtes Signal",
  // findings
  NORM: "Normales EKG",
  MI: "Myokardinfarkt",
  STTC: "ST- oder T-Veränderung",
  CD: "Leitungsstörung",
  HYP: "Hypertrophie",
  SR: "Sinusrhythmus",
  STACH: "Sinustachykardie",
  SBRAD: "Sinusbradykardie",
  SARRH: "Sinusarrhythmie",
  PAC: "Atriale Extrasystole",
  PVC: "Ventrikuläre Extrasystole",
  "1AVB": "AV-Block I. Grades",
  AVB: "AV-Block",
  BBB: "Schenkelblock",
  CLBBB: "Kompletter Linksschenkelblock",
  CRBBB: "Kompletter Rechtsschenkelblock",
  ILBBB: "Inkompletter Linksschenkelblock",
  IRBBB: "Inkompletter Rechtsschenkelblock",
  LBBB: "Linksschenkelblock",
  RBBB: "Rechtsschenkelblock",
  LAFB: "Linksanteriorer Hemiblock",
  LPFB: "Linksposteriorer Hemiblock",
  IVCD: "Unspezifische intraventrikuläre Leitungsstörung",
  LPR: "Verlängerte PQ-Zeit",
  WPW: "Wolff-Parkinson-White-Muster",
  IMI: "Inferiorer Myokardinfarkt",
  ASMI: "Anteroseptaler Myokardinfarkt",
  ILMI: "Inferolateraler Myokardinfarkt",
  AMI: "Anteriorer Myokardinfarkt",
  OLDMI: "Alter Myokardinfarkt",
  LVH: "Linksventrikuläre Hypertrophie",
  RVH: "Rechtsventrikuläre Hypertrophie",
  "LAO/LAE": "Überlastung oder Vergrößerung des linken Vorhofs",
  VCLVH: "Voltage-Kriterien der linksventrikulären Hypertrophie",
  LVHV: "Hohe Spannung des linken Ventrikels",
  NDT: "Unspezifische T-Veränderung, nicht diagnostisch",
  NST_: "Unspezifische ST-Veränderung",
  NT_: "Unspezifische T-Veränderung",
  NSSTTA: "Unspezifische ST- und T-Veränderung",
  ISC_: "Unspezifische ischämische Veränderung",
  ISCAL: "Ischämische Veränderung anterolateral",
  ISCAN: "Ischämische Veränderung anterior",
  ISCIN: "Ischämische Veränderung inferior",
  ISCLA: "Ischämische Veränderung lateral",
  STD_: "ST-Senkung",
  STE_: "ST-Hebung",
  STIAB: "Veränderung der ST-Strecke",
  TAB_: "Veränderung der T-Welle",
  LOWT: "Flache T-Welle",
  INVT: "Negative T-Welle",
  ABQRS: "Auffälliger QRS-Komplex",
  QWAVE: "Q-Zacken",
  ATACH: "Atriale Tachykardie",
  ARH: "Atrialer Rhythmus",
  SVARR: "Supraventrikuläre Arrhythmie",
  BRADY: "Bradykardie",
  PACE: "Schrittmacherrhythmus",
  BIGU: "Bigeminus",
  TRIGU: "Trigeminus",
  SVPB: "Supraventrikulärer vorzeitiger Schlag",
  VPB: "Ventrikulärer vorzeitiger Schlag",
  VEB: "Ventrikulärer ektoper Schlag",
  LAD: "Überdrehter Linkstyp",
  RAD: "Überdrehter Rechtstyp",
  VCGLOOP: "Vektorschleife im oder gegen den Uhrzeigersinn",
  PRWP: "Verzögerte R-Progression",
  LVOLT: "Niedervoltage",
  HVOLT: "Hohe QRS-Spannung",
  TPW: "Hohe P-Welle",
  LNGQT: "Verlängerte QT-Zeit",
  ERE: "Frühe Repolarisation",
};

// Why a signal is poor.
const WHY: Record<string, string> = {
  lead_off: "Elektrode ab",
  gap: "Lücke",
  flat: "flach",
  saturated: "übersteuert",
  no_beats: "keine Schläge",
  noise: "Rauschen",
};

type Say = (...found: string[]) => string | null;
const comma = (number = ""): string => number.replace(".", ",");
const why = (words = ""): string =>
  words
    .split(", ")
    .map((word) => WHY[word] ?? word)
    .join(", ");

// Both parts in German, or neither.
function joined(one: string | undefined, rest: string): string | null {
  const first = sentence(one ?? "");
  return first === null ? null : first + rest;
}

const N = "(-?[\\d.]+)";
const FORMS: readonly (readonly [RegExp, Say])[] = (
  [
    ["electrode off", () => "Elektrode ab"],
    [`no data for more than ${N} s`, (s) => `keine Daten seit mehr als ${comma(s)} s`],
    [
      `nothing received for more than ${N} s since admission`,
      (s) => `seit der Aufnahme mehr als ${comma(s)} s lang nichts empfangen`,
    ],
    [
      `samples are ${N} s ahead of their arrival > ${N} s`,
      (s, limit) => `Messwerte sind ihrer Ankunft ${comma(s)} s voraus > ${comma(limit)} s`,
    ],
    [`last reading ${N} s ago > ${N} s`, (s, limit) => `letzte Auswertung vor ${comma(s)} s > ${comma(limit)} s`],
    [
      `no reading for ${N} s of usable signal > ${N} s`,
      (s, limit) => `keine Auswertung in ${comma(s)} s brauchbaren Signals > ${comma(limit)} s`,
    ],
    [
      `signal is ${N} s behind its arrival > ${N} s`,
      (s, limit) => `Signal kommt ${comma(s)} s zu spät > ${comma(limit)} s`,
    ],
    ["no rhythm can be seen, see the server's log", () => "kein Rhythmus ist zu erkennen, siehe Protokoll des Servers"],
    [`no beat for ${N} s >= ${N} s`, (s, limit) => `kein Schlag in ${comma(s)} s >= ${comma(limit)} s`],
    [`${N} s between beats >= ${N} s`, (s, limit) => `${comma(s)} s zwischen zwei Schlägen >= ${comma(limit)} s`],
    [`fibrillation waves for ${N} s >= ${N} s`, (s, limit) => `Flimmerwellen seit ${comma(s)} s >= ${comma(limit)} s`],
    [
      `(\\d+) ventricular beats at ${N} > ${N} bpm`,
      (n, rate, limit) => `${n} ventrikuläre Schläge mit ${comma(rate)} > ${comma(limit)} /min`,
    ],
    [
      `${N} ventricular beats a minute >= ${N}`,
      (rate, limit) => `${comma(rate)} ventrikuläre Schläge in der Minute >= ${comma(limit)}`,
    ],
    [
      `irregular intervals, log odds ${N} >= ${N}`,
      (odds, limit) => `unregelmäßige Abstände, logarithmierte Chance ${comma(odds)} >= ${comma(limit)}`,
    ],
    [
      `HR ${N} ([<>]) ${N} over (\\d+) beats`,
      (rate, than, limit, n) => `HF ${comma(rate)} ${than} ${comma(limit)} über ${n} Schläge`,
    ],
    [`HR ${N}`, (rate) => `HF ${comma(rate)}`],
    [`p ${N}(?: >= ${N})?(?:, HR ${N})?`, (p, limit, rate) => scored(p, limit, rate)],
    [`signal quality ${N} \\(([^()]*)\\)`, (sqi, words) => `Signalqualität ${comma(sqi)} (${why(words)})`],
    [
      "(signal quality [^()]*\\([^()]*\\)), ([A-Z0-9_ ]+) not judged: (.+), but intervals as of noise",
      (quality, codes, all) => doubted(quality, codes, all),
    ],
    [
      "(signal quality [^()]*\\([^()]*\\)), ([A-Z0-9_ ]+) not judged",
      (quality, codes) => joined(quality, `, ${codes} nicht beurteilt`),
    ],
    ["(.+), in a line without any signal", (rest) => joined(rest, ", in einer Linie ohne jedes Signal")],
    ["(.+) \\(poor signal: ([^()]*)\\)", (rest, words) => joined(rest, ` (schlechtes Signal: ${why(words)})`)],
  ] satisfies [string, Say][]
).map(([form, say]) => [new RegExp(`^${form}$`), say]);

function scored(p?: string, limit?: string, rate?: string): string {
  return `p ${comma(p)}${limit ? ` >= ${comma(limit)}` : ""}${rate ? `, HF ${comma(rate)}` : ""}`;
}

function doubted(quality?: string, codes?: string, all = ""): string | null {
  const parts = all.split("; ").map(sentence);
  if (parts.includes(null)) return null;
  return joined(quality, `, ${codes} nicht beurteilt: ${parts.join("; ")}, aber Abstände wie von Rauschen`);
}

// null where the message has no form that is known.
export function sentence(message: string): string | null {
  for (const [form, say] of FORMS) {
    const found = form.exec(message);
    if (found) return say(...found.slice(1));
  }
  return null;
}
