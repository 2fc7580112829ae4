// The student's readings that cover a strip, and where it looked for what it found in the one that is chosen.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { reasonOf, statusOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { choice, el, setText } from "../kernel/dom.ts";
import type { Ward } from "../kernel/ward.ts";
import type { History, RegionMap } from "./history.ts";
import type { Regions } from "./picture.ts";
import { beginsIn, type Grid, gridOf, type Reading, readingsOf } from "./windows.ts";

const NEWEST = 12;
const AGAIN_MS = 2000; // a student that is loaded or asked by another
const TRIES = 4;

export class Readings {
  readonly node: HTMLElement;
  regions: Regions | null = null;
  readonly #ward: Ward;
  readonly #history: History;
  readonly #drawn: () => void;
  readonly #list = el("div", { class: "patient-readings", role: "group", "aria-label": w.readings });
  readonly #codes = el("div", { class: "patient-codes" });
  readonly #says = el("p", { class: "patient-about", role: "status" });
  #grid: Grid | null = null;
  #shown: readonly Reading[] = [];
  #asked = 0; // counts questions: only the last one's answer is shown
  #chosen: number | null = null;

  constructor(ward: Ward, history: History, drawn: () => void) {
    this.#ward = ward;
    this.#history = history;
    this.#drawn = drawn;
    this.node = el("div", {}, el("h3", { text: w.readings }), this.#list, this.#codes, this.#says);
  }

  // Those that overlap [t0, t1).
  async over(t0: number, t1: number): Promise<void> {
    const asked = ++this.#asked;
    this.#choose(null);
    this.#shown = [];
    this.#list.replaceChildren();
    try {
      this.#grid ??= gridOf(await this.#history.newest(NEWEST));
      const found = this.#grid ? await this.#found(this.#grid, t0, t1) : [];
      if (asked !== this.#asked) return;
      this.#shown = found;
      this.#list.replaceChildren(...found.map((reading) => this.#button(reading)));
      setText(this.#says, found.length ? "" : w.noReadings);
    } catch (error) {
      if (asked === this.#asked) setText(this.#says, t.failed(reasonOf(error)));
    }
  }

  async #found(grid: Grid, t0: number, t1: number): Promise<Reading[]> {
    const [from, to] = beginsIn(grid, t0, t1);
    return readingsOf(await this.#history.trends(from, to, grid.hopUs / 1e6));
  }

  // The names of conditions are known now.
  renamed(): void {
    for (const [i, reading] of this.#shown.entries()) {
      const button = this.#list.children[i];
      if (button) setText(button, this.#text(reading));
    }
  }

  #text(reading: Reading): string {
    const names = reading.codes.map((code) => this.#ward.name(code));
    const says = reading.answered ? names.join(", ") || w.nothing : w.undecided;
    return w.reading(clock(reading.t0), reading.usable ? says : `${says}, ${w.poor}`);
  }

  #button(reading: Reading): HTMLElement {
    return el("button", {
      type: "button",
      text: this.#text(reading),
      "aria-pressed": "false",
      data: { t0: String(reading.t0) },
      onclick: () => void this.#press(reading.t0),
    });
  }

  async #press(t0: number): Promise<void> {
    const asked = ++this.#asked;
    if (this.#chosen === t0) {
      this.#choose(null);
      return;
    }
    this.#choose(t0);
    setText(this.#says, w.regionsAsked);
    try {
      const found = await this.#ask(t0, () => asked === this.#asked);
      if (asked === this.#asked && found) this.#told(found);
    } catch (error) {
      if (asked === this.#asked)
        setText(this.#says, statusOf(error) === 404 ? w.regionsGone : t.failed(reasonOf(error)));
    }
  }

  // The first question of all loads the student, which may take longer than the API is waited for.
  async #ask(t0: number, wanted: () => boolean): Promise<RegionMap | null> {
    for (let left = TRIES; wanted(); left--) {
      try {
        return await this.#history.regions(t0);
      } catch (error) {
        const status = statusOf(error);
        if (left <= 1 || (status !== 503 && status !== 0)) throw error;
        await new Promise((done) => setTimeout(done, AGAIN_MS));
      }
    }
    return null;
  }

  #choose(t0: number | null): void {
    this.#chosen = t0;
    this.#codes.replaceChildren();
    setText(this.#says, "");
    for (const button of this.#list.querySelectorAll("button"))
      button.setAttribute("aria-pressed", String(button.dataset.t0 === String(t0)));
    if (this.regions === null) return;
    this.regions = null;
    this.#drawn();
  }

  #told(found: RegionMap): void {
    const codes = Object.keys(found.maps);
    const first = found.code ?? codes[0];
    if (first === undefined) {
      setText(this.#says, w.regionsUndecided);
      return;
    }
    if (codes.length > 1)
      this.#codes.replaceChildren(
        choice(
          w.codeShown,
          codes.map((code) => [code, this.#ward.name(code)] as const),
          first,
          (code) => this.#lay(found, code),
        ),
      );
    this.#lay(found, first);
  }

  #lay(found: RegionMap, code: string): void {
    const map = found.maps[code] ?? [];
    this.regions = { t0: found.t0_us, map };
    const name = this.#ward.name(code);
    setText(this.#says, map.some((share) => share > 0) ? w.regionsOf(name) : w.regionsFlat(name));
    this.#drawn();
  }
}
