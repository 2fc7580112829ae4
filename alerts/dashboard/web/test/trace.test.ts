import assert from "node:assert/strict";
import { test } from "node:test";
import type { Frame } from "../src/kernel/wire.ts";
import { HighPass, Trace } from "../src/wall/trace.ts";

const T0 = 1_790_000_000_000_000;

function second(i: number, values: Partial<Frame> = {}): Frame {
  return {
    patient: "p",
    device: "d",
    lead: "I",
    boot: 1n,
    sequence: BigInt(i),
    t0: T0 + i * 1e6,
    arrival: T0 + i * 1e6 + 1e6,
    fs: 250,
    gain: 1000,
    battery: null,
    leadOff: false,
    samples: Int16Array.from({ length: 250 }, (_, k) => 500 * Math.sin((i * 250 + k) / 9)),
    ...values,
  };
}

// Plays `seconds` in steps of a thirtieth. The pen begins before the first sample: that is the first gap.
function play(trace: Trace, seconds: number): { points: number; gaps: number } {
  const seen = { points: 0, gaps: 0 };
  for (let i = 0; i < seconds * 30; i++)
    trace.advance(1 / 30, (_, mv) => (Number.isNaN(mv) ? seen.gaps++ : seen.points++));
  return seen;
}

test("the filter does not care how samples arrive", () => {
  const x = Float64Array.from({ length: 999 }, (_, i) => 500 + 300 * Math.sin(i / 9));
  const whole = new HighPass(250).run(x, 0.001);
  const filter = new HighPass(250);
  const parts = [x.slice(0, 1), x.slice(1, 400), x.slice(400)].flatMap((part) => [...filter.run(part, 0.001)]);
  assert.deepEqual(parts, [...whole]);
});

test("every sample is played once, and then it starves", () => {
  const trace = new Trace();
  for (let i = 0; i < 3; i++) trace.push(second(i));
  assert.deepEqual(play(trace, 6), { points: 750, gaps: 1 });
  assert.equal(
    trace.advance(1, () => {}),
    false,
  );
});

test("a frame that is missing is a gap, one that comes twice is not drawn twice", () => {
  const trace = new Trace();
  for (const i of [0, 1, 1, 3]) trace.push(second(i));
  assert.deepEqual(play(trace, 8), { points: 750, gaps: 2 });
});

test("a lead that is off is no flat line", () => {
  const trace = new Trace();
  trace.push(second(0));
  trace.push(second(1, { leadOff: true }));
  const { points, gaps } = play(trace, 6);
  assert.equal(points, 250);
  assert.ok(gaps >= 1);
});

test("whoever falls far behind jumps to the newest", () => {
  const trace = new Trace();
  for (let i = 0; i < 30; i++) trace.push(second(i));
  assert.ok(play(trace, 30).points < 10 * 250);
});

// Ages and values of what was played in the last `seconds`.
function past(trace: Trace, seconds: number): { ago: number[]; gaps: number } {
  const seen = { ago: [] as number[], gaps: 0 };
  trace.behind(seconds, (ago, mv) => {
    if (Number.isNaN(mv)) seen.gaps++;
    else seen.ago.push(ago);
  });
  return seen;
}

test("a strip that comes into sight knows its past, to the pen and no farther", () => {
  const trace = new Trace();
  for (let i = 0; i < 6; i++) trace.push(second(i));
  trace.toLive();
  const { ago, gaps } = past(trace, 2);
  assert.equal(gaps, 0);
  assert.equal(ago.length, 500);
  assert.ok(ago.every((s) => s > 0 && s <= 2));
  assert.ok(ago.every((s, i) => i === 0 || s < (ago[i - 1] ?? 0)));
});

test("what was missed fills the hole when it comes late but in order", () => {
  const trace = new Trace();
  for (let i = 0; i < 3; i++) trace.push(second(i));
  play(trace, 8); // the link is away: it starves
  for (let i = 1; i < 9; i++) trace.push(second(i)); // some twice, then what was missed, then live
  trace.toLive();
  assert.deepEqual(past(trace, 5).gaps, 0);
  assert.equal(past(trace, 5).ago.length, 1250);
});

test("being told twice for long is no clock that was set back", () => {
  const trace = new Trace();
  for (let i = 0; i < 12; i++) trace.push(second(i));
  for (let i = 2; i < 12; i++) trace.push(second(i));
  trace.push(second(12));
  trace.toLive();
  assert.equal(past(trace, 8).ago.length, 2000);
  for (let i = 0; i < 8; i++) trace.push(second(i, { sequence: BigInt(1000 + i) })); // and this is one
  assert.ok((trace.playedUs ?? 0) < T0 + 8e6);
});

test("a past that is long gone is let go", () => {
  const trace = new Trace();
  for (let i = 0; i < 100; i++) trace.push(second(i)); // nobody looks
  assert.ok(past(trace, 100).ago.length < 22 * 250);
});

// Delay of the pen behind the newest sample, one value a second, as frames come after `late(i)` seconds.
function delays(late: (i: number) => number, seconds: number): number[] {
  const trace = new Trace();
  const told: number[] = [];
  let next = 0;
  for (let step = 0; step < seconds * 30; step++) {
    const now = step / 30;
    while (next + 1 + late(next) <= now) trace.push(second(next++));
    trace.advance(1 / 30, () => {});
    if (step % 30 === 0) told.push(now - ((trace.playedUs ?? T0) - T0) / 1e6);
  }
  return told;
}

test("a stream whose first frame was slow is as near as any other within ten seconds", () => {
  const usual = delays(() => 0.15, 60);
  const slow = delays((i) => (i ? 0.15 : 0.75), 60);
  assert.ok((slow[3] as number) > (usual[3] as number) + 0.35, "it begins far behind");
  assert.ok((slow[14] as number) < (usual[14] as number) + 0.15, `${slow[14]} and ${usual[14]}`);
  const spread = usual.slice(20);
  assert.ok(Math.max(...spread) - Math.min(...spread) < 0.05, "and the pen does not hunt");
});
