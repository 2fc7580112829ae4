// The rows of a strip as SVG in millimetres, for the screen and for paper alike.
import { w } from "../i18n/patient.ts";
import { labelOf, mark } from "../kernel/alarm.ts";
import { clock } from "../kernel/clock.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Mark } from "./measure.ts";
import { BASE_MM, ROW_MM, type Rows } from "./rows.ts";
import type { Line, Missing } from "./signal.ts";
import { svg } from "./svg.ts";

const TICK_MM = 1.5;
const TIME_S = 5; // a time of day so often
const BIN_US = 0.2e6; // of a region map
const FAINT = 0.04; // less is not drawn

export interface Regions {
  t0: number; // microseconds
  map: readonly number[];
}

export interface Picture {
  rows: Rows;
  lines: readonly Line[];
  missing: readonly Missing[];
  alarms: readonly Alarm[]; // whose onset may lie on it
  regions: Regions | null;
  marks: readonly Mark[]; // of calipers, for paper
}

const grids = new Map<string, string>();

// Lines every so many millimetres.
function grid(width: number, every: number): string {
  const key = `${width} ${every}`;
  let d = grids.get(key);
  if (d === undefined) {
    d = "";
    for (let x = 0; x <= width; x += every) d += `M${x} 0V${ROW_MM}`;
    for (let y = 0; y <= ROW_MM; y += every) d += `M0 ${y}H${width}`;
    grids.set(key, d);
  }
  return d;
}

// One element a row.
export function draw(picture: Picture): SVGSVGElement[] {
  const { rows } = picture;
  const found = Array.from({ length: rows.count }, () => paper(rows));
  const put = (row: number, ...nodes: SVGElement[]) => found[row]?.append(...nodes);
  for (const gap of picture.missing)
    for (const band of rows.bands(gap.from, gap.to)) put(band.row, ...missing(gap, band.x, band.width));
  const { regions } = picture;
  regions?.map.forEach((share, i) => {
    const from = regions.t0 + i * BIN_US;
    if (share < FAINT) return;
    for (const { row, x, width } of rows.bands(from, from + BIN_US))
      put(
        row,
        svg("rect", {
          class: "patient-region",
          x: x.toFixed(2),
          y: 0,
          width: width.toFixed(2),
          height: ROW_MM,
          opacity: (0.5 * share).toFixed(3),
        }),
      );
  });
  rows.paths(picture.lines).forEach((d, row) => {
    if (d) put(row, svg("path", { class: "patient-trace", d }));
  });
  for (const alarm of picture.alarms) onset(alarm, rows, put);
  picture.marks.forEach(({ us, mv }, i) => {
    const { row, x } = rows.place(us);
    const name = svg("text", { class: "patient-mark-name", x: x + 0.8, y: 37 }, "AB"[i] ?? "");
    put(row, svg("path", { class: "patient-mark", d: `M${x.toFixed(2)} 0V${ROW_MM}` }), name);
    if (mv !== null) put(row, svg("circle", { class: "patient-mark", cx: x, cy: rows.y(mv), r: 0.8 }));
  });
  for (let row = 0; row < rows.count; row++)
    for (let s = 0; s < rows.rowS; s += TIME_S) {
      const us = rows.beginOf(row) + s * 1e6;
      put(row, svg("text", { class: "patient-time", x: rows.place(us).x + 0.8, y: ROW_MM - 1 }, clock(us)));
    }
  return found;
}

// Grid, calibration pulse and seconds.
function paper(rows: Rows): SVGSVGElement {
  const { widthMm: width, scale } = rows;
  const pulse = 0.2 * scale.mmPerS;
  const lead = Math.min(3, (15 - pulse) / 2);
  const x = (s: number) => 15 + s * scale.mmPerS;
  const seconds = Array.from({ length: rows.rowS + 1 }, (_, s) => s);
  return svg(
    "svg",
    {
      class: "patient-row",
      viewBox: `0 0 ${width} ${ROW_MM}`,
      width: `${width}mm`,
      height: `${ROW_MM}mm`,
      "aria-hidden": "true",
      focusable: "false",
    },
    svg("rect", { class: "patient-paper", width, height: ROW_MM }),
    svg("path", { class: "patient-fine", d: grid(width, 1) }),
    svg("path", { class: "patient-strong", d: grid(width, 5) }),
    svg("path", {
      class: "patient-pulse",
      d: `M${(0.5).toFixed(1)} ${BASE_MM}H${lead}V${BASE_MM - scale.mmPerMv}H${lead + pulse}V${BASE_MM}H${Math.min(14.5, 2 * lead + pulse)}`,
    }),
    ...seconds.map((s) =>
      svg("path", { class: "patient-second", d: `M${x(s)} ${ROW_MM - TICK_MM}V${ROW_MM}`, "data-s": s }),
    ),
  );
}

function missing(gap: Missing, x: number, width: number): SVGElement[] {
  const box = svg("rect", { class: "patient-missing", x: x.toFixed(2), y: 0, width: width.toFixed(2), height: ROW_MM });
  let stripes = "";
  for (let at = 0; at < width; at += 3) {
    const over = Math.min(ROW_MM, (width - at) * 4);
    stripes += `M${(x + at).toFixed(2)} ${ROW_MM}l${(over / 4).toFixed(2)} ${-over.toFixed(2)}`;
  }
  const lines = svg("path", { class: "patient-hatch", d: stripes });
  const text = svg("text", { class: "patient-missing-name", x: x + 1, y: 8 }, gap.leadOff ? w.leadOff : w.gap);
  return width > 22 ? [box, lines, text] : [box, lines];
}

function onset(alarm: Alarm, rows: Rows, put: (row: number, ...nodes: SVGElement[]) => void): void {
  if (alarm.onset_us < rows.t0 || alarm.onset_us >= rows.t1) return;
  const { row, x } = rows.place(alarm.onset_us);
  const told = [`${mark(alarm)} ${labelOf(alarm)}`.trim(), clock(alarm.onset_us)];
  if (alarm.retrospective) told.push(w.retrospective);
  else if (alarm.late) told.push(w.late);
  const near = x > rows.widthMm * 0.66; // the words go to the side with room
  const text = svg(
    "text",
    { class: "patient-onset-name", x: x + (near ? -1 : 1), y: 4, "text-anchor": near ? "end" : "start" },
    told.join(" \u00b7 "),
  );
  put(row, svg("path", { class: "patient-onset", d: `M${x.toFixed(2)} 0V${ROW_MM}` }), text);
}
