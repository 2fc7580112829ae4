// Times and lengths of time as people read them; the same in every language here.
const two = (n: number): string => String(n).padStart(2, "0");

export function duration(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
}

// Whole minutes where there are some, for what was long ago or is an even number.
export const brief = (seconds: number): string => (seconds % 60 ? `${seconds} s` : `${seconds / 60} min`);

// 1:59, for what counts down.
export const countdown = (seconds: number): string => `${Math.floor(seconds / 60)}:${two(Math.floor(seconds % 60))}`;

export const ago = (seconds: number): string =>
  seconds < 60 || seconds >= 3600 ? duration(seconds) : `${Math.floor(seconds / 60)} min`;

// The time of day of `us` on this screen's clock.
export function clock(us: number): string {
  const d = new Date(us / 1000);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
