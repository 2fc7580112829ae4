// A stretch of stored signal on grid paper: ten seconds a row, 25 mm/s, 10 mm/mV, with a calibration pulse.
import { colour, el, fit, PX_PER_MM, setText } from "./dom.js";
import { api } from "./session.js";
import { clock, t } from "./strings.js";
import { said } from "./tile.js";
import { HighPass } from "./trace.js";

const BEFORE_US = 10e6;
const AFTER_US = 20e6;
const ROW_S = 10;
const MM = PX_PER_MM;
const PULSE_MM = 13; // room for the calibration pulse at the left
const ROW_MM = 35;
const AGAIN_MS = 4000;

export class Review {
  // actionsFor(alarm) gives the acknowledge buttons or null
  constructor(ward, actionsFor, care) {
    this.ward = ward;
    this.care = care;
    this.actionsFor = actionsFor;
    this.title = el("h2");
    this.about = el("p", { class: "about" });
    this.note = el("p", { class: "note", role: "status" });
    this.canvas = el("canvas", { role: "img" });
    this.actions = el("div", { class: "bar" });
    const close = el("button", { type: "button", class: "close", text: t.close, onclick: () => this.dialog.close() });
    this.dialog = el(
      "dialog",
      { class: "review" },
      el("header", {}, el("div", {}, this.title, this.about), close),
      el("div", { class: "paper", tabindex: "0" }, this.canvas),
      this.note,
      this.actions,
      care.node,
    );
    this.dialog.addEventListener("close", () => clearTimeout(this.timer));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  ofAlarm(alarm) {
    this.#open(alarm.patient, alarm.onset_us - BEFORE_US, alarm.onset_us + AFTER_US, alarm);
  }

  latest(patient) {
    const state = this.ward.states.get(patient);
    const end = state ? state.last_sample_us : Math.round(this.ward.now());
    this.#open(patient, end - BEFORE_US - AFTER_US, end, null);
  }

  // The alarm changed while its strip is open.
  changed(alarm) {
    if (this.dialog.open && this.alarm?.alarm_id === alarm.alarm_id) this.#about(alarm);
  }

  #open(patient, t0, t1, alarm) {
    clearTimeout(this.timer);
    Object.assign(this, { patient, t0: Math.max(0, Math.round(t0)), t1: Math.round(t1), alarm, segments: null });
    setText(this.title, t.reviewOf(this.ward.who(patient)));
    this.#about(alarm);
    this.care.show(patient, alarm);
    setText(this.note, t.loading);
    this.#draw();
    if (!this.dialog.open) this.dialog.showModal();
    this.#load();
  }

  #about(alarm) {
    this.alarm = alarm;
    const range = `${clock(this.t0)} \u2013 ${clock(this.t1)}`;
    setText(this.about, alarm ? `${alarm.label} \u2013 ${said(alarm)} \u00b7 ${range}` : `${t.reviewNow} \u00b7 ${range}`);
    const actions = alarm && alarm.acknowledged_us === null ? this.actionsFor(alarm) : null;
    this.actions.replaceChildren(...(actions ? [actions] : []));
  }

  async #load() {
    const asked = this.t0;
    try {
      const path = `/patients/${encodeURIComponent(this.patient)}/strip?t0_us=${this.t0}&t1_us=${this.t1}`;
      const { segments } = await api(path);
      if (asked !== this.t0) return;
      this.segments = segments;
      const lead = segments[0] ? t.lead(segments[0].lead) : t.noSignal;
      const last = segments.at(-1);
      const reach = last ? last.t0_us + (last.mv.length * 1e6) / last.fs_hz : 0;
      const more = reach < this.t1 - 1e6 && this.ward.now() < this.t1 + 30e6;
      setText(this.note, t.scale(lead) + (more ? ` \u00b7 ${t.coming}` : ""));
      this.#draw();
      if (more && this.dialog.open) this.timer = setTimeout(() => this.#load(), AGAIN_MS);
    } catch (error) {
      setText(this.note, t.failed(error.message));
    }
  }

  #draw() {
    const rows = Math.ceil((this.t1 - this.t0) / 1e6 / ROW_S);
    const width = Math.ceil((PULSE_MM + ROW_S * 25 + 2) * MM);
    const height = Math.ceil(rows * ROW_MM * MM);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    fit(this.canvas, width, height);
    this.canvas.setAttribute("aria-label", this.about.textContent);
    const c = this.canvas.getContext("2d");
    paper(c, width, height);
    for (let row = 0; row < rows; row++) this.#row(c, row);
    if (this.segments) this.#gaps(c);
    for (const segment of this.segments ?? []) this.#segment(c, segment);
    if (this.alarm) this.#onset(c);
  }

  #place(us) {
    const s = (us - this.t0) / 1e6;
    const row = Math.floor(s / ROW_S);
    return { row, x: (PULSE_MM + (s - row * ROW_S) * 25) * MM, base: (row + 0.6) * ROW_MM * MM };
  }

  #row(c, row) {
    const base = (row + 0.6) * ROW_MM * MM;
    c.strokeStyle = colour("--pen");
    c.lineWidth = 1.3;
    c.beginPath(); // 1 mV for 0.2 s
    const [x, w, h] = [3 * MM, 5 * MM, 10 * MM];
    c.moveTo(x, base);
    c.lineTo(x + 1.5 * MM, base);
    c.lineTo(x + 1.5 * MM, base - h);
    c.lineTo(x + 1.5 * MM + w, base - h);
    c.lineTo(x + 1.5 * MM + w, base);
    c.lineTo(x + 3 * MM + w, base);
    c.stroke();
    c.fillStyle = colour("--pen");
    c.font = "11px system-ui, sans-serif";
    for (let s = 0; s < ROW_S; s += 5) {
      c.fillText(clock(this.t0 + (row * ROW_S + s) * 1e6), (PULSE_MM + s * 25) * MM + 3, (row + 1) * ROW_MM * MM - 5);
    }
  }

  #segment(c, segment) {
    if (segment.lead_off) return;
    const mv = smooth(segment.mv, segment.fs_hz);
    c.strokeStyle = colour("--pen");
    c.lineWidth = 1.1;
    c.lineJoin = "round";
    c.beginPath();
    let before = -1;
    for (let i = 0; i < mv.length; i++) {
      const { row, x, base } = this.#place(segment.t0_us + (i * 1e6) / segment.fs_hz);
      const y = base - Math.max(-13, Math.min(20, mv[i] * 10)) * MM;
      if (row === before) c.lineTo(x, y);
      else c.moveTo(x, y);
      before = row;
    }
    c.stroke();
  }

  // Grey where nothing was received or the lead was off: missing signal is not a flat line.
  #gaps(c) {
    let reach = this.t0;
    const end = Math.min(this.t1, this.ward.now() - 5e6); // what is younger may still be on its way
    const worn = this.segments.filter((s) => !s.lead_off);
    for (const s of [...worn, { t0_us: end, mv: [], fs_hz: 1 }]) {
      if (s.t0_us - reach > 40000) this.#shade(c, reach, s.t0_us);
      reach = s.t0_us + (s.mv.length * 1e6) / s.fs_hz;
    }
  }

  #shade(c, from, to) {
    c.fillStyle = colour("--missing");
    for (let at = from; at < to; ) {
      const { row, x } = this.#place(at);
      const next = Math.min(to, this.t0 + (row + 1) * ROW_S * 1e6);
      c.fillRect(x, row * ROW_MM * MM, ((next - at) / 1e6) * 25 * MM, ROW_MM * MM);
      at = next;
    }
  }

  #onset(c) {
    const { row, x } = this.#place(this.alarm.onset_us);
    const top = row * ROW_MM * MM;
    c.strokeStyle = colour("--onset");
    c.fillStyle = colour("--onset");
    c.lineWidth = 1.5;
    c.setLineDash([5, 3]);
    c.beginPath();
    c.moveTo(x, top + 2);
    c.lineTo(x, top + ROW_MM * MM - 2);
    c.stroke();
    c.setLineDash([]);
    c.font = "bold 12px system-ui, sans-serif";
    c.fillText(`${t.onset} ${clock(this.alarm.onset_us)}`, x + 5, top + 13);
  }
}

// Forwards and backwards, so that nothing shifts.
function smooth(mv, fs) {
  const forward = new HighPass(fs, 0.3).run(mv, 1).reverse();
  return new HighPass(fs, 0.3).run(forward, 1).reverse();
}

function paper(c, width, height) {
  c.fillStyle = colour("--paper");
  c.fillRect(0, 0, width, height);
  for (const [every, name] of [[1, "--grid-fine"], [5, "--grid"]]) {
    c.strokeStyle = colour(name);
    c.lineWidth = every === 1 ? 0.5 : 1;
    c.beginPath();
    for (let x = 0; x * MM <= width; x += every) {
      c.moveTo(x * MM, 0);
      c.lineTo(x * MM, height);
    }
    for (let y = 0; y * MM <= height; y += every) {
      c.moveTo(0, y * MM);
      c.lineTo(width, y * MM);
    }
    c.stroke();
  }
}
