// The wall: pages of tiles in order, each as large as fits, all drawn from one animation frame.
import { t } from "../i18n/index.ts";
import { waiting } from "../kernel/alarm.ts";
import { arrange, colour, el, setAttr } from "../kernel/dom.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Ward } from "../kernel/ward.ts";
import type { Frame } from "../kernel/wire.ts";
import { isDue, nextStep } from "./pace.ts";
import { Pager } from "./pager.ts";
import { elsewhere, pageAt, pagesOf, TILES } from "./places.ts";
import { Tile } from "./tile.ts";
import { Trace } from "./trace.ts";

const MIN_WIDTH = 236;
const MIN_HEIGHT = 104;
const MAX_HEIGHT = 250;
const GAP = 6;
const CALM_TILES = 12; // with more, some thirty steps a second are smooth enough and half the work
const TEXT_MS = 250; // within this the texts of all tiles are written anew, a few in each frame
const HELD_MAX_MS = 3000;

export class Wall {
  readonly ward: Ward;
  readonly tiles = new Map<string, Tile>(); // of the page that is shown
  readonly traces = new Map<string, Trace>(); // of everybody: who comes into sight has a past
  readonly node: HTMLElement;
  worst = true;
  heldAt = Number.NEGATIVE_INFINITY; // when a pointer went down, milliseconds on the performance clock
  page = 0; // from 0
  readonly #onopen: (patient: string) => void;
  readonly #empty = el("p", { class: "empty", text: t.noPatients });
  readonly #grid = el("div", { class: "grid" });
  readonly #pager: Pager;
  readonly #seen: IntersectionObserver;
  #mmPerS = 25;
  #ink = colour("--trace");
  steps = 0; // how often the strips were drawn, for measurements
  #last = performance.now();
  #due = 0; // when the next step is, on the clock of the animation frames
  #told = 0; // how many texts are due, and a fraction
  #next = 0; // the tile whose turn it is
  #laid = "";
  #drawn = -1; // the revision of the ward that the alarms were last written for

  constructor(ward: Ward, onopen: (patient: string) => void) {
    this.ward = ward;
    this.#onopen = onopen;
    this.#pager = new Pager(
      (page) => this.turn(page),
      () => this.toWorst(),
    );
    this.node = el(
      "main",
      { class: "wall", "aria-label": t.wall, tabindex: "-1" },
      this.#empty,
      this.#grid,
      this.#pager.node,
    );
    this.#seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const sweep = this.tiles.get((entry.target as HTMLElement).dataset.patient ?? "")?.sweep;
        if (!sweep) continue;
        if (entry.isIntersecting && !sweep.visible) sweep.repaint(this.#mmPerS, this.#ink);
        sweep.visible = entry.isIntersecting;
      }
    });
    new ResizeObserver(() => this.#layout()).observe(this.node);
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
      this.#ink = colour("--trace");
      this.repaint();
    });
    requestAnimationFrame((now) => this.#frame(now));
  }

  get pages(): number {
    return pagesOf(this.ward.states.size);
  }

  set mmPerS(speed: number) {
    this.#mmPerS = speed;
    this.repaint();
  }

  frame(frame: Frame): void {
    let trace = this.traces.get(frame.patient);
    if (!trace) {
      trace = new Trace();
      this.traces.set(frame.patient, trace);
    }
    trace.push(frame);
  }

  setOrder(worst: boolean): void {
    this.worst = worst;
    this.sort();
  }

  turn(page: number): void {
    this.page = Math.min(Math.max(0, page), this.pages - 1);
    this.heldAt = Number.NEGATIVE_INFINITY; // the press that turned the page is over
    this.sort();
    this.node.scrollTop = 0;
  }

  // To the worst alarm that waits: on another page if there is one, else on this.
  toWorst(): void {
    const order = this.ward.order(this.worst);
    const [away] = elsewhere(order, this.page, this.ward.worstFirst());
    const alarm: Alarm | undefined = away?.alarm ?? this.ward.worstFirst().find(waiting);
    if (!alarm) return;
    if (away) this.turn(away.page);
    this.tiles.get(alarm.patient)?.node.querySelector<HTMLElement>(".name")?.focus();
  }

  // A press that never ends, for it was let go elsewhere, must not stop the wall.
  get held(): boolean {
    return performance.now() - this.heldAt < HELD_MAX_MS;
  }

  // Adds, removes and puts in order. Not while a button is held: what is clicked must not move away.
  sort(): void {
    if (this.held) return;
    const order = this.ward.order(this.worst);
    const pages = pagesOf(order.length);
    this.page = Math.min(this.page, pages - 1);
    const shown = pageAt(order, this.page);
    for (const patient of this.traces.keys()) if (!this.ward.states.has(patient)) this.traces.delete(patient);
    this.#keep(new Set(shown));
    const tiles = shown.map((patient) => this.tiles.get(patient) ?? this.#add(patient));
    arrange(
      this.#grid,
      tiles.map((tile) => tile.node),
    );
    this.#empty.hidden = order.length > 0;
    this.#pager.show(this.page, pages, elsewhere(order, this.page, this.ward.worstFirst()), this.ward);
    if (this.#laid !== `${shown.length} ${pages}`) this.#layout();
    if (this.#drawn === this.ward.revision) return;
    this.#drawn = this.ward.revision;
    for (const tile of this.tiles.values()) if (tile.isAlarmed || this.ward.isAlarmed(tile.patient)) this.#tell(tile);
  }

  // What was missed has come, or the screen was not drawn for a while: every strip from what is known.
  repaint(): void {
    for (const trace of this.traces.values()) trace.toLive();
    for (const tile of this.tiles.values()) tile.sweep.repaint(this.#mmPerS, this.#ink);
  }

  #keep(wanted: ReadonlySet<string>): void {
    for (const [patient, tile] of this.tiles) {
      if (wanted.has(patient)) continue;
      this.#seen.unobserve(tile.node);
      tile.node.remove();
      this.tiles.delete(patient);
    }
  }

  #add(patient: string): Tile {
    const trace = this.traces.get(patient) ?? new Trace();
    this.traces.set(patient, trace);
    trace.toLive();
    const tile = new Tile(patient, trace, this.#onopen);
    this.tiles.set(patient, tile);
    this.#seen.observe(tile.node);
    this.#tell(tile);
    this.#laid = "";
    return tile;
  }

  #tell(tile: Tile): void {
    const state = this.ward.states.get(tile.patient);
    if (state) tile.show(state, this.ward.vitals(state), this.ward.alarmsOf(tile.patient), this.ward);
  }

  // As few columns as let every tile be seen at once: long strips. When none does, as many as fit, and scroll.
  #layout(): void {
    const n = this.tiles.size;
    if (this.node.hidden) return; // nothing to measure; showing it again tells the observer
    const { pages } = this;
    this.#laid = `${n} ${pages}`;
    if (!n) return;
    const width = this.node.clientWidth - 2 * GAP;
    const foot = pages > 1 ? this.#pager.node.offsetHeight + GAP : 0;
    const height = this.node.clientHeight - 2 * GAP - foot;
    const places = pages > 1 ? TILES : n; // the last page looks like the others
    const most = Math.max(1, Math.floor((width + GAP) / (MIN_WIDTH + GAP)));
    let columns = most;
    for (let c = 1; c <= most; c++) {
      if ((height + GAP) / Math.ceil(places / c) - GAP >= MIN_HEIGHT) {
        columns = c;
        break;
      }
    }
    const rows = Math.ceil(places / columns);
    const each = Math.floor((height + GAP) / rows - GAP);
    this.#grid.style.setProperty("--columns", String(columns));
    this.#grid.style.setProperty("--row", `${Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, each))}px`);
    setAttr(this.#grid, "data-roomy", each >= 170 ? "very" : each >= 124 ? "" : null);
    for (const tile of this.tiles.values()) tile.resize(this.#mmPerS, this.#ink);
  }

  #frame(now: number): void {
    requestAnimationFrame((next) => this.#frame(next));
    if (this.tiles.size > CALM_TILES && !isDue(this.#due, now)) return;
    this.#due = nextStep(this.#due, now);
    this.steps++;
    const passed = now - this.#last;
    this.#last = now;
    if (passed > 1000) this.repaint();
    else if (passed > 0) {
      for (const tile of this.tiles.values()) tile.sweep.draw(passed / 1000, this.#mmPerS, this.#ink);
    }
    this.#tellSome(passed);
  }

  // A few tiles a frame, so that no frame has to wait for the texts of all.
  #tellSome(passed: number): void {
    if (this.node.hidden) return;
    const tiles = [...this.tiles.values()];
    this.#told = Math.min(tiles.length, this.#told + (tiles.length * passed) / TEXT_MS);
    for (; this.#told >= 1; this.#told--) {
      const tile = tiles[this.#next++ % tiles.length];
      if (tile) this.#tell(tile);
    }
  }
}
