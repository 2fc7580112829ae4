// Frames as liteheart/wire.py lays them out. The server has checked the CRC; here only the shape is.
const FIXED = 66;
const RAW = 1;
const LEAD_OFF = 2;
const NO_BATTERY = 255;
const ascii = new TextDecoder("ascii");

export interface Message {
  kind: number;
  patient: string;
  payload: Uint8Array; // shares the message's buffer
}

export interface Frame {
  patient: string;
  device: string;
  lead: string;
  boot: bigint;
  sequence: bigint;
  t0: number; // microseconds; exact up to the year 2255
  arrival: number;
  fs: number; // Hz
  gain: number; // units per millivolt
  battery: number | null; // percent
  leadOff: boolean;
  samples: Int16Array;
}

// A message of the live view: kind, patient, payload.
export function decodeMessage(buffer: ArrayBuffer): Message {
  const bytes = new Uint8Array(buffer);
  const [kind, length] = bytes;
  if (kind === undefined || length === undefined || bytes.length < 2 + length) throw new Error("message too short");
  const end = 2 + length;
  return { kind, patient: ascii.decode(bytes.subarray(2, end)), payload: bytes.subarray(end) };
}

export function decodeFrame(bytes: Uint8Array): Frame {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FIXED || bytes[0] !== 0x4c || bytes[1] !== 0x48) throw new Error("not a frame");
  if (bytes[2] !== 1) throw new Error(`frame version ${bytes[2]} is not known here`);
  const flags = view.getUint8(3);
  const headerLength = view.getUint16(4, true);
  const payloadLength = view.getUint32(6, true);
  const n = view.getUint32(58, true);
  if (payloadLength !== 2 * n || headerLength + payloadLength > bytes.length) throw new Error("frame cut short");
  let at = FIXED;
  const text = (length: number): string => {
    at += length;
    return ascii.decode(bytes.subarray(at - length, at));
  };
  const battery = view.getUint8(62);
  const [patient, device, lead] = [text(view.getUint8(63)), text(view.getUint8(64)), text(view.getUint8(65))];
  return {
    patient,
    device,
    lead,
    boot: view.getBigUint64(10, true),
    sequence: view.getBigUint64(18, true),
    t0: Number(view.getBigInt64(26, true)),
    arrival: Number(view.getBigInt64(34, true)),
    fs: view.getFloat64(42, true),
    gain: view.getFloat64(50, true),
    battery: battery === NO_BATTERY ? null : battery,
    leadOff: (flags & LEAD_OFF) !== 0,
    samples: flags & RAW ? raw(view, headerLength, n) : planes(view, headerLength, n),
  };
}

function raw(view: DataView, at: number, n: number): Int16Array {
  const out = new Int16Array(n);
  for (let i = 0; i < n; i++) out[i] = view.getInt16(at + 2 * i, true);
  return out;
}

// Low bytes, then high bytes, of the zigzag first difference; sums wrap at 16 bits.
function planes(view: DataView, at: number, n: number): Int16Array {
  const out = new Int16Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const zigzag = view.getUint8(at + i) | (view.getUint8(at + n + i) << 8);
    sum = (sum + ((zigzag >> 1) ^ -(zigzag & 1))) | 0;
    out[i] = sum; // stored modulo 2^16
  }
  return out;
}
