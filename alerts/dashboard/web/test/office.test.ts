import assert from "node:assert/strict";
import { test } from "node:test";
import { de } from "../src/i18n/office.de.ts";
import { en } from "../src/i18n/office.en.ts";
import type { BurdenHour, Figures } from "../src/kernel/types.ts";
import { detailOf } from "../src/office/deeds.ts";
import { binned, dayOf, every, fieldOf, moment, ticks, US_PER_H, unexplained, usOf } from "../src/office/figures.ts";
import { boundsOf, periodOf, queryOf, runsOn } from "../src/office/period.ts";
import { OF_ROLE, RIGHTS } from "../src/office/rights.ts";
import { NOW_US } from "./values.ts";

const figures = (values: Partial<Figures> = {}): Figures => ({
  count: 0,
  audible: 0,
  acknowledged: 0,
  median_ack_s: null,
  p90_ack_s: null,
  reasons: {},
  share_false: null,
  ...values,
});
const hours = (n: number, first = NOW_US): BurdenHour[] =>
  Array.from({ length: n }, (_, i) => ({ ...figures({ count: i + 1, audible: i }), t0_us: first + i * US_PER_H }));

test("what was acknowledged without a reason is the rest", () => {
  assert.equal(unexplained(figures({ acknowledged: 7, reasons: { "true-actioned": 2, "false-artefact": 4 } })), 1);
  assert.equal(unexplained(figures()), 0);
});

test("a few hours stay hours; many are added up by day and nothing is lost", () => {
  assert.deepEqual(binned(hours(72)).bars[71], { t0_us: NOW_US + 71 * US_PER_H, count: 72, audible: 71 });
  const { bars, days } = binned(hours(200));
  assert.equal(days, true);
  assert.equal(new Set(bars.map((bar) => dayOf(bar.t0_us))).size, bars.length);
  assert.equal(
    bars.reduce((sum, bar) => sum + bar.count, 0),
    (200 * 201) / 2,
  );
  assert.equal(
    bars.reduce((sum, bar) => sum + bar.audible, 0),
    (199 * 200) / 2,
  );
});

test("the scale holds the highest bar in whole, round steps", () => {
  assert.deepEqual(ticks(0), [0, 1]);
  assert.deepEqual(ticks(3), [0, 1, 2, 3]);
  assert.deepEqual(ticks(7), [0, 2, 4, 6, 8]);
  assert.deepEqual(ticks(90), [0, 50, 100]);
  for (let top = 0; top < 3000; top++) {
    const marks = ticks(top);
    assert.ok((marks.at(-1) ?? 0) >= top && marks.length <= 5, String(top));
    assert.ok(marks.every(Number.isInteger), String(top));
  }
});

test("names under the bars stand apart", () => {
  assert.equal(every(24, 1000, 58), 2);
  assert.equal(every(5, 1000, 58), 1);
  assert.equal(every(0, 1000, 58), 1);
});

test("a moment is a time today and a day before that; fields keep the minute", () => {
  assert.match(moment(NOW_US, NOW_US), /^\d\d:\d\d$/);
  assert.match(moment(NOW_US - 48 * US_PER_H, NOW_US), /^\d{4}-\d\d-\d\d \d\d:\d\d$/);
  const minute = Math.floor(NOW_US / 60e6) * 60e6;
  assert.equal(usOf(fieldOf(minute)), minute);
  assert.equal(usOf(""), null);
});

test("a period is kept in the address and read back; nonsense gives the usual one", () => {
  for (const period of [{ hours: 12 }, { since_us: 5, until_us: 9 }, { since_us: 5, until_us: null }]) {
    const query = new URLSearchParams(Object.entries(queryOf(period)).map(([name, value]) => [name, String(value)]));
    assert.deepEqual(periodOf(query, 24), period);
  }
  for (const text of ["", "hours=-3", "hours=x", "since=9&until=5", "until=5", "hours=0"])
    assert.deepEqual(periodOf(new URLSearchParams(text), 24), { hours: 24 }, text);
});

test("the last hours run on, what has an end does not", () => {
  assert.deepEqual(boundsOf({ hours: 8 }, NOW_US), { since_us: NOW_US - 8 * US_PER_H, until_us: null });
  assert.deepEqual(boundsOf({ since_us: 5, until_us: 9 }, NOW_US), { since_us: 5, until_us: 9 });
  assert.deepEqual([{ hours: 8 }, { since_us: 5, until_us: null }, { since_us: 5, until_us: 9 }].map(runsOn), [
    true,
    true,
    false,
  ]);
});

test("the details of a deed in a line, times as times, the flag elsewhere", () => {
  const detail = {
    flagged: true,
    until_us: 7,
    bed: "A-03",
    devices: ["d1", "d2"],
    limits: { tachy_bpm: 120 },
    none: [],
  };
  assert.equal(
    detailOf(
      detail,
      (us) => `at ${us}`,
      (name) => (name === "bed" ? "Bed" : name),
    ),
    "until: at 7 \u00b7 Bed: A-03 \u00b7 devices: d1, d2 \u00b7 limits: tachy_bpm 120 \u00b7 none: \u2013",
  );
});

test("German says all of it in words of its own", () => {
  const same = new Set(["none", "patient", "p90Short"]);
  for (const [name, text] of Object.entries(de))
    if (typeof text === "string" && !same.has(name)) assert.notEqual(text, en[name as keyof typeof en], name);
  for (const table of ["rights", "roles", "actions", "facts"] as const)
    assert.deepEqual(Object.keys(de[table]).sort(), Object.keys(en[table]).sort());
  assert.equal(de.lag(3.44), "3,4 s");
  assert.equal(en.lag(3.44), "3.4 s");
  assert.equal(en.lag(null), en.none);
});

test("every role may look, and every right has a word", () => {
  for (const rights of Object.values(OF_ROLE)) assert.ok(rights.includes("look"));
  assert.deepEqual(Object.keys(en.rights).sort(), [...RIGHTS].sort());
});
