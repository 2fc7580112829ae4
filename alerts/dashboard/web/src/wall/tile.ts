// One patient on the wall: a strip that sweeps, the numbers, and the alarm message.
import { t } from "../i18n/index.ts";
import { level, mark, said } from "../kernel/alarm.ts";
import { colour, el, fit, PX_PER_MM, pen, setAttr, setText } from "../kernel/dom.ts";
import type { Alarm, PatientState } from "../kernel/types.ts";
import type { Vitals, Ward } from "../kernel/ward.ts";
import { Trace } from "./trace.ts";

const ERASE_PX = 16; // the bar of darkness in front of the pen
const GAINS = [10, 5, 2.5, 1.25] as const; // mm per mV; the first that fits, ten unless the signal is large
const ROTATE_MS = 2000;

const part = (name: string): HTMLSpanElement => el("span", { class: name });

export class Tile {
  readonly patient: string;
  readonly node: HTMLElement;
  readonly trace = new Trace();
  visible = true;
  swept = 0; // all that the pen has gone, for measurements
  #pen = 0;
  #x = 0;
  #y: number | null = null;
  #gain: (typeof GAINS)[number] = GAINS[0];
  #width = 0;
  #height = 0;
  readonly #name: HTMLButtonElement;
  readonly #canvas = el("canvas", { "aria-hidden": "true" });
  readonly #context = pen(this.#canvas);
  readonly #lead = part("lead");
  readonly #scale = part("scale");
  readonly #veil = part("veil");
  readonly #strip: HTMLDivElement;
  readonly #bars = el("span", { class: "bars" }, ...[0, 1, 2, 3].map(() => el("i")));
  readonly #charge = el("i");
  readonly #cell = el("span", { class: "cell" }, this.#charge);
  readonly #label = el("strong", { class: "label" });
  readonly #said = part("said");
  readonly #message = el("div", { class: "message" }, this.#label, this.#said);
  readonly #pseudonym = part("pseudonym");
  readonly #flags = part("flags");
  readonly #aside = part("aside");
  readonly #age = el("span", { class: "age", title: t.ageLabel });
  readonly #sqi = part("sqi");
  readonly #battery = part("battery");
  readonly #hr = part("hr");

  constructor(patient: string, onopen: (patient: string) => void) {
    this.patient = patient;
    const open = () => onopen(patient);
    this.#name = el("button", { type: "button", class: "name", onclick: open });
    this.#strip = el("div", { class: "strip", onclick: open }, this.#canvas, this.#lead, this.#scale, this.#veil);
    this.node = el(
      "article",
      { class: "tile", data: { patient } },
      el(
        "header",
        {},
        this.#name,
        this.#pseudonym,
        this.#flags,
        this.#aside,
        this.#age,
        el("span", { class: "meta" }, this.#bars, this.#sqi, this.#cell, this.#battery),
        el("span", { class: "rate" }, this.#hr, el("span", { class: "unit", text: t.bpm })),
      ),
      this.#strip,
      this.#message,
    );
  }

  // Text and colours; a few times a second.
  show(state: PatientState, vitals: Vitals, alarms: Alarm[], ward: Ward): void {
    setText(this.#name, t.bed(state.bed));
    setAttr(this.#name, "aria-label", t.openStrip(ward.who(this.patient)));
    setText(this.#pseudonym, this.patient);
    setAttr(this.node, "data-stale", vitals.stale ? "" : null);
    setText(this.#hr, vitals.heartRate === null ? t.none : String(vitals.heartRate));
    setAttr(this.#hr, "aria-label", t.heartRateLabel(vitals.heartRate));
    setAttr(this.#hr, "data-poor", vitals.usable ? null : "");
    setText(this.#lead, t.lead(state.lead));
    this.#aged(vitals);
    this.#flagged(alarms, ward);
    this.#technical(vitals);
    const names = vitals.codes.map((code) => ward.name(code));
    if (!vitals.stale && !vitals.leadOff && !vitals.usable) names.unshift(t.poor);
    this.#told(alarms, names.join(" \u00b7 "));
  }

  #aged({ stale, ageS, delayedS, leadOff }: Vitals): void {
    const delayed = !stale && delayedS > 20;
    setText(this.#age, ageS === null ? "" : delayed ? t.delayed(delayedS) : t.age(ageS));
    setAttr(this.#age, "data-old", stale || delayed || (ageS !== null && ageS >= 3) ? "" : null);
    setText(this.#veil, stale ? (ageS === null ? t.noDataYet : t.noData(ageS)) : leadOff ? t.leadOff : "");
  }

  #flagged(alarms: Alarm[], ward: Ward): void {
    const paused = ward.pauseOf(this.patient);
    const step = Math.max(0, ...alarms.map((alarm) => ward.escalation(alarm)?.step ?? 0));
    const flags = [step ? t.step(step) : "", paused ? t.pausedBrief(ward.leftS(paused)) : ""].filter(Boolean);
    setText(this.#flags, flags.join(" "));
    setAttr(this.#flags, "title", paused ? t.pausedBy(paused.by) : null);
  }

  #technical({ sqi, battery }: Vitals): void {
    setText(this.#sqi, sqi === null ? t.none : sqi.toFixed(2));
    setAttr(this.#bars, "title", t.sqi(sqi));
    setAttr(this.#bars, "data-level", sqi === null ? "0" : String(Math.min(4, Math.ceil(sqi * 4))));
    setText(this.#battery, battery === null ? t.none : t.battery(battery));
    setAttr(this.#cell, "title", battery === null ? null : t.batteryLabel(battery));
    setAttr(this.#cell, "data-low", battery !== null && battery < 15 ? "" : null);
    this.#charge.style.width = `${battery ?? 0}%`;
  }

  // The bottom line belongs to the alarm; without one, to the findings, which else stand in the head.
  #told(alarms: Alarm[], findings: string): void {
    const at = Math.floor(Date.now() / ROTATE_MS) % Math.max(1, alarms.length);
    const [top, shown] = [alarms[0], alarms[at]];
    setAttr(this.node, "data-alarm", top ? level(top) : null);
    setAttr(this.node, "data-presence", top ? top.presence : null);
    setAttr(this.node, "data-calm", top?.retrospective ? "" : null);
    setAttr(this.#message, "data-alarm", shown ? level(shown) : null);
    setAttr(this.#message, "data-presence", shown ? shown.presence : null);
    setText(this.#aside, shown ? findings : "");
    setAttr(this.#aside, "title", shown && findings ? findings : null);
    const count = alarms.length > 1 ? `${t.of(at + 1, alarms.length)} ` : "";
    setText(this.#label, shown ? `${mark(shown)} ${count}${shown.label}` : "");
    const status = shown ? t.brief[shown.retrospective ? "retrospective" : shown.presence] : "";
    setText(this.#said, shown ? `${status}${said(shown)}` : findings);
    setAttr(this.#message, "title", this.#message.textContent || null);
  }

  // The size of the strip; only when the wall changed.
  resize(): void {
    this.#width = this.#strip.clientWidth;
    this.#height = this.#strip.clientHeight;
    if (fit(this.#canvas, this.#width, this.#height)) {
      this.#pen = 0;
      this.#y = null;
    }
  }

  clear(): void {
    this.#context.clearRect(0, 0, this.#width, this.#height);
    this.#y = null;
  }

  // One step of the sweep, `seconds` long. The pen moves even when nothing comes: old signal never stands still.
  draw(seconds: number, mmPerS: number, ink: string): void {
    const [width, height, c] = [this.#width, this.#height, this.#context];
    if (!width || !this.visible) {
      this.trace.advance(seconds, () => {});
      this.#y = null;
      return;
    }
    const step = seconds * mmPerS * PX_PER_MM;
    const start = this.#pen;
    this.#erase(start + ERASE_PX - 1, step + 2);
    this.#choose();
    const base = height * 0.64;
    const scale = this.#gain * PX_PER_MM;
    c.strokeStyle = ink;
    c.lineWidth = 1.4;
    c.lineJoin = "round";
    c.beginPath();
    let y = this.#y;
    if (y !== null) c.moveTo(this.#x, y);
    const fed = this.trace.advance(seconds, (share, mv) => {
      if (Number.isNaN(mv)) {
        y = null;
        return;
      }
      let x = start + share * step;
      if (x >= width) x -= width;
      if (x < this.#x) y = null; // round the corner: no line across the whole strip
      const to = Math.min(height - 1, Math.max(1, base - mv * scale));
      if (y === null) c.moveTo(x, to);
      else c.lineTo(x, to);
      y = to;
      this.#x = x;
    });
    c.stroke();
    this.#y = fed ? y : null;
    this.#pen = (start + step) % width;
    this.swept += step;
  }

  // Only what newly comes under the bar, in whole pixels: the line just drawn keeps its edge.
  #erase(from: number, length: number): void {
    const [width, height, c] = [this.#width, this.#height, this.#context];
    const first = Math.floor(from % width);
    const past = Math.ceil((from % width) + length);
    c.clearRect(first, 0, Math.min(past, width) - first, height);
    if (past > width) c.clearRect(0, 0, past - width, height);
  }

  // Ten millimetres a millivolt unless the signal would leave the strip; the scale then says so.
  #choose(): void {
    const room = (this.#height * 0.62) / PX_PER_MM;
    const peak = this.trace.peak;
    const now = GAINS.indexOf(this.#gain);
    const fits = GAINS.findIndex((gain) => peak * gain <= room);
    const wanted = fits < 0 ? GAINS.length - 1 : fits;
    const larger = GAINS[now - 1] ?? GAINS[0];
    if (wanted > now) this.#gain = GAINS[wanted] ?? this.#gain;
    else if (wanted < now && peak * larger < room * 0.8) this.#gain = larger;
    setText(this.#scale, this.#gain === GAINS[0] ? "" : t.gainOf(this.#gain));
  }
}

export const ink = (): string => colour("--trace");
