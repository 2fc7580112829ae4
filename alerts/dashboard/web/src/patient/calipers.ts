// Two markers on the strip that are dragged or moved by keys: time between them, the rate of that, and the voltage.
import { w } from "../i18n/patient.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import { type Mark, type Measured, measure } from "./measure.ts";
import { ROW_MM, type Rows } from "./rows.ts";
import { type Line, nearest } from "./signal.ts";
import { exact } from "./when.ts";

const SNAP_MM = 3; // so near to the line, a marker is on it
const FAST_US = 40000; // a millimetre of paper at 25 mm/s
const LEAP_US = 1e6;
const STEP_MV = 0.05;

class Marker {
  readonly name: string;
  readonly node: HTMLElement;
  readonly dot = el("span", { class: "patient-caliper-dot" });
  us = 0;
  free: number | null = null; // mV, where it was taken off the line

  constructor(name: string) {
    this.name = name;
    this.node = el(
      "div",
      { class: "patient-caliper", role: "slider", tabindex: "0", "aria-label": w.caliper(name), title: w.caliperHelp },
      el("span", { class: "patient-caliper-name", text: name, "aria-hidden": "true" }),
      this.dot,
    );
  }
}

export class Calipers {
  readonly node = el("div", { class: "patient-calipers" });
  readonly says = el("output", { class: "patient-measured" });
  readonly #markers = [new Marker("A"), new Marker("B")] as const;
  #rows: Rows | null = null;
  #lines: readonly Line[] = [];
  #on = false;

  constructor() {
    this.node.append(...this.#markers.map((m) => m.node));
    for (const marker of this.#markers) {
      marker.node.addEventListener("pointerdown", (event) => this.#take(marker, event));
      marker.node.addEventListener("pointermove", (event) => this.#drag(marker, event));
      marker.node.addEventListener("keydown", (event) => this.#key(marker, event));
    }
    this.turn(false);
  }

  get on(): boolean {
    return this.#on;
  }

  turn(on: boolean): void {
    this.#on = on;
    this.node.hidden = this.says.hidden = !on;
    this.#show();
  }

  // Another strip, or the same one drawn anew. Markers that would be off it come back to its beginning.
  lay(rows: Rows, lines: readonly Line[]): void {
    this.#rows = rows;
    this.#lines = lines;
    this.#markers.forEach((marker, i) => {
      if (marker.us >= rows.t0 && marker.us <= rows.t1) return;
      marker.free = null;
      this.#move(marker, rows.t0 + (10 + i) * 1e6);
    });
    this.#show();
  }

  get marks(): Mark[] {
    return this.#markers.map((m) => ({ us: m.us, mv: m.free ?? nearest(this.#lines, m.us)?.mv ?? null }));
  }

  get measured(): Measured {
    const [a, b] = this.marks as [Mark, Mark];
    return measure(a, b);
  }

  get text(): string {
    const { ms, bpm, mv } = this.measured;
    return w.measured(ms, bpm, mv);
  }

  #take(marker: Marker, event: PointerEvent): void {
    event.preventDefault();
    marker.node.focus({ preventScroll: true });
    marker.node.setPointerCapture(event.pointerId);
  }

  #drag(marker: Marker, event: PointerEvent): void {
    const rows = this.#rows;
    if (!rows || !marker.node.hasPointerCapture(event.pointerId)) return;
    const box = this.node.getBoundingClientRect();
    const mm = rows.widthMm / box.width;
    const { us, mv } = rows.at((event.clientX - box.left) * mm, (event.clientY - box.top) * mm);
    this.#move(marker, us);
    const line = nearest(this.#lines, marker.us);
    const far = line === null || Math.abs(line.mv - mv) * rows.scale.mmPerMv > SNAP_MM;
    marker.free = far ? mv : null;
    this.#show();
  }

  #key(marker: Marker, event: KeyboardEvent): void {
    const sample = 1e6 / (this.#lines[0]?.fs ?? 250);
    const steps: Record<string, number> = {
      ArrowLeft: -(event.shiftKey ? FAST_US : sample),
      ArrowRight: event.shiftKey ? FAST_US : sample,
      PageDown: -LEAP_US,
      PageUp: LEAP_US,
    };
    const step = steps[event.key];
    if (step !== undefined) this.#move(marker, marker.us + step);
    else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
      const level = marker.free ?? nearest(this.#lines, marker.us)?.mv ?? 0;
      marker.free = level + (event.key === "ArrowUp" ? STEP_MV : -STEP_MV);
    } else if (event.key === "Home") marker.free = null;
    else return;
    event.preventDefault();
    event.stopPropagation();
    this.#show();
  }

  // Onto a sample where there is one.
  #move(marker: Marker, us: number): void {
    const rows = this.#rows;
    if (!rows) return;
    const inside = Math.min(rows.t1, Math.max(rows.t0, us));
    marker.us = nearest(this.#lines, inside)?.us ?? inside;
  }

  #show(): void {
    const rows = this.#rows;
    if (!this.#on || !rows) return;
    this.marks.forEach(({ us, mv }, i) => {
      const marker = this.#markers[i];
      if (!marker) return;
      const { row, x } = rows.place(us);
      marker.node.style.setProperty("left", `${x}mm`);
      marker.node.style.setProperty("top", `${row * ROW_MM}mm`);
      marker.dot.hidden = mv === null;
      const y = Math.min(ROW_MM, Math.max(0, rows.y(mv ?? 0)));
      marker.dot.style.setProperty("top", `${y}mm`);
      setAttr(marker.node, "aria-valuemin", "0");
      setAttr(marker.node, "aria-valuemax", String(Math.round((rows.t1 - rows.t0) / 1000)));
      setAttr(marker.node, "aria-valuenow", String(Math.round((us - rows.t0) / 1000)));
      setAttr(marker.node, "aria-valuetext", w.caliperAt(exact(us), mv));
    });
    setText(this.says, this.text);
  }
}
