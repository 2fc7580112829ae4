// What follows from an alarm's story. No DOM in here.
import type { Story } from "./history.ts";

// Seconds from the last time that it called to its acknowledgement; null while nobody has.
export function ackSeconds(story: Pick<Story, "acknowledged_us" | "raised_us" | "events">): number | null {
  const { acknowledged_us: at } = story;
  if (at === null) return null;
  const calls = story.events
    .filter((e) => (e.action === "raised" || e.action === "reactivated") && e.at_us <= at)
    .map((e) => e.at_us);
  return Math.max(0, at - (calls.length ? Math.max(...calls) : story.raised_us)) / 1e6;
}
