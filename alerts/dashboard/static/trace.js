// One patient's live signal: filtered, buffered against jitter, handed out at the pace of life.
const MARGIN_US = 0.7e6; // what is still unplayed when the next frame comes; with 1 s frames 1.7 s behind
const BEHIND_MAX_US = 5e6; // further behind than this and one frame: jump
const LATE_FRAMES = 5; // as many frames in a row from the past are a clock that was set back
const CORNER_HZ = 0.5;

// A first-order causal high-pass that remembers: any chunking gives the same line.
export class HighPass {
  constructor(fs, corner = CORNER_HZ) {
    this.a = Math.exp((-2 * Math.PI * corner) / fs);
    this.restart();
  }
  restart() {
    this.x = null;
    this.y = 0;
  }
  run(samples, scale) {
    const out = new Float32Array(samples.length);
    for (let i = 0; i < samples.length; i++) {
      const x = samples[i] * scale;
      if (this.x !== null) this.y = this.a * (this.y + x - this.x);
      this.x = x;
      out[i] = this.y;
    }
    return out;
  }
}

export class Trace {
  constructor() {
    this.reset();
  }

  reset() {
    this.blocks = []; // {t0, t1, period, mv|null}, in order, not yet played to their end
    this.source = "";
    this.end = null;
    this.play = null; // event time of the pen, microseconds
    this.slacks = [];
    this.rate = 1;
    this.late = 0;
    this.frameUs = 1e6;
    this.peak = 0; // recent extremes in mV, for the choice of gain
  }

  push(frame) {
    const n = frame.samples.length;
    if (!n || !(frame.fs > 0) || !(frame.gain > 0)) return;
    const source = `${frame.device} ${frame.boot} ${frame.lead} ${frame.fs} ${frame.gain}`;
    if (source !== this.source || this.late >= LATE_FRAMES) {
      this.reset();
      this.source = source;
      this.filter = new HighPass(frame.fs);
    }
    const period = 1e6 / frame.fs;
    let skip = 0;
    if (this.end !== null) {
      skip = Math.max(0, Math.round((this.end - frame.t0) / period));
      if (skip >= n) {
        this.late++;
        return;
      }
      if (frame.t0 - this.end > 0.75 * period) this.filter.restart();
    }
    this.late = 0;
    const samples = skip ? frame.samples.subarray(skip) : frame.samples;
    const t0 = frame.t0 + skip * period;
    const t1 = t0 + samples.length * period;
    if (frame.leadOff) this.filter.restart();
    const mv = frame.leadOff ? null : this.filter.run(samples, 1 / frame.gain);
    if (mv) this.#measure(mv);
    if (this.play === null) this.play = t0 - MARGIN_US;
    else this.#pace(this.end - this.play);
    this.blocks.push({ t0, t1, period, mv });
    this.frameUs = t1 - t0;
    this.end = t1;
    if (this.end - this.play > BEHIND_MAX_US + 2 * this.frameUs) this.toLive();
  }

  // Jump to the newest, as after a hidden tab.
  toLive() {
    if (this.end === null) return;
    this.play = Math.max(this.play, this.end - this.frameUs - MARGIN_US);
    this.slacks = [];
    this.rate = 1;
  }

  #pace(slack) {
    this.slacks.push(slack);
    if (this.slacks.length > 8) this.slacks.shift();
    const least = Math.min(...this.slacks);
    this.rate = Math.min(1.08, Math.max(0.95, 1 + (0.08 * (least - MARGIN_US)) / 1e6));
  }

  #measure(mv) {
    let peak = 0;
    for (const v of mv) if (Math.abs(v) > peak) peak = Math.abs(v);
    this.peak = Math.max(peak, this.peak * 0.93);
  }

  // Moves on by `seconds` and calls point(share of the step, mV or NaN) for each sample; false when starved.
  advance(seconds, point) {
    if (this.play === null) return false;
    const from = this.play;
    const span = seconds * 1e6 * this.rate;
    const to = Math.min(from + span, this.end);
    if (to <= from) return false;
    while (this.blocks.length && this.blocks[0].t1 <= from) this.blocks.shift();
    let reach = from; // signal has been seen up to here
    for (const block of this.blocks) {
      if (block.t0 >= to) break;
      if (block.mv === null || block.t0 - reach > 0.75 * block.period)
        point(Math.max(0, (block.t0 - from) / span), NaN);
      reach = block.t1;
      if (block.mv === null) continue;
      const first = Math.max(0, Math.ceil((from - block.t0) / block.period));
      for (let i = first; i < block.mv.length; i++) {
        const at = block.t0 + i * block.period;
        if (at >= to) break;
        point((at - from) / span, block.mv[i]);
      }
    }
    this.play = to;
    return to === from + span;
  }
}
