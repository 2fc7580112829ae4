// The live strip at the head of the page: a pen that sweeps, as on the wall.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { colour, el, fit, PX_PER_MM, pen, setText } from "../kernel/dom.ts";
import type { Vitals } from "../kernel/ward.ts";
import type { Frame } from "../kernel/wire.ts";
import { Trace } from "../wall/trace.ts";

const MM_PER_S = 25;
const HEIGHT_PX = 96;
const ERASE_PX = 16; // the bar of darkness in front of the pen
const GAINS = [10, 5, 2.5, 1.25] as const; // mm per mV; the first that fits

export class LiveStrip {
  readonly node: HTMLElement;
  readonly #canvas = el("canvas", { "aria-hidden": "true" });
  readonly #veil = el("span", { class: "veil" });
  readonly #scale = el("span", { class: "patient-live-scale" });
  readonly #trace = new Trace();
  #x = 0;
  #pen = 0;
  #y: number | null = null;
  #width = 0;
  #last = performance.now();
  #runs = true;

  constructor() {
    this.node = el(
      "div",
      { class: "patient-live", role: "img", "aria-label": w.live },
      this.#canvas,
      this.#scale,
      this.#veil,
    );
    requestAnimationFrame((now) => this.#step(now));
  }

  frame(frame: Frame): void {
    this.#trace.push(frame);
  }

  // No data and lead off are said; the pen goes on and wipes what is old.
  show({ stale, ageS, leadOff }: Vitals): void {
    setText(this.#veil, stale ? (ageS === null ? t.noDataYet : t.noData(ageS)) : leadOff ? t.leadOff : "");
  }

  leave(): void {
    this.#runs = false;
  }

  #step(now: number): void {
    if (!this.#runs) return;
    requestAnimationFrame((next) => this.#step(next));
    const passed = now - this.#last;
    this.#last = now;
    const width = this.node.clientWidth;
    if (width !== this.#width) {
      this.#width = width;
      fit(this.#canvas, width, HEIGHT_PX);
      this.#wipe();
    }
    if (passed > 1000) {
      this.#trace.toLive();
      this.#wipe();
    } else if (passed > 0 && width) this.#draw(passed / 1000);
  }

  #wipe(): void {
    pen(this.#canvas).clearRect(0, 0, this.#width, HEIGHT_PX);
    this.#pen = this.#x = 0;
    this.#y = null;
  }

  #draw(seconds: number): void {
    const [c, width] = [pen(this.#canvas), this.#width];
    const step = seconds * MM_PER_S * PX_PER_MM;
    const start = this.#pen;
    const from = Math.floor((start + ERASE_PX - 1) % width);
    c.clearRect(from, 0, Math.ceil(step + 3), HEIGHT_PX);
    if (from + step + 3 > width) c.clearRect(0, 0, from + step + 3 - width, HEIGHT_PX);
    const room = (HEIGHT_PX * 0.6) / PX_PER_MM;
    const gain = GAINS.find((mm) => this.#trace.peak * mm <= room) ?? GAINS[3];
    setText(this.#scale, `${w.speedOf(MM_PER_S)} \u00b7 ${w.gainOf(gain)}`);
    c.strokeStyle = colour("--trace");
    c.lineWidth = 1.4;
    c.lineJoin = "round";
    c.beginPath();
    let y = this.#y;
    if (y !== null) c.moveTo(this.#x, y);
    const fed = this.#trace.advance(seconds, (share, mv) => {
      if (Number.isNaN(mv)) {
        y = null;
        return;
      }
      const x = (start + share * step) % width;
      if (x < this.#x) y = null; // round the corner: no line across the whole strip
      const to = Math.min(HEIGHT_PX - 1, Math.max(1, HEIGHT_PX * 0.62 - mv * gain * PX_PER_MM));
      if (y === null) c.moveTo(x, to);
      else c.lineTo(x, to);
      y = to;
      this.#x = x;
    });
    c.stroke();
    this.#y = fed ? y : null;
    this.#pen = (start + step) % width;
  }
}
