// One patient's live signal: filtered, buffered against jitter, handed out at the pace of life.
import type { Frame } from "../kernel/wire.ts";

const MARGIN_US = 0.45e6; // what is still unplayed when the next frame comes; with 1 s frames 1.45 s behind
const FAR_US = 0.1e6; // this far beyond it is made good sooner: a stream whose first frame was slow begins so
const [SOON, SLOWLY] = [0.25, 0.08]; // per second, of what is to be made good
const [FASTEST, SLOWEST] = [1.08, 0.95]; // nobody sees a beat that is so much shorter or longer for some seconds
const BEHIND_MAX_US = 5e6; // further behind than this and one frame: jump
const KEPT_US = 12e6; // of what was played: a strip that comes into sight is drawn from it
const KEYS = 32;
const LATE_FRAMES = 5; // as many frames in a row from the past are a clock that was set back
const CORNER_HZ = 0.5;

// A first-order causal high-pass that remembers: any chunking gives the same line.
export class HighPass {
  readonly #a: number;
  #x: number | null = null;
  #y = 0;

  constructor(fs: number, corner = CORNER_HZ) {
    this.#a = Math.exp((-2 * Math.PI * corner) / fs);
  }

  restart(): void {
    this.#x = null;
    this.#y = 0;
  }

  run(samples: ArrayLike<number>, scale: number): Float32Array {
    const out = new Float32Array(samples.length);
    for (let i = 0; i < samples.length; i++) {
      const x = (samples[i] as number) * scale;
      if (this.#x !== null) this.#y = this.#a * (this.#y + x - this.#x);
      this.#x = x;
      out[i] = this.#y;
    }
    return out;
  }
}

interface Block {
  t0: number; // microseconds of event time
  t1: number;
  period: number;
  mv: Float32Array | null; // null: lead off
}

// share of the step, mV or NaN where signal is missing
export type Point = (share: number, mv: number) => void;

export class Trace {
  peak = 0; // recent extremes in mV, for the choice of gain
  #blocks: Block[] = []; // in order; what was played long ago is let go
  #source = "";
  #filter = new HighPass(250);
  #end: number | null = null;
  #play: number | null = null; // event time of the pen
  #slacks: number[] = [];
  #rate = 1;
  #late = 0;
  readonly #keys: string[] = []; // of the frames that came last
  #frameUs = 1e6;

  // Event time of the pen in microseconds; null before anything came.
  get playedUs(): number | null {
    return this.#play;
  }

  reset(): void {
    this.#blocks = [];
    this.#source = "";
    this.#end = this.#play = null;
    this.#slacks = [];
    this.#rate = 1;
    this.#late = 0;
    this.#frameUs = 1e6;
    this.peak = 0;
  }

  push(frame: Frame): void {
    const n = frame.samples.length;
    if (!n || !(frame.fs > 0) || !(frame.gain > 0)) return;
    const source = `${frame.device} ${frame.boot} ${frame.lead} ${frame.fs} ${frame.gain}`;
    if (source !== this.#source || this.#late >= LATE_FRAMES) {
      this.reset();
      this.#source = source;
      this.#filter = new HighPass(frame.fs);
    }
    const known = this.#isKnown(`${frame.boot} ${frame.sequence}`);
    const period = 1e6 / frame.fs;
    const end = this.#end;
    let skip = 0;
    if (end !== null) {
      skip = Math.max(0, Math.round((end - frame.t0) / period));
      if (skip >= n) {
        if (!known) this.#late++; // what is told twice says nothing of a clock
        return;
      }
      if (frame.t0 - end > 0.75 * period) this.#filter.restart();
    }
    this.#late = 0;
    const samples = skip ? frame.samples.subarray(skip) : frame.samples;
    const t0 = frame.t0 + skip * period;
    const t1 = t0 + samples.length * period;
    if (frame.leadOff) this.#filter.restart();
    const mv = frame.leadOff ? null : this.#filter.run(samples, 1 / frame.gain);
    if (mv) this.#measure(mv);
    let play = this.#play;
    if (play === null || end === null) play = t0 - MARGIN_US;
    else this.#pace(end - play);
    this.#play = play;
    this.#blocks.push({ t0, t1, period, mv });
    this.#frameUs = t1 - t0;
    this.#end = t1;
    while (this.#blocks[0] && this.#blocks[0].t1 < Math.min(play, t1 - BEHIND_MAX_US) - KEPT_US) this.#blocks.shift();
    if (t1 - play > BEHIND_MAX_US + 2 * this.#frameUs) this.toLive();
  }

  #isKnown(key: string): boolean {
    if (this.#keys.includes(key)) return true;
    this.#keys.push(key);
    if (this.#keys.length > KEYS) this.#keys.shift();
    return false;
  }

  // Jump to the newest, as after a hidden tab.
  toLive(): void {
    if (this.#end === null || this.#play === null) return;
    this.#play = Math.max(this.#play, this.#end - this.#frameUs - MARGIN_US);
    this.#slacks = [];
    this.#rate = 1;
  }

  #pace(slack: number): void {
    this.#slacks.push(slack);
    if (this.#slacks.length > 8) this.#slacks.shift();
    const spare = Math.min(...this.#slacks) - MARGIN_US;
    const gain = spare > FAR_US ? SOON : SLOWLY;
    this.#rate = Math.min(FASTEST, Math.max(SLOWEST, 1 + (gain * spare) / 1e6));
  }

  #measure(mv: Float32Array): void {
    let peak = 0;
    for (const v of mv) if (Math.abs(v) > peak) peak = Math.abs(v);
    this.peak = Math.max(peak, this.peak * 0.93);
  }

  // Moves on by `seconds` and calls point for each sample; false when starved.
  advance(seconds: number, point: Point): boolean {
    if (this.#play === null || this.#end === null) return false;
    const from = this.#play;
    const span = seconds * 1e6 * this.#rate;
    const to = Math.min(from + span, this.#end);
    if (to <= from) return false;
    let reach = from; // signal has been seen up to here
    for (const block of this.#blocks) {
      if (block.t0 >= to) break;
      if (block.t1 <= from) continue;
      const mv = block.mv;
      if (mv === null || block.t0 - reach > 0.75 * block.period)
        point(Math.max(0, (block.t0 - from) / span), Number.NaN);
      reach = block.t1;
      if (mv === null) continue;
      const first = Math.max(0, Math.ceil((from - block.t0) / block.period));
      for (let i = first; i < mv.length; i++) {
        const at = block.t0 + i * block.period;
        if (at >= to) break;
        point((at - from) / span, mv[i] as number);
      }
    }
    this.#play = to;
    return to === from + span;
  }
  // What was played in the last `seconds`: how long ago, and mV or NaN where signal is missing.
  behind(seconds: number, point: (agoS: number, mv: number) => void): void {
    const play = this.#play;
    if (play === null) return;
    const from = play - seconds * 1e6;
    let reach = from;
    for (const { t0, t1, period, mv } of this.#blocks) {
      if (t1 <= from) continue;
      if (t0 >= play) break;
      if (mv === null || t0 - reach > 0.75 * period) point((play - Math.max(t0, from)) / 1e6, Number.NaN);
      reach = t1;
      if (mv === null) continue;
      for (let i = Math.max(0, Math.ceil((from - t0) / period)); i < mv.length && t0 + i * period < play; i++)
        point((play - t0 - i * period) / 1e6, mv[i] as number);
    }
  }
}
