import assert from "node:assert/strict";
import { test } from "node:test";
import { longestRun } from "../src/kernel/order.ts";
import { CALM_MS, isDue, nextStep } from "../src/wall/pace.ts";

test("of a row in order nobody has to move, and of one that one goes through, that one", () => {
  assert.equal(longestRun([0, 1, 2, 3]).size, 4);
  assert.deepEqual([...longestRun([1, 2, 3, 4, 0])].sort(), [0, 1, 2, 3], "the first went to the end");
  assert.deepEqual([...longestRun([4, 0, 1, 2, 3])].sort(), [1, 2, 3, 4], "the last came to the front");
  assert.deepEqual([...longestRun([0, -1, 1, -1, 2])].sort(), [0, 2, 4], "who is new has no place");
  assert.equal(longestRun([]).size, 0);
  assert.equal(longestRun([3, 2, 1, 0]).size, 1);
});

// When it is drawn, given when the screen shows frames.
function drawn(frames: number[]): number[] {
  const steps: number[] = [];
  let due = 0;
  for (const now of frames) {
    if (!isDue(due, now)) continue;
    due = nextStep(due, now);
    steps.push(now);
  }
  return steps;
}

const sixty = Array.from({ length: 600 }, (_, i) => 1000 + (i * 1000) / 60);

test("every other frame of a screen of sixty, also of one that is a little off", () => {
  assert.deepEqual(
    drawn(sixty),
    sixty.filter((_, i) => i % 2 === 0),
  );
  const off = sixty.map((at) => at * 1.001);
  assert.equal(drawn(off).length, 300);
});

test("a frame that is late, and some that never come, move none of those after them", () => {
  const late = sixty.map((at, i) => (i === 100 ? at + 11 : at)).filter((_, i) => i < 200 || i > 206);
  const steps = drawn(late);
  const slots = steps.map((at) => Math.floor((at - 1000) / CALM_MS + 0.25));
  assert.equal(new Set(slots).size, slots.length, "no two in one thirtieth");
  assert.ok(
    steps.slice(-150).every((at) => Math.abs((at - 1000) % CALM_MS) < 0.01 || CALM_MS - ((at - 1000) % CALM_MS) < 0.01),
  );
});
