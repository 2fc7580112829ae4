// Some thirty steps a second, out of the screen's own. Times in milliseconds on the clock of the animation frames.
export const CALM_MS = 1000 / 30;
const EARLY_MS = 4; // the screen's own steps need not meet ours

export const isDue = (due: number, now: number): boolean => now >= due - EARLY_MS;

// When the step after this one is due, in thirtieths of a second from the first. On a screen whose own steps meet ours
// the schedule goes with them; a step that came late, or was left out, moves none of those after it.
export function nextStep(due: number, now: number): number {
  const late = now - due;
  if (!due || Math.abs(late) < EARLY_MS) return now + CALM_MS;
  return due + CALM_MS * (1 + Math.floor(late / CALM_MS));
}
