// What an alarm sounds like, along the lines of IEC 60601-1-8 (tables 3 and 4). Seconds and hertz; no audio in here.
export interface Burst {
  at: readonly number[]; // when each pulse begins
  last: number; // length of a pulse
  every: number; // from the beginning of a burst to that of the next
  pitch: number; // fundamental
}

export type BurstName = 1 | 2 | 3 | "fault";

// Between pulses of a burst of HIGH lies x, and twice x and a pulse where the third is followed by the fourth:
// the rhythm of one that was left out.
const [PULSE, X] = [0.15, 0.09];
const step = PULSE + X;
const five = [0, 1, 2, 4, 5].map((n) => n * step);
const three = [0, 0.4, 0.8];

export const BURSTS: Readonly<Record<BurstName, Burst>> = {
  3: { at: [...five, ...five.map((s) => s + 2)], last: PULSE, every: 7, pitch: 740 },
  2: { at: three, last: 0.2, every: 15, pitch: 587 },
  1: { at: [0], last: 0.25, every: 30, pitch: 494 },
  fault: { at: three, last: 0.2, every: 8, pitch: 330 }, // of this screen itself, as urgent as MEDIUM, lower
};

// Share of the fundamental's strength; all within 15 dB of it.
export const HARMONICS: readonly (readonly [number, number])[] = [
  [1, 1],
  [2, 0.5],
  [3, 0.35],
  [4, 0.25],
  [5, 0.2],
];

export const RISE = 0.15; // of a pulse; so too the fall

export function isBurst(name: number | string): name is BurstName {
  return Object.hasOwn(BURSTS, name);
}

export const lengthOf = ({ at, last }: Burst): number => (at.at(-1) ?? 0) + last;
