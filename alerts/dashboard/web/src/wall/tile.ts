// One patient on the wall: a strip that sweeps, the numbers, the alarm message, and apart from it the technical one.
import { t } from "../i18n/index.ts";
import { labelOf, level, mark, said, waiting } from "../kernel/alarm.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import type { Alarm, PatientState } from "../kernel/types.ts";
import { linkOf, type Vitals, type Ward } from "../kernel/ward.ts";
import { Sweep } from "./sweep.ts";
import type { Trace } from "./trace.ts";

const ROTATE_MS = 2000;
const LINK_MARKS = { up: "\u25cf", late: "\u25d0", down: "\u25cb" } as const;

const part = (name: string): HTMLSpanElement => el("span", { class: name });

// What is said of the alarms of one kind, one after the other when there are several.
class Line {
  readonly node: HTMLDivElement;
  readonly #label = el("strong", { class: "label" });
  readonly #said = part("said");

  constructor(name: string) {
    this.node = el("div", { class: name }, this.#label, this.#said);
  }

  // Without an alarm, `otherwise`.
  show(alarms: readonly Alarm[], otherwise: string): void {
    const at = Math.floor(Date.now() / ROTATE_MS) % Math.max(1, alarms.length);
    const shown = alarms[at];
    setAttr(this.node, "data-alarm", shown ? level(shown) : null);
    setAttr(this.node, "data-presence", shown ? shown.presence : null);
    const count = alarms.length > 1 ? `${t.of(at + 1, alarms.length)} ` : "";
    setText(this.#label, shown ? `${mark(shown)} ${count}${labelOf(shown)}` : "");
    const status = shown ? t.brief[shown.retrospective ? "retrospective" : shown.presence] : "";
    setText(this.#said, shown ? `${status}${said(shown)}` : otherwise);
    setAttr(this.node, "title", this.node.textContent || null);
  }
}

export class Tile {
  readonly patient: string;
  readonly node: HTMLElement;
  readonly sweep: Sweep;
  readonly #name: HTMLButtonElement;
  readonly #lead = part("lead");
  readonly #scale = part("scale");
  readonly #veil = part("veil");
  readonly #strip: HTMLDivElement;
  readonly #bars = el("span", { class: "bars" }, ...[0, 1, 2, 3].map(() => el("i")));
  readonly #charge = el("i");
  readonly #cell = el("span", { class: "cell" }, this.#charge);
  readonly #link = part("link");
  readonly #message = new Line("message");
  readonly #technical = new Line("device");
  readonly #pseudonym: HTMLAnchorElement; // to the patient's page
  readonly #flags = part("flags");
  readonly #aside = part("aside");
  readonly #age = el("span", { class: "age", title: t.ageLabel });
  readonly #sqi = part("sqi");
  readonly #battery = part("battery");
  readonly #hr = part("hr");
  readonly #hrSpoken = part("aloud");

  constructor(patient: string, trace: Trace, onopen: (patient: string) => void) {
    this.patient = patient;
    this.sweep = new Sweep(trace);
    const open = () => onopen(patient);
    this.#pseudonym = el("a", { class: "pseudonym", href: hashOf("patient", patient), text: patient });
    this.#name = el("button", { type: "button", class: "name", onclick: open });
    const corner = el("div", { class: "corner" }, this.#lead, this.#age);
    this.#strip = el("div", { class: "strip", onclick: open }, this.sweep.canvas, corner, this.#scale, this.#veil);
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
        el("span", { class: "meta" }, this.#link, this.#bars, this.#sqi, this.#cell, this.#battery),
        el("span", { class: "rate" }, this.#hr, this.#hrSpoken, el("span", { class: "unit", text: t.bpm })),
      ),
      this.#strip,
      el("footer", {}, this.#message.node, this.#technical.node),
    );
    this.#hr.setAttribute("aria-hidden", "true"); // spoken as a sentence instead
  }

  // Whether an alarm is said here.
  get isAlarmed(): boolean {
    return this.node.dataset.alarm !== undefined;
  }

  get trace(): Trace {
    return this.sweep.trace;
  }

  get swept(): number {
    return this.sweep.swept;
  }

  // Text and colours; a few times a second.
  show(state: PatientState, vitals: Vitals, alarms: readonly Alarm[], ward: Ward): void {
    setText(this.#name, t.bed(state.bed));
    setAttr(this.#name, "aria-label", t.openStrip(ward.who(this.patient)));
    setAttr(this.node, "data-stale", vitals.stale ? "" : null);
    setText(this.#hr, vitals.heartRate === null ? t.none : String(vitals.heartRate));
    setText(this.#hrSpoken, t.heartRateLabel(vitals.heartRate));
    setAttr(this.#hr, "data-poor", vitals.usable ? null : "");
    setText(this.#lead, state.lead && t.lead(state.lead));
    setText(this.#scale, this.sweep.isUsualGain ? "" : t.gainOf(this.sweep.gain));
    this.#aged(vitals);
    this.#flagged(alarms, ward);
    this.#worn(vitals);
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

  #flagged(alarms: readonly Alarm[], ward: Ward): void {
    const paused = ward.pauseOf(this.patient);
    const step = Math.max(0, ...alarms.map((alarm) => ward.escalation(alarm)?.step ?? 0));
    const flags = [step ? t.step(step) : "", paused ? t.pausedBrief(ward.leftS(paused)) : ""].filter(Boolean);
    setText(this.#flags, flags.join(" "));
    setAttr(this.#flags, "title", paused ? t.pausedBy(paused.by) : null);
  }

  // The device: its link, its signal, its battery.
  #worn(vitals: Vitals): void {
    const { sqi, battery } = vitals;
    const link = linkOf(vitals);
    setText(this.#link, LINK_MARKS[link]);
    setAttr(this.#link, "data-link", link);
    setAttr(this.#link, "title", t.links[link]);
    setText(this.#sqi, sqi === null ? t.none : sqi.toFixed(2));
    setAttr(this.#bars, "title", t.sqi(sqi));
    setAttr(this.#bars, "data-level", sqi === null ? "0" : String(Math.min(4, Math.ceil(sqi * 4))));
    setText(this.#battery, battery === null ? t.none : t.battery(battery));
    setAttr(this.#cell, "title", battery === null ? null : t.batteryLabel(battery));
    setAttr(this.#cell, "data-low", battery !== null && battery < 15 ? "" : null);
    const width = `${battery ?? 0}%`;
    if (this.#charge.style.width !== width) this.#charge.style.width = width;
  }

  // The bottom line belongs to the alarm; without one, to the findings, which else stand in the head. What is wrong
  // with the device stands beside it: a lead that fell off must not hide a rhythm, nor the other way round.
  #told(alarms: readonly Alarm[], findings: string): void {
    const technical = alarms.filter((alarm) => alarm.kind === "technical");
    const physiological = alarms.filter((alarm) => alarm.kind !== "technical");
    const [ill, faulty] = [physiological[0], technical[0]];
    const top = ill && (waiting(ill) || !faulty || !waiting(faulty)) ? ill : faulty;
    setAttr(this.node, "data-alarm", top ? level(top) : null);
    setAttr(this.node, "data-presence", top ? top.presence : null);
    setAttr(this.node, "data-calm", top?.retrospective ? "" : null);
    setText(this.#aside, top ? findings : "");
    setAttr(this.#aside, "title", top && findings ? findings : null);
    this.#message.show(physiological, top ? "" : findings);
    this.#technical.show(technical, "");
    this.#message.node.hidden = !ill && technical.length > 0;
    this.#technical.node.hidden = !technical.length;
  }

  resize(mmPerS: number, ink: string): void {
    this.sweep.resize(this.#strip.clientWidth, this.#strip.clientHeight, mmPerS, ink);
  }
}
