// A stretch of stored signal on grid paper, and what can be done about the alarm in it.
import { t } from "../i18n/index.ts";
import { labelOf, said } from "../kernel/alarm.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { colour, el, fit, pen, setText } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import type { Alarm, Segment } from "../kernel/types.ts";
import type { Ward } from "../kernel/ward.ts";
import type { PatientCare } from "./care.ts";
import { baseOf, MM, MM_PER_MV, MM_PER_S, PULSE_MM, paper, ROW_MM, ROW_S, rowMarks, WIDTH_PX } from "./paper.ts";
import { endOf, smooth } from "./signal.ts";

const BEFORE_US = 10e6;
const AFTER_US = 20e6;
const AGAIN_MS = 4000;

interface Place {
  row: number;
  x: number;
  base: number;
}

export class Review {
  readonly dialog: HTMLDialogElement;
  readonly #ward: Ward;
  readonly #care: PatientCare;
  readonly #actionsFor: (alarm: Alarm) => HTMLElement | null;
  readonly #title = el("h2");
  readonly #about = el("p", { class: "about" });
  readonly #note = el("p", { class: "note", role: "status" });
  readonly #canvas = el("canvas", { role: "img" });
  readonly #actions = el("div", { class: "bar" });
  readonly #page = el("a", { text: t.toPatient, onclick: () => this.dialog.close() });
  #patient = "";
  #t0 = 0;
  #t1 = 0;
  #alarm: Alarm | null = null;
  #segments: Segment[] | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  // actionsFor gives the acknowledge buttons or null
  constructor(ward: Ward, actionsFor: (alarm: Alarm) => HTMLElement | null, care: PatientCare) {
    this.#ward = ward;
    this.#care = care;
    this.#actionsFor = actionsFor;
    const close = el("button", { type: "button", class: "close", text: t.close, onclick: () => this.dialog.close() });
    this.dialog = el(
      "dialog",
      { class: "review" },
      el("header", {}, el("div", {}, this.#title, this.#about), this.#page, close),
      el("div", { class: "paper", tabindex: "0" }, this.#canvas),
      this.#note,
      this.#actions,
    );
    this.dialog.addEventListener("close", () => this.#closed());
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
  }

  ofAlarm(alarm: Alarm): void {
    this.#open(alarm.patient, alarm.onset_us - BEFORE_US, alarm.onset_us + AFTER_US, alarm);
  }

  latest(patient: string): void {
    const state = this.#ward.states.get(patient);
    const end = state?.last_sample_us ?? Math.round(this.#ward.now());
    this.#open(patient, end - BEFORE_US - AFTER_US, end, null);
  }

  // The alarm changed while its strip is open.
  changed(alarm: Alarm): void {
    if (this.dialog.open && this.#alarm?.alarm_id === alarm.alarm_id) this.#tell(alarm);
  }

  // An alarm may be known before its patient's bed is, and a patient may be moved meanwhile.
  tick(): void {
    if (this.dialog.open) setText(this.#title, t.reviewOf(this.#ward.who(this.#patient)));
  }

  #open(patient: string, t0: number, t1: number, alarm: Alarm | null): void {
    clearTimeout(this.#timer);
    this.#patient = patient;
    this.#t0 = Math.max(0, Math.round(t0));
    this.#t1 = Math.round(t1);
    this.#segments = null;
    setText(this.#title, t.reviewOf(this.#ward.who(patient)));
    this.#tell(alarm);
    this.#care.show(patient, alarm);
    this.dialog.append(this.#care.node);
    this.#page.href = hashOf("patient", patient, { t: alarm ? Math.round(alarm.onset_us) : this.#t0 + BEFORE_US });
    setText(this.#note, t.loading);
    this.#draw();
    if (!this.dialog.open) this.dialog.showModal();
    void this.#load();
  }

  // What can be set for a patient stands once on the screen: the patient's page may show it too.
  #closed(): void {
    clearTimeout(this.#timer);
    this.#care.node.remove();
  }

  #tell(alarm: Alarm | null): void {
    this.#alarm = alarm;
    const range = `${clock(this.#t0)} \u2013 ${clock(this.#t1)}`;
    setText(this.#about, `${alarm ? `${labelOf(alarm)} \u2013 ${said(alarm)}` : t.reviewNow} \u00b7 ${range}`);
    const actions = alarm && alarm.acknowledged_us === null ? this.#actionsFor(alarm) : null;
    this.#actions.replaceChildren(...(actions ? [actions] : []));
  }

  async #load(): Promise<void> {
    const [asked, whose] = [this.#t0, this.#patient];
    try {
      const path = `/patients/${encodeURIComponent(whose)}/strip?t0_us=${asked}&t1_us=${this.#t1}`;
      const { segments } = await api<{ segments: Segment[] }>(path);
      if (asked !== this.#t0 || whose !== this.#patient) return;
      this.#segments = segments;
      const [first, last] = [segments[0], segments.at(-1)];
      const more = (last ? endOf(last) : 0) < this.#t1 - 1e6 && this.#ward.now() < this.#t1 + 30e6;
      setText(this.#note, t.scale(first ? t.lead(first.lead) : t.noSignal) + (more ? ` \u00b7 ${t.coming}` : ""));
      this.#draw();
      if (more && this.dialog.open) this.#timer = setTimeout(() => this.#load(), AGAIN_MS);
    } catch (error) {
      setText(this.#note, t.failed(reasonOf(error)));
    }
  }

  #draw(): void {
    const rows = Math.ceil((this.#t1 - this.#t0) / 1e6 / ROW_S);
    const height = Math.ceil(rows * ROW_MM * MM);
    this.#canvas.style.width = `${WIDTH_PX}px`;
    this.#canvas.style.height = `${height}px`;
    fit(this.#canvas, WIDTH_PX, height);
    this.#canvas.setAttribute("aria-label", this.#about.textContent ?? "");
    const c = pen(this.#canvas);
    paper(c, WIDTH_PX, height);
    for (let row = 0; row < rows; row++) rowMarks(c, row, this.#t0);
    if (this.#segments) this.#gaps(c, this.#segments);
    for (const segment of this.#segments ?? []) this.#segment(c, segment);
    if (this.#alarm) this.#onset(c, this.#alarm);
  }

  #place(us: number): Place {
    const s = (us - this.#t0) / 1e6;
    const row = Math.floor(s / ROW_S);
    return { row, x: (PULSE_MM + (s - row * ROW_S) * MM_PER_S) * MM, base: baseOf(row) };
  }

  #segment(c: CanvasRenderingContext2D, segment: Segment): void {
    if (segment.lead_off) return;
    c.strokeStyle = colour("--pen");
    c.lineWidth = 1.1;
    c.lineJoin = "round";
    c.beginPath();
    let before = -1;
    smooth(segment.mv, segment.fs_hz).forEach((mv, i) => {
      const { row, x, base } = this.#place(segment.t0_us + (i * 1e6) / segment.fs_hz);
      const y = base - Math.max(-13, Math.min(20, mv * MM_PER_MV)) * MM;
      if (row === before) c.lineTo(x, y);
      else c.moveTo(x, y);
      before = row;
    });
    c.stroke();
  }

  // Grey where nothing was received or the lead was off: missing signal is not a flat line.
  #gaps(c: CanvasRenderingContext2D, segments: Segment[]): void {
    let reach = this.#t0;
    const end = Math.min(this.#t1, this.#ward.now() - 5e6); // what is younger may still be on its way
    for (const worn of segments.filter((s) => !s.lead_off)) {
      if (worn.t0_us - reach > 40000) this.#shade(c, reach, worn.t0_us);
      reach = endOf(worn);
    }
    if (end - reach > 40000) this.#shade(c, reach, end);
  }

  #shade(c: CanvasRenderingContext2D, from: number, to: number): void {
    c.fillStyle = colour("--missing");
    for (let at = from; at < to; ) {
      const { row, x } = this.#place(at);
      const next = Math.min(to, this.#t0 + (row + 1) * ROW_S * 1e6);
      c.fillRect(x, row * ROW_MM * MM, ((next - at) / 1e6) * MM_PER_S * MM, ROW_MM * MM);
      at = next;
    }
  }

  #onset(c: CanvasRenderingContext2D, alarm: Alarm): void {
    const { row, x } = this.#place(alarm.onset_us);
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
    c.fillText(`${t.onset} ${clock(alarm.onset_us)}`, x + 5, top + 13);
  }
}
