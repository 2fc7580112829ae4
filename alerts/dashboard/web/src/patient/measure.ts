// What two markers measure. No DOM in here.
export interface Mark {
  us: number;
  mv: number | null; // null: no signal there, and nobody chose a level
}

export interface Measured {
  ms: number;
  bpm: number | null; // null: both are at the same moment
  mv: number | null; // the second less the first
}

export function measure(a: Mark, b: Mark): Measured {
  const ms = Math.abs(b.us - a.us) / 1000;
  return {
    ms,
    bpm: ms >= 1 ? 60000 / ms : null,
    mv: a.mv === null || b.mv === null ? null : b.mv - a.mv,
  };
}
