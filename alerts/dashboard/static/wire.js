// Frames as liteheart/wire.py lays them out. The server has checked the CRC; here only the shape is.
const FIXED = 66;
const RAW = 1;
const LEAD_OFF = 2;
const NO_BATTERY = 255;
const ascii = new TextDecoder("ascii");

// The message of the live view: kind, patient, payload (a Uint8Array that shares the buffer).
export function decodeMessage(buffer) {
  const bytes = new Uint8Array(buffer);
  if (bytes.length < 2 || bytes.length < 2 + bytes[1]) throw new Error("message too short");
  const end = 2 + bytes[1];
  return { kind: bytes[0], patient: ascii.decode(bytes.subarray(2, end)), payload: bytes.subarray(end) };
}

export function decodeFrame(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FIXED || bytes[0] !== 0x4c || bytes[1] !== 0x48) throw new Error("not a frame");
  if (bytes[2] !== 1) throw new Error(`frame version ${bytes[2]} is not known here`);
  const flags = bytes[3];
  const headerLength = view.getUint16(4, true);
  const payloadLength = view.getUint32(6, true);
  const n = view.getUint32(58, true);
  if (payloadLength !== 2 * n || headerLength + payloadLength > bytes.length) throw new Error("frame cut short");
  let at = FIXED;
  const text = (length) => ascii.decode(bytes.subarray(at, (at += length)));
  const [patient, device, lead] = [text(bytes[63]), text(bytes[64]), text(bytes[65])];
  return {
    patient,
    device,
    lead,
    boot: view.getBigUint64(10, true),
    sequence: view.getBigUint64(18, true),
    t0: Number(view.getBigInt64(26, true)), // microseconds; exact up to the year 2255
    arrival: Number(view.getBigInt64(34, true)),
    fs: view.getFloat64(42, true),
    gain: view.getFloat64(50, true),
    battery: bytes[62] === NO_BATTERY ? null : bytes[62],
    leadOff: (flags & LEAD_OFF) !== 0,
    samples: flags & RAW ? raw(view, headerLength, n) : planes(bytes, headerLength, n),
  };
}

function raw(view, at, n) {
  const out = new Int16Array(n);
  for (let i = 0; i < n; i++) out[i] = view.getInt16(at + 2 * i, true);
  return out;
}

// Low bytes, then high bytes, of the zigzag first difference; sums wrap at 16 bits.
function planes(bytes, at, n) {
  const out = new Int16Array(n);
  let sum = 0;
  for (let i = 0; i < n; i++) {
    const zigzag = bytes[at + i] | (bytes[at + n + i] << 8);
    sum = (sum + ((zigzag >> 1) ^ -(zigzag & 1))) | 0;
    out[i] = sum; // stored modulo 2^16
  }
  return out;
}
