// Bars over time, drawn as SVG: the audible part solid, the rest above it lighter and outlined.
import { type Bar, every, ticks } from "./figures.ts";

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [1000, 170, 34, 20, 8];
const NAME_PX = 58; // between the names under the bars

type Attributes = Record<string, string | number>;

function draw(tag: string, attributes: Attributes, ...children: (Node | string)[]): SVGElement {
  const node = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

export interface Drawn {
  label: string; // the whole chart in a sentence
  name(bar: Bar): string; // under it
  title(bar: Bar): string; // when pointed at
}

export function barChart(bars: readonly Bar[], { label, name, title }: Drawn): SVGElement {
  const marks = ticks(Math.max(0, ...bars.map((bar) => bar.count)));
  const top = marks.at(-1) ?? 1;
  const [wide, high] = [WIDTH - LEFT, HEIGHT - BOTTOM - TOP];
  const y = (value: number) => TOP + high * (1 - value / top);
  const step = wide / Math.max(1, bars.length);
  const named = every(bars.length, wide, NAME_PX);
  const grid = marks.flatMap((mark) => [
    draw("line", { class: "office-grid", x1: LEFT, x2: WIDTH, y1: y(mark), y2: y(mark) }),
    draw("text", { class: "office-tick", x: LEFT - 5, y: y(mark) + 4, "text-anchor": "end" }, String(mark)),
  ]);
  const drawn = bars.flatMap((bar, i) => {
    const x = LEFT + i * step;
    const box = { x: x + step * 0.1, width: Math.max(0.5, step * 0.8) };
    const rest = { ...box, y: y(bar.count), height: y(bar.audible) - y(bar.count) };
    const heard = { ...box, y: y(bar.audible), height: y(0) - y(bar.audible) };
    const group = draw(
      "g",
      {},
      draw("title", {}, title(bar)),
      draw("rect", { class: "office-rest", ...rest }),
      draw("rect", { class: "office-audible", ...heard }),
    );
    const text = { class: "office-tick", x: x + step / 2, y: HEIGHT - 5, "text-anchor": "middle" };
    return i % named === 0 ? [group, draw("text", text, name(bar))] : [group];
  });
  const box = { class: "office-chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label };
  return draw("svg", box, ...grid, ...drawn);
}
