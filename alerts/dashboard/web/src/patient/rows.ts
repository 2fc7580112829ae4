// The geometry of a strip in millimetres of paper: rows of some seconds, room for the calibration pulse at their left.
import type { Line } from "./signal.ts";

export const ROW_MM = 40;
export const BASE_MM = 25; // the baseline, from the top of a row
export const PULSE_MM = 15; // a multiple of 5, so that the first second begins on a strong line
export const STRIP_S = 30;
const PARTS = [30, 15, 10, 6, 5, 3, 2, 1] as const; // seconds a row that divide a strip

export interface Scale {
  mmPerS: number;
  mmPerMv: number;
}

export interface Place {
  row: number;
  x: number; // mm from the left
}

export interface Band extends Place {
  width: number; // mm
}

// As many seconds a row as `widthMm` of paper holds.
export const secondsFor = (widthMm: number, mmPerS: number): number =>
  PARTS.find((s) => PULSE_MM + s * mmPerS <= widthMm) ?? 1;

export class Rows {
  readonly t0: number; // microseconds
  readonly t1: number;
  readonly rowS: number;
  readonly scale: Scale;

  constructor(t0: number, t1: number, rowS: number, scale: Scale) {
    this.t0 = t0;
    this.t1 = t1;
    this.rowS = rowS;
    this.scale = scale;
  }

  get count(): number {
    return Math.ceil((this.t1 - this.t0) / 1e6 / this.rowS);
  }

  get widthMm(): number {
    return PULSE_MM + this.rowS * this.scale.mmPerS;
  }

  beginOf(row: number): number {
    return this.t0 + row * this.rowS * 1e6;
  }

  // The last moment stands at the end of the last row.
  place(us: number): Place {
    const row = Math.min(this.count - 1, Math.max(0, Math.floor((us - this.t0) / 1e6 / this.rowS)));
    return { row, x: PULSE_MM + ((us - this.beginOf(row)) / 1e6) * this.scale.mmPerS };
  }

  y(mv: number): number {
    return BASE_MM - mv * this.scale.mmPerMv;
  }

  // The moment and the level at a point of the paper, within the strip.
  at(xMm: number, yMm: number): { us: number; mv: number } {
    const row = Math.min(this.count - 1, Math.max(0, Math.floor(yMm / ROW_MM)));
    const s = Math.min(this.rowS, Math.max(0, (xMm - PULSE_MM) / this.scale.mmPerS));
    const level = Math.min(ROW_MM, Math.max(0, yMm - row * ROW_MM));
    return {
      us: Math.min(this.t1, this.beginOf(row) + s * 1e6),
      mv: (BASE_MM - level) / this.scale.mmPerMv,
    };
  }

  // [from, to) as far as it is on the strip, cut where rows end.
  bands(from: number, to: number): Band[] {
    const found: Band[] = [];
    const end = Math.min(to, this.t1);
    for (let at = Math.max(from, this.t0); at < end; ) {
      const place = this.place(at);
      const next = Math.min(end, this.beginOf(place.row + 1));
      found.push({ ...place, width: ((next - at) / 1e6) * this.scale.mmPerS });
      at = next;
    }
    return found;
  }

  // The lines as SVG paths, one a row; each line begins anew, so that nothing is drawn across what is missing.
  paths(lines: readonly Line[]): string[] {
    const found: string[] = new Array(this.count).fill("");
    for (const { t0, fs, mv } of lines) {
      let before = -1;
      for (let i = 0; i < mv.length; i++) {
        const us = t0 + (i * 1e6) / fs;
        if (us < this.t0 || us >= this.t1) continue;
        const { row, x } = this.place(us);
        found[row] += `${row === before ? "L" : "M"}${x.toFixed(2)} ${this.y(mv[i] as number).toFixed(2)}`;
        before = row;
      }
    }
    return found;
  }
}
