// How an alarm ranks and what is said of it.
import { marks, nameOf, priorities, sentence } from "../i18n/index.ts";
import type { Alarm, Level, Priority } from "./types.ts";

export const RANK: Record<Priority, number> = { info: 0, low: 1, medium: 2, high: 3 };

export const rank = (alarm: Alarm): number => RANK[alarm.priority];
// A new episode of the same alarm is news again.
export const soundKey = (alarm: Alarm): string => `${alarm.alarm_id} ${alarm.episodes}`;
export const waiting = (alarm: Alarm): boolean => alarm.presence === "on" || alarm.presence === "latched";
export const level = (alarm: Alarm): Level => (alarm.kind === "technical" ? "technical" : alarm.priority);
export const mark = (alarm: Alarm): string => marks[level(alarm)];
export const priorityName = (alarm: Alarm): string => priorities[alarm.priority];
// What the server says in English, in the words of this screen; where it has none, in the server's.
export const labelOf = ({ condition, label }: Pick<Alarm, "condition" | "label">): string => nameOf(condition, label);
// What the label has said already need not be said again.
export function said({ label, message }: Pick<Alarm, "label" | "message">): string {
  const rest = message.startsWith(`${label}, `) ? message.slice(label.length + 2) : message;
  return sentence(rest) ?? rest;
}
