import assert from "node:assert/strict";
import { test } from "node:test";
import { Ward } from "../src/kernel/ward.ts";
import { Reach } from "../src/patient/reach.ts";
import { NOW_US, state } from "./values.ts";

const KEPT = { t0_us: 1_000_000, t1_us: 91_000_000 };

function ward(...here: string[]): Ward {
  const made = new Ward();
  made.setClock(NOW_US);
  made.beginSnapshot();
  for (const patient of here) made.setState(state(patient, { last_sample_us: NOW_US - 3e6 }));
  made.endSnapshot();
  return made;
}

test("of who is here the latest is now, and the archive is not asked", () => {
  const reach = new Reach(ward("p-1"), "p-1", { extent: () => assert.fail("asked") });
  assert.deepEqual([reach.isHere, reach.isGone, reach.oldest], [true, false, 0]);
  assert.ok(reach.latest >= NOW_US);
  assert.equal(reach.newest, NOW_US - 3e6);
});

test("of who is not here the archive tells, once", async () => {
  let asked = 0;
  const answer = async () => {
    asked++;
    return KEPT;
  };
  const reach = new Reach(ward("p-1"), "p-2", { extent: answer });
  let found = 0;
  reach.found = () => found++;
  assert.ok(reach.isGone && reach.latest >= NOW_US);
  assert.deepEqual(await Promise.all([reach.ask(), reach.ask()]), [true, true]);
  assert.equal(await reach.ask(), false);
  assert.deepEqual([asked, found], [1, 1]);
  assert.deepEqual([reach.oldest, reach.latest, reach.newest], [KEPT.t0_us, KEPT.t1_us, KEPT.t1_us]);
});

test("before the ward is known nobody is said to be gone, nor after it was forgotten", () => {
  const empty = new Ward();
  const reach = new Reach(empty, "p-1", { extent: async () => null });
  assert.equal(reach.isGone, false);
  empty.beginSnapshot();
  empty.endSnapshot();
  assert.equal(reach.isGone, true);
  empty.forget();
  assert.equal(reach.isGone, false);
});

test("a server that does not answer is asked again", async () => {
  let fails = true;
  const answer = async () => {
    if (fails) throw new Error("no");
    return null;
  };
  const reach = new Reach(ward(), "p-1", { extent: answer });
  assert.equal(await reach.ask(), false);
  assert.equal(reach.isKnown, false);
  fails = false;
  assert.equal(await reach.ask(), true);
  assert.deepEqual([reach.isKnown, reach.kept], [true, null]);
});
