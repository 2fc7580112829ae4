// One strip that sweeps: a canvas, the pen on it and the signal that it writes. It has no clock: whoever shows strips
// steps all of them from one animation frame.
import { el, fit, PX_PER_MM, pen } from "../kernel/dom.ts";
import type { Trace } from "./trace.ts";

const ERASE_PX = 16; // the bar of darkness in front of the pen
const GAINS = [10, 5, 2.5, 1.25] as const; // mm per mV; the first that fits, ten unless the signal is large
const BASE = 0.64; // of the height: where 0 mV lies
const ROOM = 0.62; // of the height: for the largest deflection

export class Sweep {
  readonly trace: Trace;
  readonly canvas = el("canvas", { "aria-hidden": "true" });
  visible = true;
  swept = 0; // all that the pen has gone, for measurements
  gain: (typeof GAINS)[number] = GAINS[0]; // mm per mV
  readonly #context = pen(this.canvas);
  #pen = 0;
  #x = 0;
  #y: number | null = null;
  #width = 0;
  #height = 0;

  constructor(trace: Trace) {
    this.trace = trace;
  }

  get isUsualGain(): boolean {
    return this.gain === GAINS[0];
  }

  // The size of the strip; only when it may have changed.
  resize(width: number, height: number, mmPerS: number, ink: string): void {
    this.#width = width;
    this.#height = height;
    if (!fit(this.canvas, width, height)) return;
    this.#pen = 0;
    this.repaint(mmPerS, ink);
  }

  // The whole strip anew from what was played last: when it comes into sight, and when what was missed has come.
  repaint(mmPerS: number, ink: string): void {
    const [width, height, c] = [this.#width, this.#height, this.#context];
    c.clearRect(0, 0, width, height);
    this.#y = null;
    if (!width) return;
    this.#choose();
    const [base, scale, speed] = [height * BASE, this.gain * PX_PER_MM, mmPerS * PX_PER_MM];
    this.#begin(ink);
    let last = 0;
    this.trace.behind((width - ERASE_PX) / speed, (agoS, mv) => {
      if (Number.isNaN(mv)) {
        this.#y = null;
        return;
      }
      let x = this.#pen - agoS * speed;
      if (x < 0) x += width;
      const to = Math.min(height - 1, Math.max(1, base - mv * scale));
      if (this.#y === null || x < last) c.moveTo(x, to);
      else c.lineTo(x, to);
      this.#y = to;
      this.#x = last = x;
    });
    c.stroke();
  }

  // One step, `seconds` long. The pen moves even when nothing comes: old signal never stands still.
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
    const base = height * BASE;
    const scale = this.gain * PX_PER_MM;
    this.#begin(ink);
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

  #begin(ink: string): void {
    const c = this.#context;
    c.strokeStyle = ink;
    c.lineWidth = 1.4;
    c.lineJoin = "round";
    c.beginPath();
  }

  // Only what newly comes under the bar, in whole pixels: the line just drawn keeps its edge.
  #erase(from: number, length: number): void {
    const [width, height, c] = [this.#width, this.#height, this.#context];
    const first = Math.floor(from % width);
    const past = Math.ceil((from % width) + length);
    c.clearRect(first, 0, Math.min(past, width) - first, height);
    if (past > width) c.clearRect(0, 0, past - width, height);
  }

  // Ten millimetres a millivolt unless the signal would leave the strip; the scale then has to be said.
  #choose(): void {
    const room = (this.#height * ROOM) / PX_PER_MM;
    const peak = this.trace.peak;
    const now = GAINS.indexOf(this.gain);
    const fits = GAINS.findIndex((gain) => peak * gain <= room);
    const wanted = fits < 0 ? GAINS.length - 1 : fits;
    const larger = GAINS[now - 1] ?? GAINS[0];
    if (wanted > now) this.gain = GAINS[wanted] ?? this.gain;
    else if (wanted < now && peak * larger < room * 0.8) this.gain = larger;
  }
}
