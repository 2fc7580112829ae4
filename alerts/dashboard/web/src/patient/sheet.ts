// The strip on paper: what is printed instead of the screen, A4 across, in millimetres.
import { w } from "../i18n/patient.ts";
import { el } from "../kernel/dom.ts";
import { draw, type Picture } from "./picture.ts";
import { Rows, secondsFor } from "./rows.ts";

const PAPER_MM = 265; // of the 277 between the margins

export interface Printed {
  title: string;
  facts: readonly string[];
  picture: Picture;
}

export class Sheet {
  readonly node = el("section", { class: "patient-sheet" });
  readonly #now: () => Printed;
  readonly #print = matchMedia("print");
  readonly #drawn = () => this.#draw();

  // `now` is asked whenever something is printed.
  constructor(now: () => Printed) {
    this.#now = now;
    window.addEventListener("beforeprint", this.#drawn);
    this.#print.addEventListener("change", this.#drawn);
  }

  leave(): void {
    window.removeEventListener("beforeprint", this.#drawn);
    this.#print.removeEventListener("change", this.#drawn);
    this.node.remove();
  }

  #draw(): void {
    const { title, facts, picture } = this.#now();
    const { t0, t1, scale } = picture.rows;
    const rows = new Rows(t0, t1, secondsFor(PAPER_MM, scale.mmPerS), scale);
    this.node.replaceChildren(
      el("h1", { text: title }),
      ...facts.map((text) => el("p", { text })),
      el("div", { class: "patient-sheet-rows" }, ...draw({ ...picture, rows })),
      el("p", { class: "patient-sheet-foot", text: w.notDevice }),
    );
  }
}
