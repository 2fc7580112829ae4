import assert from "node:assert/strict";
import { test } from "node:test";
import { en } from "../src/i18n/patient.en.ts";
import type { Overview, Story, Trends } from "../src/patient/history.ts";
import {
  beginOf,
  chunksOf,
  columnsOf,
  fitOf,
  LEVELS,
  LINES,
  levelFor,
  spanUs,
  spotOf,
  timeOf,
} from "../src/patient/lines.ts";
import { lanesOf, meanOf, summary } from "../src/patient/shares.ts";
import { ackSeconds } from "../src/patient/story.ts";
import { beginsIn, gridOf, readingsOf } from "../src/patient/windows.ts";

const HOUR = 3600e6;
const NOON = Math.floor(1_790_000_000_000_000 / HOUR) * HOUR;
const [DAY, FOUR, MINUTES] = LEVELS as unknown as [
  (typeof LEVELS)[number],
  (typeof LEVELS)[number],
  (typeof LEVELS)[number],
];

test("24 lines end with the hour that goes on, or hold what is asked for in their midst", () => {
  assert.equal(beginOf(DAY, NOON + 1, NOON + 1, 0), NOON - 23 * HOUR);
  assert.equal(beginOf(DAY, NOON - 100 * HOUR, NOON, 0), NOON - 111 * HOUR);
  for (const level of LEVELS)
    for (const ago of [0, 17, 3 * HOUR, 40.3 * HOUR]) {
      const t0 = beginOf(level, NOON + 0.4 * HOUR - ago, NOON + 0.4 * HOUR, 0);
      assert.ok(spotOf(t0, level, NOON + 0.4 * HOUR - ago), `${level.lineS} ${ago}`);
    }
});

test("lines begin with whole hours of the clock on the wall, half an hour off UTC too", () => {
  const zone = 5.5 * HOUR;
  assert.equal((beginOf(DAY, NOON, NOON, zone) + zone) % HOUR, 0);
});

test("a moment has one spot on the lines, and the spot has that moment", () => {
  const t0 = beginOf(FOUR, NOON, NOON, 0);
  for (const us of [t0, t0 + 1e6, t0 + 17 * 60e6, t0 + spanUs(FOUR) - 1e6]) {
    const spot = spotOf(t0, FOUR, us);
    assert.ok(spot);
    assert.ok(Math.abs(timeOf(t0, FOUR, spot) - us) < 10);
  }
  assert.equal(spotOf(t0, FOUR, t0 - 1), null);
  assert.equal(spotOf(t0, FOUR, t0 + spanUs(FOUR)), null);
});

test("the questions fill every line once, each with no more columns than one answer holds", () => {
  for (const level of [DAY, FOUR, MINUTES]) {
    const chunks = chunksOf(level);
    const asked = chunks.flatMap(([first, n]) => Array.from({ length: n }, (_, i) => first + i));
    assert.deepEqual(
      asked,
      Array.from({ length: LINES }, (_, i) => i),
    );
    assert.ok(chunks.every(([, n]) => n * level.columns <= 4096));
  }
});

test("nothing received stays nothing, and a flat line is none of it", () => {
  const found: Overview = { t0_us: 0, t1_us: 4, columns: 4, low_uv: [0, null, -500, 7], high_uv: [0, null, 900, 7] };
  assert.deepEqual(columnsOf(found, 1, 2), [
    { low: -0.5, high: 0.9 },
    { low: 0.007, high: 0.007 },
  ]);
  assert.deepEqual(columnsOf(found, 0, 2), [{ low: 0, high: 0 }, null]);
  assert.deepEqual(fitOf([[null, null]]), { mid: 0, heightMv: 2 });
  assert.deepEqual(fitOf([new Array(99).fill({ low: 4.5, high: 6.2 })]), { mid: 5.35, heightMv: 2 });
});

test("all windows of a patient lie on one grid, which any few of them tell", () => {
  const window = (s: number) => ({ t0_us: NOON + s * 1e6, t1_us: NOON + (s + 10) * 1e6 });
  const grid = gridOf([window(23.3), window(18.3), window(8.3)]);
  assert.deepEqual(grid, { hopUs: 5e6, lengthUs: 10e6, phaseUs: (NOON + 3.3e6) % 5e6 });
  assert.ok(grid);
  assert.deepEqual(beginsIn(grid, NOON, NOON + 30e6), [NOON - 6.7e6, NOON + 33.3e6]);
  assert.deepEqual(
    beginsIn(grid, NOON + 3.3e6, NOON + 8.3e6),
    [NOON - 1.7e6, NOON + 8.3e6],
    "touching is not covering",
  );
  assert.equal(gridOf([]), null);
});

const TRENDS: Trends = {
  t0_us: NOON,
  t1_us: NOON + 4 * 5e6,
  step_s: 5,
  windows: [1, 3, 0, 1],
  heart_rate: [60, 80, null, null],
  heart_rate_low: [60, 70, null, null],
  heart_rate_high: [60, 90, null, null],
  sqi: [1, 0.5, null, 0.1],
  usable: [1, 1, null, 0],
  answered: [1, 1, null, 0],
  codes: { AFIB: [0, 1, null, null], NORM: [1, 0, null, null] },
  burden: { AFIB: 0.75, NORM: 0.25 },
};

test("a reading is decided, undecided, or not there at all", () => {
  const found = readingsOf(TRENDS).map((r) => [(r.t0 - NOON) / 1e6, r.codes.join(), r.answered, r.usable]);
  assert.deepEqual(found, [
    [0, "NORM", true, true],
    [5, "AFIB", true, true],
    [15, "", false, false],
  ]);
});

test("shares: the commonest first, then what kept the student from an answer; unknown stays unknown", () => {
  assert.equal(meanOf(TRENDS.heart_rate, TRENDS.windows), 75);
  assert.equal(meanOf([null], [0]), null);
  assert.deepEqual(summary(TRENDS), { answered: 4, undecided: 0.19999999999999996 });
  assert.deepEqual(
    lanesOf(TRENDS).map((lane) => lane.code),
    ["AFIB", "NORM", "undecided", "poor"],
  );
  assert.deepEqual(lanesOf(TRENDS)[2]?.shares, [0, 0, null, 1]);
});

test("the time to acknowledge counts from the last time that the alarm called", () => {
  const event = (action: string, s: number) => ({ action, t_us: 0, at_us: s * 1e6, by: null, reason: null });
  const story = (acknowledged_us: number | null, events: Story["events"]) => ({
    acknowledged_us,
    raised_us: 1e6,
    events,
  });
  assert.equal(ackSeconds(story(null, [event("raised", 1)])), null);
  assert.equal(ackSeconds(story(31e6, [event("raised", 1)])), 30);
  const again = [event("raised", 1), event("ended", 5), event("reactivated", 21), event("acknowledged", 31)];
  assert.equal(ackSeconds(story(31e6, again)), 10);
  assert.equal(ackSeconds(story(31e6, [])), 30);
});

test("what is not known is said, not counted", () => {
  assert.match(en.measured(800, 75, null), /\u0394U \u2013/);
  assert.match(en.burdenSays("AF", null), /answered nothing/);
  assert.equal(en.percent(0.0004), "< 0.1 %");
  assert.equal(en.percent(0.067), "6.7 %");
  assert.equal(en.percent(0), "0 %");
});

test("lines of a short recording begin with it, as finely as all of it is seen at once", () => {
  const [t0, t1] = [NOON + 61e6, NOON + 61e6 + 10 * 60e6];
  assert.equal(levelFor(t0, t1), MINUTES);
  assert.equal(beginOf(MINUTES, t1, t1, 0, t0), NOON + 60e6);
  assert.equal(levelFor(t0, t0 + 3 * HOUR), FOUR);
  assert.equal(levelFor(t0, t0 + 30 * HOUR), DAY);
  assert.equal(beginOf(DAY, t0 + 30 * HOUR, t0 + 30 * HOUR, 0, t0), NOON + 7 * HOUR, "a long one ends with its end");
});
