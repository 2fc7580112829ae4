// The buttons above a strip.
import { w } from "../i18n/patient.ts";
import { choice, el } from "../kernel/dom.ts";
import type { Scale } from "./rows.ts";
import type { Filter } from "./signal.ts";

const GAINS = ["5", "10", "20"] as const;
const SPEEDS = ["12.5", "25", "50"] as const;

export interface StripWishes {
  alarm(direction: 1 | -1): void;
  step(direction: 1 | -1): void;
  now(): void;
  scale(scale: Partial<Scale>): void;
  filter(filter: Filter): void;
}

export function stripTools(on: StripWishes, calipers: HTMLElement): HTMLElement {
  const button = (text: string, onclick: () => void, key: string | null = null): HTMLButtonElement =>
    el("button", { type: "button", text, onclick, "aria-keyshortcuts": key });
  const gains = GAINS.map((mm) => [mm, w.gainOf(Number(mm))] as const);
  const speeds = SPEEDS.map((mm) => [mm, w.speedOf(Number(mm))] as const);
  const filters = (["baseline", "none"] as const).map((filter) => [filter, w.filters[filter]] as const);
  return el(
    "div",
    { class: "patient-tools", role: "group", "aria-label": w.stripTools },
    button(w.before, () => on.alarm(-1), "P"),
    button(w.after, () => on.alarm(1), "N"),
    button(w.back, () => on.step(-1), "ArrowLeft"),
    button(w.on, () => on.step(1), "ArrowRight"),
    button(w.toNow, () => on.now()),
    choice(w.gain, gains, "10", (mm) => on.scale({ mmPerMv: Number(mm) })),
    choice(w.speed, speeds, "25", (mm) => on.scale({ mmPerS: Number(mm) })),
    choice<Filter>(w.filter, filters, "baseline", (filter) => on.filter(filter)),
    calipers,
    button(w.print, () => window.print()),
  );
}
