import assert from "node:assert/strict";
import { test } from "node:test";
import { BURSTS, HARMONICS, lengthOf, RISE } from "../src/kernel/bursts.ts";

// IEC 60601-1-8, tables 3 and 4. The space of two pulses runs from the end of one to the beginning of the next.
const near = (value: number, low: number, high: number) => {
  assert.ok(value >= low - 1e-9 && value <= high + 1e-9, `${value} lies between ${low} and ${high}`);
};
const spaces = ({ at, last }: { at: readonly number[]; last: number }): number[] =>
  at.slice(1).map((begin, i) => begin - (at[i] ?? 0) - last);

test("HIGH is ten pulses, the rhythm of the five twice", () => {
  const high = BURSTS[3];
  assert.equal(high.at.length, 10);
  near(high.last, 0.075, 0.2);
  const [a, b, c, d, between, ...again] = spaces(high) as [number, number, number, number, number, ...number[]];
  near(a, 0.05, 0.125);
  for (const same of [b, d]) near(same, a - 1e-6, a + 1e-6);
  near(c, 2 * a + high.last - 1e-6, 2 * a + high.last + 1e-6);
  near(between, 0.35, 1.3);
  for (const [i, space] of again.entries()) near(space, ([a, b, c, d][i] ?? 0) - 1e-6, ([a, b, c, d][i] ?? 0) + 1e-6);
  near(high.every - lengthOf(high), 2.5, 15);
});

test("MEDIUM is three pulses, and so is what is wrong with the screen itself", () => {
  for (const medium of [BURSTS[2], BURSTS.fault]) {
    assert.equal(medium.at.length, 3);
    near(medium.last, 0.125, 0.25);
    for (const space of spaces(medium)) near(space, 0.125, 0.25);
    near(medium.every - lengthOf(medium), 2.5, 30);
  }
});

test("LOW is one pulse, seldom", () => {
  const low = BURSTS[1];
  assert.equal(low.at.length, 1);
  near(low.last, 0.125, 0.25);
  assert.ok(low.every - lengthOf(low) > 15);
});

test("the more urgent, the sooner again and the higher", () => {
  assert.ok(BURSTS[3].every < BURSTS[2].every && BURSTS[2].every < BURSTS[1].every);
  assert.ok(BURSTS[3].pitch > BURSTS[2].pitch && BURSTS[2].pitch > BURSTS[1].pitch);
});

test("every pulse has a fundamental and four harmonics that can be heard beside it", () => {
  for (const { pitch } of Object.values(BURSTS)) {
    near(pitch, 150, 1000);
    const heard = HARMONICS.filter(([n, share]) => n > 1 && 20 * Math.log10(share) >= -15 && n * pitch <= 4000);
    assert.ok(heard.filter(([n]) => n * pitch >= 300).length >= 4);
  }
  near(RISE, 0.1, 0.4);
});
