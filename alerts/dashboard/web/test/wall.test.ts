import assert from "node:assert/strict";
import { test } from "node:test";
import type { Vitals } from "../src/kernel/ward.ts";
import { elsewhere, pageAt, pagesOf, TILES } from "../src/wall/places.ts";
import { matches, next, type Row, sorted } from "../src/wall/rows.ts";
import { alarm } from "./values.ts";

const names = (n: number): string[] => Array.from({ length: n }, (_, i) => `p${i}`);

test("a page holds as many as one person watches", () => {
  assert.deepEqual([0, 1, 48, 49, 500].map(pagesOf), [1, 1, 1, 2, 11]);
  const order = names(100);
  assert.deepEqual(pageAt(order, 0), order.slice(0, TILES));
  assert.deepEqual(pageAt(order, 2), order.slice(2 * TILES));
  assert.deepEqual(pageAt(order, 9), order.slice(2 * TILES), "whoever left takes pages with them");
  assert.deepEqual(pageAt([], 3), []);
});

test("what waits on another page is told, what is acknowledged or in sight is not", () => {
  const order = names(120);
  const alarms = [
    alarm({ alarm_id: "seen", patient: "p3" }),
    alarm({ alarm_id: "far", patient: "p110" }),
    alarm({ alarm_id: "next", patient: "p50" }),
    alarm({ alarm_id: "known", patient: "p60", presence: "ack" }),
  ];
  const told = elsewhere(order, 0, alarms).map(({ alarm, page }) => [alarm.alarm_id, page]);
  assert.deepEqual(told, [
    ["far", 2],
    ["next", 1],
  ]);
  assert.deepEqual(
    elsewhere(order, 2, alarms).map(({ alarm }) => alarm.alarm_id),
    ["seen", "next"],
  );
});

const vitals = (values: Partial<Vitals>): Vitals => ({
  ageS: 1,
  stale: false,
  delayedS: 0,
  leadOff: false,
  heartRate: 70,
  sqi: 0.9,
  usable: true,
  battery: 50,
  codes: [],
  ...values,
});
const row = (patient: string, place: number, values: Partial<Row> = {}): Row => ({
  patient,
  bed: `Bed ${place}`,
  vitals: vitals({}),
  alarms: [],
  place,
  ...values,
});
const order = (rows: Row[], by: Parameters<typeof sorted>[1]): string[] => sorted(rows, by).map((r) => r.patient);

test("rows are sorted by any column, and what is unknown comes last both ways", () => {
  const rows = [
    row("a", 2, { bed: "Bed 10", vitals: vitals({ heartRate: 50 }) }),
    row("b", 1, { bed: "Bed 2", vitals: vitals({ heartRate: null }) }),
    row("c", 0, { bed: "", vitals: vitals({ heartRate: 90 }) }),
  ];
  assert.deepEqual(order(rows, { by: "alarm", descending: false }), ["c", "b", "a"]);
  assert.deepEqual(order(rows, { by: "bed", descending: false }), ["b", "a", "c"]);
  assert.deepEqual(order(rows, { by: "bed", descending: true }), ["a", "b", "c"]);
  assert.deepEqual(order(rows, { by: "rate", descending: true }), ["c", "a", "b"]);
  assert.deepEqual(order(rows, { by: "rate", descending: false }), ["a", "c", "b"]);
});

test("a row is found by its bed or pseudonym, and by what alarms", () => {
  const one = row("p-017", 0, { bed: "Bed 3", alarms: [alarm({ priority: "medium" })] });
  assert.ok(matches(one, "", "all"));
  assert.ok(matches(one, "bed 017", "medium"));
  assert.ok(!matches(one, "bed 4", "all"));
  assert.ok(!matches(one, "", "high"));
  assert.ok(!matches(one, "", "silent"));
  const fault = row("q", 1, {
    vitals: vitals({ stale: true }),
    alarms: [alarm({ kind: "technical", priority: "high" })],
  });
  assert.ok(matches(fault, "", "technical") && matches(fault, "", "silent"));
  assert.ok(!matches(fault, "", "high"), "technical alarms stand apart");
});

test("one press acknowledges the worst that waits", () => {
  const alarms = [alarm({ alarm_id: "one", presence: "ack" }), alarm({ alarm_id: "two", presence: "latched" })];
  assert.equal(next(row("a", 0, { alarms }))?.alarm_id, "two");
  assert.equal(next(row("a", 0)), null);
});
