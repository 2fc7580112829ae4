// The live strip at the head of the page: the wall's own pen, on one strip.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { colour, el, setText } from "../kernel/dom.ts";
import type { Vitals } from "../kernel/ward.ts";
import type { Frame } from "../kernel/wire.ts";
import { Sweep } from "../wall/sweep.ts";
import { Trace } from "../wall/trace.ts";

const MM_PER_S = 25;
const HEIGHT_PX = 96;

export class LiveStrip {
  readonly node: HTMLElement;
  readonly sweep = new Sweep(new Trace());
  readonly #veil = el("span", { class: "veil" });
  readonly #scale = el("span", { class: "patient-live-scale" });
  readonly #light = matchMedia("(prefers-color-scheme: light)");
  #ink = colour("--trace");
  #last = performance.now();
  #runs = true;

  constructor() {
    this.node = el(
      "div",
      { class: "patient-live", role: "img", "aria-label": w.live },
      this.sweep.canvas,
      this.#scale,
      this.#veil,
    );
    this.#light.addEventListener("change", this.#tinted);
    requestAnimationFrame((now) => this.#step(now));
  }

  frame(frame: Frame): void {
    this.sweep.trace.push(frame);
  }

  // No data and lead off are said; the pen goes on and wipes what is old.
  show({ stale, ageS, leadOff }: Vitals): void {
    setText(this.#veil, stale ? (ageS === null ? t.noDataYet : t.noData(ageS)) : leadOff ? t.leadOff : "");
  }

  leave(): void {
    this.#runs = false;
    this.#light.removeEventListener("change", this.#tinted);
  }

  readonly #tinted = (): void => {
    this.#ink = colour("--trace");
    this.sweep.repaint(MM_PER_S, this.#ink);
  };

  #step(now: number): void {
    if (!this.#runs) return;
    requestAnimationFrame((next) => this.#step(next));
    const passed = now - this.#last;
    this.#last = now;
    this.sweep.resize(this.node.clientWidth, HEIGHT_PX, MM_PER_S, this.#ink);
    if (passed > 1000) {
      this.sweep.trace.toLive();
      this.sweep.repaint(MM_PER_S, this.#ink);
    } else if (passed > 0) this.sweep.draw(passed / 1000, MM_PER_S, this.#ink);
    setText(this.#scale, `${w.speedOf(MM_PER_S)} \u00b7 ${w.gainOf(this.sweep.gain)}`);
  }
}
