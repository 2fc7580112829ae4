// What may be said about an alarm on the page of its patient.

import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { acknowledgeButtons } from "../kernel/acknowledge.ts";
import { labelOf } from "../kernel/alarm.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { el } from "../kernel/dom.ts";
import type { Alarm, Reason } from "../kernel/types.ts";
import type { App } from "../pages.ts";

export async function acknowledge(app: App, id: string, reason: Reason | null): Promise<void> {
  try {
    const path = `/alarms/${encodeURIComponent(id)}/acknowledge`;
    app.station.alarmCame(await api<Alarm>(path, { method: "POST", body: { reason } }));
  } catch (error) {
    app.failed(reasonOf(error));
  }
}

// What is left to be said about an alarm; null where nothing is, or not by this person.
export function actionsOf(app: App, alarm: Alarm): HTMLElement | null {
  if (!app.station.may("acknowledge") || (alarm.acknowledged_us !== null && alarm.reason !== null)) return null;
  const done = alarm.acknowledged_us !== null;
  const buttons = acknowledgeButtons((reason) => acknowledge(app, alarm.alarm_id, reason), {
    about: `${labelOf(alarm)}: `,
    more: done ? w.addReason : t.withReason,
    plain: !done,
  });
  return el("div", { class: "patient-actions" }, ...buttons);
}
