// Audible alarms: the worst that waits sounds in its own rhythm; a pause that a worse alarm breaks through.
import { BURSTS, type Burst, type BurstName, HARMONICS, isBurst, lengthOf, RISE } from "./bursts.ts";

const PAUSE_S = 120;
const HIGH = 3;
const LOUD = 0.15; // of full scale: the harmonics add up to 2.3 times that

// One thing that waits to be heard.
export interface Wanted {
  key: string;
  rank: number;
  fault?: boolean;
  muted?: boolean;
}

export class Sound {
  readonly onchange: () => void;
  context: AudioContext | null = null;
  pausedUntil = 0; // seconds on the performance clock
  wanted: Wanted[] = [];
  readonly bursts: [number, BurstName][] = []; // what was played: [seconds, burst]
  #pausedKeys = new Set<string>();
  #pausedRank = 0;
  #last = new Map<BurstName, number>(); // burst -> when it last began
  #known = new Set<string>();
  #busyUntil = 0;

  constructor(onchange: () => void) {
    this.onchange = onchange;
  }

  get enabled(): boolean {
    return this.context?.state === "running";
  }

  // From a click or a key only: browsers allow no sound before.
  async enable(): Promise<void> {
    this.context ??= new AudioContext();
    this.context.onstatechange = () => this.onchange();
    await this.context.resume();
    this.onchange();
    this.update(this.wanted);
  }

  test(): void {
    this.#play(BURSTS[1]);
  }

  get pauseLeftS(): number {
    return Math.max(0, this.pausedUntil - performance.now() / 1000);
  }

  // This browser's own pause, for when the server keeps none or cannot be reached.
  pause(): void {
    this.pausedUntil = performance.now() / 1000 + PAUSE_S;
    this.#pausedKeys = new Set(this.wanted.map((w) => w.key));
    this.#pausedRank = Math.max(0, ...this.wanted.map((w) => w.rank));
    this.onchange();
  }

  resume(): void {
    this.pausedUntil = 0;
    this.#last.clear();
    this.onchange();
    this.update(this.wanted);
  }

  // Of all that waits now. Called often; sounds when due.
  update(wanted: Wanted[]): void {
    this.wanted = wanted;
    const paused = this.pauseLeftS > 0;
    const audible = wanted.filter((w) => !w.muted && (!paused || this.#breaksThrough(w)));
    const fresh = audible.filter((w) => !this.#known.has(w.key));
    this.#known = new Set(audible.map((w) => w.key));
    const [first, ...rest] = audible;
    if (!this.enabled || !first) return;
    const worst = rest.reduce((a, b) => (b.rank > a.rank ? b : a), first);
    const name = worst.fault ? "fault" : worst.rank;
    if (!isBurst(name)) return;
    const burst = BURSTS[name];
    const now = performance.now() / 1000;
    const due = now - (this.#last.get(name) ?? Number.NEGATIVE_INFINITY) >= burst.every;
    const news = fresh.some((w) => w.rank === worst.rank) && now > this.#busyUntil;
    if (!due && !news) return;
    this.#last.set(name, now);
    this.bursts.push([now, name]);
    if (this.bursts.length > 50) this.bursts.shift();
    this.#play(burst);
  }

  // While paused only what is new and worse than all before, and any new alarm of high priority, sounds.
  #breaksThrough(w: Wanted): boolean {
    return !this.#pausedKeys.has(w.key) && (w.rank > this.#pausedRank || w.rank >= HIGH);
  }

  #play(burst: Burst): void {
    const context = this.context;
    if (!context) return;
    const { at, last, pitch } = burst;
    const start = context.currentTime + 0.02;
    const rise = RISE * last;
    for (const offset of at) {
      const gain = context.createGain();
      gain.gain.setValueAtTime(0, start + offset);
      gain.gain.linearRampToValueAtTime(LOUD, start + offset + rise);
      gain.gain.setValueAtTime(LOUD, start + offset + last - rise);
      gain.gain.linearRampToValueAtTime(0, start + offset + last);
      gain.connect(context.destination);
      for (const [harmonic, share] of HARMONICS) {
        const tone = context.createOscillator();
        const level = context.createGain();
        level.gain.value = share;
        tone.frequency.value = pitch * harmonic;
        tone.connect(level).connect(gain);
        tone.start(start + offset);
        tone.stop(start + offset + last + 0.02);
      }
    }
    this.#busyUntil = performance.now() / 1000 + lengthOf(burst);
  }
}
