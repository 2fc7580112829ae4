import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pause } from "../src/kernel/types.ts";
import { Ward } from "../src/kernel/ward.ts";
import { alarm, NOW_US, state } from "./values.ts";

function ward(...patients: [string, string][]): Ward {
  const made = new Ward();
  made.setClock(NOW_US);
  made.beginSnapshot();
  for (const [patient, bed] of patients) made.setState(state(patient, { bed }));
  made.endSnapshot();
  return made;
}

test("fixed places go by bed, as people count, and beds without a name come last", () => {
  const w = ward(["p-9", "Bed 10"], ["p-1", ""], ["p-5", "Bed 9"]);
  assert.deepEqual(w.order(false), ["p-5", "p-9", "p-1"]);
});

test("worst first: what waits before what is acknowledged, then by priority, then the silent, then fixed places", () => {
  const w = ward(["a", "1"], ["b", "2"], ["c", "3"], ["d", "4"], ["e", "5"]);
  w.setState(state("e", { bed: "5", last_arrival_us: NOW_US - 60e6 }));
  w.setAlarm(alarm({ alarm_id: "x", patient: "b", presence: "ack", acknowledged_us: NOW_US }));
  w.setAlarm(alarm({ alarm_id: "y", patient: "d", priority: "low" }));
  w.setAlarm(alarm({ alarm_id: "z", patient: "c", priority: "medium" }));
  assert.deepEqual(w.order(true), ["c", "d", "b", "e", "a"]);
});

test("an alarm that goes on stands before one that is latched, and the longest first", () => {
  const w = ward();
  const ids = w
    .worstFirst([
      alarm({ alarm_id: "latched", presence: "latched" }),
      alarm({ alarm_id: "young", onset_us: NOW_US + 1 }),
      alarm({ alarm_id: "old" }),
      alarm({ alarm_id: "technical", kind: "technical" }),
    ])
    .map((a) => a.alarm_id);
  assert.deepEqual(ids, ["old", "young", "technical", "latched"]);
});

test("a snapshot takes away what it does not name, and the bed stays when the monitor tells no bed", () => {
  const w = ward(["p-1", "Bed 1"], ["p-2", "Bed 2"]);
  w.setState(state("p-1"));
  assert.equal(w.states.get("p-1")?.bed, "Bed 1");
  w.setAlarm(alarm());
  w.beginSnapshot();
  w.setState(state("p-2", { bed: "Bed 7" }));
  w.endSnapshot();
  assert.deepEqual([...w.states.keys()], ["p-2"]);
  assert.equal(w.alarms.size, 0);
  assert.equal(w.who("p-2"), "Bed 7 \u00b7 p-2");
});

test("an alarm that is off is gone", () => {
  const w = ward(["p-1", ""]);
  w.setAlarm(alarm());
  w.setAlarm(alarm({ presence: "off" }));
  assert.equal(w.waiting().length, 0);
});

test("old vitals are not shown as if they held", () => {
  const w = ward(["p-1", ""]);
  const old = w.vitals(state("p-1", { last_arrival_us: NOW_US - 6e6 }));
  assert.deepEqual([old.stale, old.heartRate, old.sqi, old.usable, old.codes], [true, null, null, false, []]);
  const fresh = w.vitals(state("p-1"));
  assert.deepEqual([fresh.stale, fresh.heartRate], [false, 72]);
  const off = w.vitals(state("p-1", { lead_off: true }));
  assert.deepEqual([off.leadOff, off.heartRate], [true, null]);
});

const pause = (values: Partial<Pause>): Pause => ({
  pause_id: 1,
  by: "ada",
  began_us: NOW_US,
  until_us: NOW_US + 120e6,
  patient: null,
  station: "ward",
  silenced: [],
  priority: "medium",
  ...values,
});

test("a pause silences what is no worse, never a new alarm of high priority", () => {
  const w = ward(["p-1", ""]);
  w.setCare({ at_us: NOW_US, pauses: [pause({ silenced: ["heard 1"] })], escalations: [] });
  assert.equal(w.muted(alarm({ priority: "medium" })), true);
  assert.equal(w.muted(alarm()), false);
  assert.equal(w.muted(alarm({ alarm_id: "heard" })), true);
  assert.equal(w.muted(alarm({ alarm_id: "heard", episodes: 2 })), false);
});

test("a pause of one patient, or of another station, leaves the others loud", () => {
  const w = ward(["p-1", ""], ["p-2", ""]);
  const one = pause({ patient: "p-1", station: null });
  w.setCare({ at_us: NOW_US, pauses: [one, pause({ pause_id: 2, station: "elsewhere" })], escalations: [] });
  assert.equal(w.muted(alarm({ priority: "medium" })), true);
  assert.equal(w.muted(alarm({ priority: "medium", patient: "p-2" })), false);
  assert.equal(w.stationPause(), null);
  w.setClock(NOW_US + 121e6);
  assert.equal(w.pauseOf("p-1"), null);
});

test("what was read before a press does not take the press back", () => {
  const w = ward(["p-1", ""]);
  w.paused(pause({ began_us: NOW_US + 5 }));
  w.setCare({ at_us: NOW_US, pauses: [], escalations: [] });
  assert.equal(w.pauses.length, 1);
  w.setCare({ at_us: NOW_US + 6, pauses: [], escalations: [] });
  assert.equal(w.pauses.length, 0);
});

test("who was never heard is on the wall as silent", () => {
  const w = ward(["p-1", "Bed 1"]);
  const never = { last_arrival_us: null, last_sample_us: null, fs_hz: null, heart_rate_bpm: null, codes: [] };
  w.setState(state("p-2", { ...never, bed: "Bed 2", since_us: NOW_US - 3600e6 }));
  assert.deepEqual(w.order(true), ["p-2", "p-1"], "a silent one before one who is heard");
  const vitals = w.vitals(w.states.get("p-2") ?? state("p-2"));
  assert.deepEqual([vitals.ageS, vitals.stale, vitals.delayedS, vitals.heartRate], [null, true, 0, null]);
  assert.equal(w.states.get("p-2")?.bed, "Bed 2");
});

test("who is discharged leaves the wall at once", () => {
  const w = ward(["p-1", "Bed 1"], ["p-2", "Bed 2"]);
  const before = w.revision;
  w.setState(state("p-1", { discharged: true }));
  assert.deepEqual([...w.states.keys()], ["p-2"]);
  assert.ok(w.revision > before, "the wall is put in order again");
});
