// Elements without markup strings: text is always text, so no datum can become code.
import { longestRun } from "./order.ts";

type Handler = (event: never) => unknown;
export type Value = string | number | boolean | null | undefined | Handler | Record<string, string>;
export type Child = Node | string | null;

// Attributes by name; `text`, `data` (a record) and `on...` (a listener) are understood. Absent: undefined, null, false.
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Record<string, Value> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value as EventListener);
    else if (typeof value === "object") Object.assign(node.dataset, value);
    else if (name === "text") node.textContent = String(value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

// Writes only what changed: the browser then has nothing to lay out anew.
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text;
}

export function setAttr(node: Element, name: string, value: string | null): void {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

// Puts children into the given order, moving as few as can be and keeping the focus: a tile that is moved is laid out
// and drawn anew, and one that goes from the first place to the last must not take all others with it.
export function arrange(parent: Element, nodes: readonly Element[]): void {
  const focused = document.activeElement;
  const places = new Map([...parent.children].map((child, i) => [child, i]));
  const resting = longestRun(nodes.map((node) => places.get(node) ?? -1));
  let at = parent.firstElementChild;
  nodes.forEach((node, i) => {
    if (resting.has(i)) at = node.nextElementSibling;
    else parent.insertBefore(node, at);
  });
  const moved = resting.size < nodes.length;
  if (moved && focused instanceof HTMLElement && parent.contains(focused) && document.activeElement !== focused)
    focused.focus({ preventScroll: true });
}

// A group of buttons of which one is pressed.
export function choice<T extends string>(
  label: string,
  options: readonly (readonly [value: T, text: string])[],
  chosen: T,
  onchoose: (value: T) => void,
): HTMLDivElement {
  const buttons = options.map(([value, text]) =>
    el("button", {
      type: "button",
      text,
      "aria-pressed": String(value === chosen),
      onclick: () => {
        buttons.forEach((button, i) => {
          button.setAttribute("aria-pressed", String(options[i]?.[0] === value));
        });
        onchoose(value);
      },
    }),
  );
  return el("div", { class: "choice", role: "group", "aria-label": label }, ...buttons);
}

// The value of a custom property of the style sheet, as it holds now.
export const colour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// The canvas's 2D context.
export function pen(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("this browser draws no canvas");
  return context;
}

// Sizes a canvas for the screen's pixels; true when that cleared it.
export function fit(canvas: HTMLCanvasElement, width: number, height: number): boolean {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  pen(canvas).setTransform(ratio, 0, 0, ratio, 0, 0);
  return true;
}

export const PX_PER_MM = 96 / 25.4; // a CSS millimetre, as near as a browser can tell
