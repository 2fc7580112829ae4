// The wall: tiles in order, as large as fits, all drawn from one animation frame.
import { arrange, el, setAttr } from "./dom.js";
import { t } from "./strings.js";
import { ink, Tile } from "./tile.js";

const MIN_WIDTH = 236;
const MIN_HEIGHT = 104;
const MAX_HEIGHT = 250;
const GAP = 6;
const CALM_TILES = 12; // with more, some thirty steps a second are smooth enough and half the work
const CALM_MS = 22;
const TEXT_MS = 250;
const HELD_MAX_MS = 3000;

export class Wall {
  constructor(ward, onopen) {
    this.ward = ward;
    this.onopen = onopen;
    this.tiles = new Map();
    this.worst = true;
    this.mmPerS = 25;
    this.heldAt = -Infinity;
    this.empty = el("p", { class: "empty", text: t.noPatients });
    this.grid = el("div", { class: "grid" });
    this.node = el("main", { class: "wall", "aria-label": t.wall, tabindex: "-1" }, this.empty, this.grid);
    this.seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const tile = this.tiles.get(entry.target.dataset.patient);
        if (!tile) continue;
        if (entry.isIntersecting && !tile.visible) tile.clear();
        tile.visible = entry.isIntersecting;
      }
    });
    new ResizeObserver(() => this.#layout()).observe(this.node);
    const recolour = () => (this.ink = ink());
    recolour();
    matchMedia("(prefers-color-scheme: light)").addEventListener("change", recolour);
    this.last = performance.now();
    this.textAt = 0;
    requestAnimationFrame((now) => this.#frame(now));
  }

  frame(frame) {
    this.tiles.get(frame.patient)?.trace.push(frame);
  }

  setOrder(worst) {
    this.worst = worst;
    this.sort();
  }

  // A press that never ends, for it was let go elsewhere, must not stop the wall.
  get held() {
    return performance.now() - this.heldAt < HELD_MAX_MS;
  }

  // Adds, removes and puts in order. Not while a button is held: what is clicked must not move away.
  sort() {
    if (this.held) return;
    const order = this.ward.order(this.worst);
    const wanted = new Set(order);
    for (const [patient, tile] of this.tiles) {
      if (wanted.has(patient)) continue;
      this.seen.unobserve(tile.node);
      tile.node.remove();
      this.tiles.delete(patient);
    }
    const count = this.tiles.size;
    for (const patient of order) {
      if (this.tiles.has(patient)) continue;
      const tile = new Tile(patient, this.onopen);
      this.tiles.set(patient, tile);
      this.seen.observe(tile.node);
    }
    arrange(this.grid, order.map((patient) => this.tiles.get(patient).node));
    this.empty.hidden = order.length > 0;
    if (this.tiles.size !== count || this.grid.children.length !== this.laid) this.#layout();
    this.text();
  }

  text() {
    for (const [patient, tile] of this.tiles) {
      const state = this.ward.states.get(patient);
      if (state) tile.show(state, this.ward.vitals(state), this.ward.alarmsOf(patient), this.ward);
    }
  }

  // As few columns as let every tile be seen at once: long strips. When none does, as many as fit, and scroll.
  #layout() {
    const n = this.tiles.size;
    this.laid = n;
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
    this.grid.style.setProperty("--columns", columns);
    this.grid.style.setProperty("--row", `${Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, each))}px`);
    setAttr(this.grid, "data-roomy", each >= 170 ? "very" : each >= 124 ? "" : null);
    for (const tile of this.tiles.values()) tile.resize();
  }

  #frame(now) {
    const again = () => requestAnimationFrame((next) => this.#frame(next));
    if (this.tiles.size > CALM_TILES) setTimeout(again, CALM_MS);
    else again();
    const passed = now - this.last;
    this.last = now;
    if (passed > 1000) {
      for (const tile of this.tiles.values()) {
        tile.trace.toLive();
        tile.clear();
      }
    } else if (passed > 0) {
      for (const tile of this.tiles.values()) tile.draw(passed / 1000, this.mmPerS, this.ink);
    }
    if (now - this.textAt > TEXT_MS) {
      this.textAt = now;
      this.text();
    }
  }
}
