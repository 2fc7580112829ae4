// A chart of one series over time, with the alarms as vertical lines. Loads uPlot.
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { colour, el } from "../kernel/dom.ts";
import { arrow } from "./arrow.ts";
import type { Series, Story } from "./history.ts";
import { day, minute } from "./when.ts";

const HEIGHT_PX = 170;

export interface Drawn {
  seconds: number[]; // since the epoch
  values: Series;
  low?: Series;
  high?: Series;
}

export interface Looks {
  stepped: boolean;
  range: [number, number] | null; // null: what the values need
}

export class Chart {
  readonly node = el("div", { class: "patient-chart", role: "img" });
  readonly #looks: Looks;
  readonly #chosen: (us: number) => void;
  readonly #watch = new ResizeObserver(() => this.#plot?.setSize({ width: this.#width, height: HEIGHT_PX }));
  readonly #light = matchMedia("(prefers-color-scheme: light)");
  readonly #again = () => this.#build();
  #plot: uPlot | null = null;
  #drawn: Drawn | null = null;
  #stories: readonly Story[] = [];

  constructor(looks: Looks, chosen: (us: number) => void) {
    this.#looks = looks;
    this.#chosen = chosen;
    this.#watch.observe(this.node);
    this.#light.addEventListener("change", this.#again);
  }

  show(drawn: Drawn, says: string): void {
    this.#drawn = drawn;
    this.node.setAttribute("aria-label", says);
    this.#build();
  }

  mark(stories: readonly Story[]): void {
    this.#stories = stories;
    this.#plot?.redraw();
  }

  leave(): void {
    this.#watch.disconnect();
    this.#light.removeEventListener("change", this.#again);
    this.#plot?.destroy();
  }

  get #width(): number {
    return Math.max(200, this.node.clientWidth);
  }

  #build(): void {
    const drawn = this.#drawn;
    if (!drawn) return;
    this.#plot?.destroy();
    const banded = drawn.low && drawn.high;
    const data = [drawn.seconds, drawn.values, ...(banded ? [drawn.low, drawn.high] : [])] as uPlot.AlignedData;
    this.#plot = new uPlot(this.#options(Boolean(banded)), data, this.node);
    this.#plot.over.addEventListener("click", () => {
      const at = this.#plot?.posToVal(this.#plot.cursor.left ?? 0, "x");
      if (at !== undefined) this.#chosen(Math.round(at * 1e6));
    });
  }

  #options(banded: boolean): uPlot.Options {
    const { stepped, range } = this.#looks;
    const trace = colour("--trace");
    const axis = { stroke: colour("--muted"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const paths = stepped ? uPlot.paths.stepped?.({ align: 1 }) : undefined;
    const main: uPlot.Series = { stroke: trace, width: 1.5, spanGaps: false, points: { size: 4 } };
    if (paths) Object.assign(main, { paths, fill: `${trace}40` });
    const edge: uPlot.Series = { stroke: "transparent", points: { show: false }, spanGaps: false };
    return {
      width: this.#width,
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false } },
      scales: { x: { time: true }, y: range ? { range: () => range } : { range: spread } },
      series: banded ? [{}, main, edge, { ...edge }] : [{}, main],
      ...(banded ? { bands: [{ series: [3, 2] as [number, number], fill: `${trace}33` }] } : {}),
      axes: [
        { ...axis, size: 28, values: (_, at) => at.map((s) => told(s, at)) },
        { ...axis, size: 44 },
      ],
      hooks: { draw: [(plot) => this.#alarms(plot)] },
    };
  }

  #alarms(plot: uPlot): void {
    const { left, top, width, height } = plot.bbox;
    const c = plot.ctx;
    const px = uPlot.pxRatio;
    c.save();
    c.strokeStyle = colour("--muted");
    c.lineWidth = px;
    for (const story of this.#stories) {
      const x = plot.valToPos(story.onset_us / 1e6, "x", true);
      if (x < left || x > left + width) continue;
      const late = story.late || story.retrospective;
      c.setLineDash(late ? [4 * px, 3 * px] : []);
      c.beginPath();
      c.moveTo(x, top);
      c.lineTo(x, top + height);
      c.stroke();
      c.setLineDash([]);
      arrow(c, story, x, top, px);
    }
    c.restore();
  }
}

// Never so close that noise looks like news.
function spread(_: uPlot, low: number | null, high: number | null): uPlot.Range.MinMax {
  if (low === null || high === null) return [40, 120];
  return [Math.max(0, Math.floor((low - 10) / 10) * 10), Math.ceil((high + 10) / 10) * 10];
}

// The time, and the day where one begins or when only days are told.
function told(seconds: number, all: readonly number[]): string {
  const apart = (all[1] ?? 0) - (all[0] ?? 0);
  const time = minute(seconds * 1e6);
  return apart >= 86400 || time === "00:00" ? day(seconds * 1e6).slice(5) : time;
}
