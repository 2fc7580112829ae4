import assert from "node:assert/strict";
import { test } from "node:test";
import type { Segment } from "../src/kernel/types.ts";
import { measure } from "../src/patient/measure.ts";
import { PULSE_MM, ROW_MM, Rows, secondsFor } from "../src/patient/rows.ts";
import { linesOf, missingOf, nearest, smooth } from "../src/patient/signal.ts";

const T0 = 1_790_000_000_000_000;
const SCALE = { mmPerS: 25, mmPerMv: 10 };
const at = (s: number): number => T0 + s * 1e6;

function segment(from: number, to: number, values: Partial<Segment> = {}): Segment {
  const n = Math.round((to - from) * 250);
  return { t0_us: at(from), fs_hz: 250, lead: "I", lead_off: false, mv: new Array(n).fill(0.5), ...values };
}

test("a moment has one place on the paper, and the place has that moment", () => {
  const rows = new Rows(T0, at(30), 10, SCALE);
  assert.deepEqual([rows.count, rows.widthMm], [3, 265]);
  assert.deepEqual(rows.place(at(0)), { row: 0, x: PULSE_MM });
  assert.deepEqual(rows.place(at(10)), { row: 1, x: PULSE_MM });
  assert.deepEqual(rows.place(at(29)), { row: 2, x: PULSE_MM + 225 });
  assert.deepEqual(rows.place(at(30)), { row: 2, x: PULSE_MM + 250 });
  for (const s of [0, 3.25, 9.5, 10, 24.75]) {
    const { row, x } = rows.place(at(s));
    const found = rows.at(x, row * ROW_MM + rows.y(0.7));
    assert.ok(Math.abs(found.us - at(s)) < 1, String(s));
    assert.ok(Math.abs(found.mv - 0.7) < 1e-9);
  }
  assert.equal(rows.at(-5, 3).us, T0, "left of the paper is its beginning");
  assert.equal(rows.at(9999, 9999).us, at(30));
});

test("a row holds as many seconds as there is paper, and every strip has whole rows", () => {
  assert.deepEqual(
    [265, 264.9, 100, 90, 20].map((mm) => secondsFor(mm, 25)),
    [10, 6, 3, 3, 1],
  );
  assert.deepEqual(
    [12.5, 50].map((speed) => secondsFor(265, speed)),
    [15, 5],
  );
});

test("a band is cut where rows end and where the strip does", () => {
  const rows = new Rows(T0, at(30), 10, SCALE);
  const bands = rows.bands(at(8), at(21)).map(({ row, x, width }) => [row, x, width]);
  assert.deepEqual(bands, [
    [0, 215, 50],
    [1, 15, 250],
    [2, 15, 25],
  ]);
  assert.equal(rows.bands(at(-5), at(1))[0]?.width, 25);
  assert.deepEqual(rows.bands(at(30), at(40)), []);
});

test("a line begins anew in every row and after what is missing", () => {
  const rows = new Rows(T0, at(30), 10, SCALE);
  const paths = rows.paths(linesOf([segment(8, 12), segment(13, 14)], "none"));
  assert.deepEqual(
    paths.map((d) => d.split("M").length - 1),
    [1, 2, 0],
  );
  assert.ok(paths[0]?.startsWith("M215.00 25.00"), "0.5 mV throughout: nothing but a constant part");
});

test("nothing received and a lead that is off are told apart, and neither has a line", () => {
  const worn = [segment(0, 5), segment(8, 12), segment(12, 15, { lead_off: true }), segment(15, 30.5)];
  const missing = missingOf(worn, T0, at(30)).map((m) => [(m.from - T0) / 1e6, (m.to - T0) / 1e6, m.leadOff]);
  assert.deepEqual(missing, [
    [5, 8, false],
    [12, 15, true],
  ]);
  assert.equal(linesOf(worn, "baseline").length, 3);
  assert.deepEqual(
    missingOf([], T0, at(3)).map((m) => m.to - m.from),
    [3e6],
  );
  assert.deepEqual(missingOf([], T0, T0), [], "what may still come is not missing");
  const early = [segment(-5, 2), segment(31, 40)];
  assert.deepEqual(
    missingOf(early, T0, at(30)).map((m) => [(m.from - T0) / 1e6, (m.to - T0) / 1e6]),
    [[2, 30]],
  );
});

test("the nearest sample; none where none was received", () => {
  const mv = Array.from({ length: 250 }, (_, i) => i / 100);
  const lines = linesOf([segment(0, 1, { mv }), segment(2, 3)], "none");
  const found = nearest(lines, at(0.1013));
  assert.deepEqual([found?.us, nearest(lines, at(1.5)), nearest(lines, at(-1))], [at(0.1), null, null]);
});

test("the display filter shifts nothing", () => {
  const mv = Array.from({ length: 2501 }, (_, i) => Math.exp(-0.5 * ((i - 1250) / 5) ** 2) + 3);
  const out = smooth(mv, 250);
  assert.equal(out.indexOf(Math.max(...out)), 1250);
  assert.ok(Math.abs((out[1240] ?? 0) - (out[1260] ?? 1)) < 1e-3, "and leaves what is symmetric so");
});

test("what calipers measure", () => {
  const [a, b] = [
    { us: at(1), mv: 0.1 },
    { us: at(1.8), mv: 1.1 },
  ];
  assert.deepEqual(measure(a, b), { ms: 800, bpm: 75, mv: 1 });
  assert.deepEqual(measure(b, a), { ms: 800, bpm: 75, mv: -1 });
  assert.deepEqual(measure(a, { us: at(1), mv: null }), { ms: 0, bpm: null, mv: null });
});
