import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeFrame, decodeMessage } from "../src/kernel/wire.ts";

// A raw frame of two samples, laid out by hand.
function frame(): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(66 + 3 + 4);
  const view = new DataView(bytes.buffer);
  bytes.set([0x4c, 0x48, 1, 1 | 2]);
  view.setUint16(4, 69, true);
  view.setUint32(6, 4, true);
  view.setBigInt64(26, 1_790_000_000_123_457n, true);
  view.setFloat64(42, 250, true);
  view.setFloat64(50, 1000, true);
  view.setUint32(58, 2, true);
  bytes.set([255, 1, 1, 1, 0x70, 0x64, 0x49], 62);
  view.setInt16(69, -32768, true);
  view.setInt16(71, 7, true);
  return bytes;
}

test("a frame", () => {
  const read = decodeFrame(frame());
  assert.deepEqual([read.patient, read.device, read.lead], ["p", "d", "I"]);
  assert.deepEqual(
    [read.t0, read.fs, read.gain, read.battery, read.leadOff],
    [1790000000123457, 250, 1000, null, true],
  );
  assert.deepEqual([...read.samples], [-32768, 7]);
});

test("what is no frame, or not whole, is refused", () => {
  assert.throws(() => decodeFrame(new Uint8Array(5)), /not a frame/);
  assert.throws(() => decodeFrame(frame().subarray(0, 72)), /cut short/);
  const later = frame();
  later[2] = 9;
  assert.throws(() => decodeFrame(later), /version 9/);
});

test("a message carries kind, patient and payload", () => {
  const message = decodeMessage(new Uint8Array([2, 2, 0x70, 0x31, 5, 6]).buffer);
  assert.deepEqual([message.kind, message.patient, [...message.payload]], [2, "p1", [5, 6]]);
  for (const short of [[], [1], [1, 3, 0x70]])
    assert.throws(() => decodeMessage(new Uint8Array(short).buffer), /too short/);
});
