// The wall: tiles in order, as large as fits, all drawn from one animation frame.
import { t } from "../i18n/index.ts";
import { arrange, el, setAttr } from "../kernel/dom.ts";
import type { Ward } from "../kernel/ward.ts";
import type { Frame } from "../kernel/wire.ts";
import { ink, Tile } from "./tile.ts";

const MIN_WIDTH = 236;
const MIN_HEIGHT = 104;
const MAX_HEIGHT = 250;
const GAP = 6;
const CALM_TILES = 12; // with more, some thirty steps a second are smooth enough and half the work
const CALM_MS = 22;
const TEXT_MS = 250;
const HELD_MAX_MS = 3000;

export class Wall {
  readonly ward: Ward;
  readonly tiles = new Map<string, Tile>();
  readonly node: HTMLElement;
  worst = true;
  mmPerS = 25;
  heldAt = Number.NEGATIVE_INFINITY; // when a pointer went down, milliseconds on the performance clock
  readonly #onopen: (patient: string) => void;
  readonly #empty = el("p", { class: "empty", text: t.noPatients });
  readonly #grid = el("div", { class: "grid" });
  readonly #seen: IntersectionObserver;
  #ink = ink();
  #last = performance.now();
  #textAt = 0;
  #laid = 0;

  constructor(ward: Ward, onopen: (patient: string) => void) {
    this.ward = ward;
    this.#onopen = onopen;
    this.node = el("main", { class: "wall", "aria-label": t.wall, tabindex: "-1" }, this.#empty, this.#grid);
    this.#seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const tile = this.tiles.get((entry.target as HTMLElement).dataset.patient ?? "");
        if (!tile) continue;
        if (entry.isIntersecting && !tile.visible) tile.clear();
        tile.visible = entry.isIntersecting;
      }
    });
    new ResizeObserver(() => this.#layout()).observe(this.node);
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", () => {
      this.#ink = ink();
    });
    requestAnimationFrame((now) => this.#frame(now));
  }

  frame(frame: Frame): void {
    this.tiles.get(frame.patient)?.trace.push(frame);
  }

  setOrder(worst: boolean): void {
    this.worst = worst;
    this.sort();
  }

  // A press that never ends, for it was let go elsewhere, must not stop the wall.
  get held(): boolean {
    return performance.now() - this.heldAt < HELD_MAX_MS;
  }

  // Adds, removes and puts in order. Not while a button is held: what is clicked must not move away.
  sort(): void {
    if (this.held) return;
    const order = this.ward.order(this.worst);
    const wanted = new Set(order);
    for (const [patient, tile] of this.tiles) {
      if (wanted.has(patient)) continue;
      this.#seen.unobserve(tile.node);
      tile.node.remove();
      this.tiles.delete(patient);
    }
    const count = this.tiles.size;
    const tiles = order.map((patient) => this.tiles.get(patient) ?? this.#add(patient));
    arrange(
      this.#grid,
      tiles.map((tile) => tile.node),
    );
    this.#empty.hidden = order.length > 0;
    if (this.tiles.size !== count || this.#grid.children.length !== this.#laid) this.#layout();
    this.text();
  }

  text(): void {
    for (const [patient, tile] of this.tiles) {
      const state = this.ward.states.get(patient);
      if (state) tile.show(state, this.ward.vitals(state), this.ward.alarmsOf(patient), this.ward);
    }
  }

  #add(patient: string): Tile {
    const tile = new Tile(patient, this.#onopen);
    this.tiles.set(patient, tile);
    this.#seen.observe(tile.node);
    return tile;
  }

  // As few columns as let every tile be seen at once: long strips. When none does, as many as fit, and scroll.
  #layout(): void {
    const n = this.tiles.size;
    if (this.node.hidden) return; // nothing to measure; showing it again tells the observer
    this.#laid = n;
    if (!n) return;
    const width = this.node.clientWidth - 2 * GAP;
    const height = this.node.clientHeight - 2 * GAP;
    const most = Math.max(1, Math.floor((width + GAP) / (MIN_WIDTH + GAP)));
    let columns = most;
    for (let c = 1; c <= most; c++) {
      if ((height + GAP) / Math.ceil(n / c) - GAP >= MIN_HEIGHT) {
        columns = c;
        break;
      }
    }
    const rows = Math.ceil(n / columns);
    const each = Math.floor((height + GAP) / rows - GAP);
    this.#grid.style.setProperty("--columns", String(columns));
    this.#grid.style.setProperty("--row", `${Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, each))}px`);
    setAttr(this.#grid, "data-roomy", each >= 170 ? "very" : each >= 124 ? "" : null);
    for (const tile of this.tiles.values()) tile.resize();
  }

  #frame(now: number): void {
    const again = () => requestAnimationFrame((next) => this.#frame(next));
    if (this.tiles.size > CALM_TILES) setTimeout(again, CALM_MS);
    else again();
    const passed = now - this.#last;
    this.#last = now;
    if (passed > 1000) {
      for (const tile of this.tiles.values()) {
        tile.trace.toLive();
        tile.clear();
      }
    } else if (passed > 0) {
      for (const tile of this.tiles.values()) tile.draw(passed / 1000, this.mmPerS, this.#ink);
    }
    if (now - this.#textAt > TEXT_MS) {
      this.#textAt = now;
      this.text();
    }
  }
}
