// What is written above and below a strip, on the screen and on paper.
import { w } from "../i18n/patient.ts";
import { labelOf, said } from "../kernel/alarm.ts";
import { clock } from "../kernel/clock.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Scale } from "./rows.ts";
import type { Filter, Missing } from "./signal.ts";
import { moment } from "./when.ts";

// The alarms that begin at that moment, and the time that is shown.
export function titleOf(alarms: readonly Alarm[], at: number, t0: number, t1: number): string {
  const here = alarms.filter((alarm) => alarm.onset_us === at);
  const what = here.map((alarm) => {
    const tags = [alarm.retrospective ? w.retrospective : "", alarm.late ? w.late : ""].filter(Boolean);
    return [`${labelOf(alarm)} \u2013 ${said(alarm)}`, ...tags].join(", ");
  });
  return `${what.join("; ") || w.noAlarm} \u00b7 ${moment(t0)} \u2013 ${clock(t1)}`;
}

// Lead, scale and filter, and what is missing.
export function factsOf(
  lead: string | null,
  scale: Scale,
  filter: Filter,
  missing: readonly Missing[],
  coming: boolean,
): string[] {
  const gone = (leadOff: boolean) =>
    missing.filter((m) => m.leadOff === leadOff).reduce((sum, m) => sum + (m.to - m.from) / 1e6, 0);
  return [
    lead === null ? w.noSignal : w.lead(lead),
    w.speedOf(scale.mmPerS),
    w.gainOf(scale.mmPerMv),
    w.filtered[filter],
    gone(false) > 0 ? w.missing(gone(false)) : "",
    gone(true) > 0 ? w.missingOff(gone(true)) : "",
    coming ? w.coming : "",
  ].filter(Boolean);
}
