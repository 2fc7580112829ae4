// One press acknowledges; the small one next to it opens the reasons, and one press on those does too.
import { reasons, t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { el } from "../kernel/dom.ts";
import { type Alarm, REASONS, type Reason } from "../kernel/types.ts";
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
  const name = `${alarm.label}: `;
  const choices = el(
    "div",
    { class: "reasons", hidden: true },
    ...REASONS.map((reason) =>
      el("button", {
        type: "button",
        text: reasons[reason],
        data: { reason },
        onclick: () => acknowledge(app, alarm.alarm_id, reason),
      }),
    ),
  );
  const more = el("button", {
    type: "button",
    class: "more",
    text: done ? w.addReason : t.withReason,
    "aria-label": name + (done ? w.addReason : `${t.acknowledge} ${t.withReason}`),
    "aria-expanded": "false",
  });
  const turn = (open: boolean) => {
    choices.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
  };
  more.addEventListener("click", () => turn(choices.hasAttribute("hidden")));
  choices.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    event.preventDefault();
    turn(false);
    more.focus();
  });
  const main = done
    ? null
    : el("button", {
        type: "button",
        class: "acknowledge",
        text: t.acknowledge,
        "aria-label": name + t.acknowledge,
        onclick: () => acknowledge(app, alarm.alarm_id, null),
      });
  return el("div", { class: "patient-actions" }, el("div", { class: "split" }, main, more), choices);
}
