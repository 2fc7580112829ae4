// One patient on the wall: a strip that sweeps, the numbers, and the alarm message.
import { colour, el, fit, PX_PER_MM, setAttr, setText } from "./dom.js";
import { marks, priorities, t } from "./strings.js";
import { Trace } from "./trace.js";

const ERASE_PX = 16; // the bar of darkness in front of the pen
const GAINS = [10, 5, 2.5, 1.25]; // mm per mV; the first that fits, ten unless the signal is large
const ROTATE_MS = 2000;

export class Tile {
  constructor(patient, onopen) {
    this.patient = patient;
    this.trace = new Trace();
    this.pen = 0;
    this.swept = 0; // all that the pen has gone, for measurements
    this.y = null;
    this.gain = GAINS[0];
    this.visible = true;
    const part = (name, tag = "span") => (this[name] = el(tag, { class: name }));
    this.name = el("button", { type: "button", class: "name", onclick: () => onopen(patient) });
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.context = this.canvas.getContext("2d");
    this.strip = el("div", { class: "strip" }, this.canvas, part("lead"), part("scale"), part("veil"));
    part("bars").append(...[0, 1, 2, 3].map(() => el("i")));
    this.cell = el("span", { class: "cell" }, el("i"));
    this.message = el("div", { class: "message" }, part("label", "strong"), part("said"));
    this.node = el(
      "article",
      { class: "tile", data: { patient } },
      el(
        "header",
        {},
        this.name,
        part("pseudonym"),
        part("flags"),
        part("aside"),
        part("age"),
        el("span", { class: "meta" }, this.bars, part("sqi"), this.cell, part("battery")),
        el("span", { class: "rate" }, part("hr"), el("span", { class: "unit", text: t.bpm })),
      ),
      this.strip,
      this.message,
    );
    this.age.title = t.ageLabel;
    this.strip.addEventListener("click", () => onopen(patient));
  }

  // Text and colours; a few times a second.
  show(state, vitals, alarms, ward) {
    const stale = vitals.stale;
    setText(this.name, t.bed(state.bed));
    setAttr(this.name, "aria-label", t.openStrip(ward.who(this.patient)));
    setText(this.pseudonym, this.patient);
    const delayed = !stale && vitals.delayedS > 20;
    setText(this.age, vitals.ageS === null ? "" : delayed ? t.delayed(vitals.delayedS) : t.age(vitals.ageS));
    setAttr(this.age, "data-old", stale || delayed || vitals.ageS >= 3 ? "" : null);
    setAttr(this.node, "data-stale", stale ? "" : null);
    setText(this.hr, vitals.heartRate === null ? t.none : String(vitals.heartRate));
    setAttr(this.hr, "aria-label", t.heartRateLabel(vitals.heartRate));
    setAttr(this.hr, "data-poor", vitals.usable ? null : "");
    const paused = ward.pauseOf(this.patient);
    const step = Math.max(0, ...alarms.map((alarm) => ward.escalation(alarm)?.step ?? 0));
    const flags = [step ? t.step(step) : "", paused ? t.pausedBrief(ward.leftS(paused)) : ""].filter(Boolean);
    setText(this.flags, flags.join(" "));
    setAttr(this.flags, "title", paused ? t.pausedBy(paused.by) : null);
    const sqi = vitals.sqi ?? null;
    setText(this.sqi, sqi === null ? t.none : sqi.toFixed(2));
    setAttr(this.bars, "title", t.sqi(sqi));
    setAttr(this.bars, "data-level", sqi === null ? "0" : String(Math.min(4, Math.ceil(sqi * 4))));
    const battery = vitals.battery ?? null;
    setText(this.battery, battery === null ? t.none : t.battery(battery));
    setAttr(this.cell, "title", battery === null ? null : t.batteryLabel(battery));
    setAttr(this.cell, "data-low", battery !== null && battery < 15 ? "" : null);
    this.cell.firstChild.style.width = `${battery ?? 0}%`;
    setText(this.lead, t.lead(state.lead));
    const names = vitals.codes.map((code) => ward.name(code));
    if (!stale && !vitals.leadOff && !vitals.usable) names.unshift(t.poor);
    setText(this.veil, stale ? (vitals.ageS === null ? t.noDataYet : t.noData(vitals.ageS)) : vitals.leadOff ? t.leadOff : "");
    this.#message(alarms, names.join(" \u00b7 "));
  }

  // The bottom line belongs to the alarm; without one, to the findings, which else stand in the head.
  #message(alarms, findings) {
    const shown = alarms[Math.floor(Date.now() / ROTATE_MS) % alarms.length];
    const top = alarms[0];
    setAttr(this.node, "data-alarm", top ? level(top) : null);
    setAttr(this.node, "data-presence", top ? top.presence : null);
    setAttr(this.node, "data-calm", top?.retrospective ? "" : null);
    setAttr(this.message, "data-alarm", shown ? level(shown) : null);
    setAttr(this.message, "data-presence", shown ? shown.presence : null);
    setText(this.aside, shown ? findings : "");
    setAttr(this.aside, "title", shown && findings ? findings : null);
    const count = alarms.length > 1 ? `${t.of(alarms.indexOf(shown) + 1, alarms.length)} ` : "";
    setText(this.label, shown ? `${mark(shown)} ${count}${shown.label}` : "");
    const status = shown ? t.brief[shown.retrospective ? "retrospective" : shown.presence] : "";
    setText(this.said, shown ? `${status}${said(shown)}` : findings);
    setAttr(this.message, "title", this.message.textContent || null);
  }

  // The size of the strip; only when the wall changed.
  resize() {
    this.width = this.strip.clientWidth;
    this.height = this.strip.clientHeight;
    if (fit(this.canvas, this.width, this.height)) {
      this.pen = 0;
      this.y = null;
    }
  }

  clear() {
    this.context.clearRect(0, 0, this.width, this.height);
    this.y = null;
  }

  // One step of the sweep, `seconds` long. The pen moves even when nothing comes: old signal never stands still.
  draw(seconds, mmPerS, ink) {
    const { width, height, context: c } = this;
    if (!width || !this.visible) {
      this.trace.advance(seconds, () => {});
      this.y = null;
      return;
    }
    const step = seconds * mmPerS * PX_PER_MM;
    const start = this.pen;
    this.#erase(start + ERASE_PX - 1, step + 2);
    this.#choose();
    const base = height * 0.64;
    const scale = this.gain * PX_PER_MM;
    c.strokeStyle = ink;
    c.lineWidth = 1.4;
    c.lineJoin = "round";
    c.beginPath();
    let x = start;
    let y = this.y;
    if (y !== null) c.moveTo(this.x, y);
    const fed = this.trace.advance(seconds, (share, mv) => {
      if (Number.isNaN(mv)) {
        y = null;
        return;
      }
      x = start + share * step;
      if (x >= width) x -= width;
      if (x < this.x) y = null; // round the corner: no line across the whole strip
      const to = Math.min(height - 1, Math.max(1, base - mv * scale));
      if (y === null) c.moveTo(x, to);
      else c.lineTo(x, to);
      y = to;
      this.x = x;
    });
    c.stroke();
    this.y = fed ? y : null;
    this.pen = (start + step) % width;
    this.swept += step;
  }

  // Only what newly comes under the bar, in whole pixels: the line just drawn keeps its edge.
  #erase(from, length) {
    const { width, height, context: c } = this;
    const first = Math.floor(from % width);
    const past = Math.ceil((from % width) + length);
    c.clearRect(first, 0, Math.min(past, width) - first, height);
    if (past > width) c.clearRect(0, 0, past - width, height);
  }

  // Ten millimetres a millivolt unless the signal would leave the strip; the scale then says so.
  #choose() {
    const room = (this.height * 0.62) / PX_PER_MM;
    const peak = this.trace.peak;
    const now = GAINS.indexOf(this.gain);
    const fits = GAINS.findIndex((gain) => peak * gain <= room);
    const wanted = fits < 0 ? GAINS.length - 1 : fits;
    if (wanted > now || (wanted < now && peak * GAINS[now - 1] < room * 0.8)) this.gain = GAINS[wanted > now ? wanted : now - 1];
    setText(this.scale, this.gain === GAINS[0] ? "" : t.gainOf(this.gain));
  }
}

export const ink = () => colour("--trace");
export const level = (alarm) => (alarm.kind === "technical" ? "technical" : alarm.priority);
export const mark = (alarm) => marks[level(alarm)];
// What the label has said already need not be said again.
export const said = (alarm) =>
  alarm.message.startsWith(`${alarm.label}, `) ? alarm.message.slice(alarm.label.length + 2) : alarm.message;
export const priorityName = (alarm) => priorities[alarm.priority];
