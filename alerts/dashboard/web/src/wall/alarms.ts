// The list of alarms, and acknowledging them.
import { reasons, t, technical } from "../i18n/index.ts";
import { acknowledgeButtons } from "../kernel/acknowledge.ts";
import { labelOf, level, mark, priorityName, said } from "../kernel/alarm.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { arrange, choice, el, setAttr, setText } from "../kernel/dom.ts";
import type { Alarm, Items, Reason } from "../kernel/types.ts";
import type { Ward } from "../kernel/ward.ts";

const RECENT = 50;
const REFRESH_MS = 10000;

export interface PanelEvents {
  review(alarm: Alarm): void;
  changed(alarm: Alarm): void;
  failed(why: string): void;
}

const part = (name: string): HTMLSpanElement => el("span", { class: name });

// One alarm in the list.
class Item {
  readonly node: HTMLLIElement;
  readonly #head = part("head");
  readonly #label = el("strong", { class: "label" });
  readonly #who = part("who");
  readonly #since = part("since");
  readonly #said = part("said");
  readonly #tags = part("tags");
  readonly #ladder = part("ladder");
  readonly #actions: HTMLElement | null;
  #alarm: Alarm;

  constructor(alarm: Alarm, actions: HTMLElement | null, review: (alarm: Alarm) => void) {
    this.#alarm = alarm;
    this.#actions = actions;
    const body = el(
      "button",
      { type: "button", class: "what", onclick: () => review(this.#alarm) },
      el("span", { class: "line" }, this.#head, this.#since),
      this.#label,
      this.#said,
      this.#who,
      this.#tags,
      this.#ladder,
    );
    this.node = el("li", { data: { alarmId: alarm.alarm_id } }, body, actions);
  }

  show(alarm: Alarm, ward: Ward): void {
    this.#alarm = alarm;
    setAttr(this.node, "data-alarm", level(alarm));
    setAttr(this.node, "data-presence", alarm.presence);
    const name = alarm.kind === "technical" ? technical : priorityName(alarm);
    setText(this.#head, `${mark(alarm)} ${name}`.trim());
    setText(this.#label, labelOf(alarm));
    setText(this.#who, ward.who(alarm.patient));
    setText(this.#said, said(alarm));
    setText(this.#since, `${clock(alarm.onset_us)} \u00b7 ${t.since((ward.now() - alarm.onset_us) / 1e6)}`);
    setText(this.#tags, tags(alarm).join(" \u00b7 "));
    const step = ward.escalation(alarm);
    setText(this.#ladder, step ? t.ladder(step, ((step.next_us ?? 0) - ward.now()) / 1e6) : "");
    setAttr(this.#ladder, "data-overdue", step?.overdue ? "" : null);
    if (this.#actions) this.#actions.hidden = alarm.acknowledged_us !== null;
  }
}

function tags(alarm: Alarm): string[] {
  const found: string[] = [];
  if (alarm.presence === "latched" || alarm.presence === "off") found.push(t.presences[alarm.presence]);
  if (alarm.acknowledged_us !== null)
    found.push(t.ackBy(alarm.acknowledged_by ?? "", alarm.reason && reasons[alarm.reason]));
  if (alarm.retrospective) found.push(t.retrospective);
  if (alarm.late) found.push(t.late);
  if (alarm.episodes > 1) found.push(t.episodes(alarm.episodes));
  return found;
}

export class AlarmPanel {
  readonly ward: Ward;
  readonly on: PanelEvents;
  readonly node: HTMLElement;
  mayAcknowledge = false;
  #recent: Alarm[] | null = null; // while the recent ones are shown
  readonly #items = new Map<string, Item>();
  readonly #count = el("span", { class: "count" });
  readonly #list = el("ul", { class: "list" });
  readonly #faults = el("ul", { class: "faults", "aria-labelledby": "faults-title" });
  readonly #faultsTitle = el("h3", { id: "faults-title", text: t.technicalAlarms });
  readonly #empty = el("p", { class: "empty" });

  constructor(ward: Ward, on: PanelEvents) {
    this.ward = ward;
    this.on = on;
    const which = choice(
      t.alarms,
      [
        ["open", t.open],
        ["recent", t.recent],
      ],
      "open",
      (wanted) => this.#which(wanted),
    );
    this.node = el(
      "aside",
      { class: "panel", "aria-label": t.alarms },
      el("header", {}, el("h2", { text: t.alarms }), this.#count, which),
      el("div", { class: "lists" }, this.#list, this.#faultsTitle, this.#faults, this.#empty),
      el("footer", { text: t.notDevice }),
    );
    setInterval(() => this.#recent && this.#load(), REFRESH_MS);
  }

  allow(may: boolean): void {
    this.mayAcknowledge = may;
    this.#items.clear();
    this.#list.replaceChildren();
    this.#faults.replaceChildren();
    this.show();
  }

  show(): void {
    const alarms = this.#recent?.map((a) => this.ward.alarms.get(a.alarm_id) ?? a) ?? this.ward.worstFirst();
    const wanted = new Set(alarms.map((a) => a.alarm_id));
    for (const [id, item] of this.#items) {
      if (wanted.has(id)) continue;
      item.node.remove();
      this.#items.delete(id);
    }
    for (const [list, technical] of [
      [this.#list, false],
      [this.#faults, true],
    ] as const) {
      const mine = alarms.filter((alarm) => (alarm.kind === "technical") === technical);
      arrange(
        list,
        mine.map((alarm) => this.#shown(alarm).node),
      );
      list.hidden = !mine.length;
    }
    this.#faultsTitle.hidden = this.#faults.hidden;
    const n = this.ward.waiting().length;
    setText(this.#count, String(n));
    setAttr(this.#count, "data-some", n ? "" : null);
    this.#empty.hidden = alarms.length > 0;
    setText(this.#empty, this.#recent ? t.noRecent : t.noAlarms);
  }

  async acknowledge(id: string, reason: Reason | null): Promise<void> {
    try {
      const path = `/alarms/${encodeURIComponent(id)}/acknowledge`;
      this.on.changed(await api<Alarm>(path, { method: "POST", body: { reason } }));
      if (this.#recent) await this.#load();
    } catch (error) {
      this.on.failed(reasonOf(error));
    }
  }

  actions(id: string): HTMLElement {
    return el("div", { class: "actions" }, ...acknowledgeButtons((reason) => this.acknowledge(id, reason)));
  }

  #shown(alarm: Alarm): Item {
    const id = alarm.alarm_id;
    let item = this.#items.get(id);
    if (!item) {
      item = new Item(alarm, this.mayAcknowledge ? this.actions(id) : null, (a) => this.on.review(a));
      this.#items.set(id, item);
    }
    item.show(alarm, this.ward);
    return item;
  }

  #which(which: "open" | "recent"): void {
    this.#recent = which === "recent" ? [] : null;
    this.show();
    if (this.#recent) void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const { items } = await api<Items<Alarm>>(`/alarms?state=all&limit=${RECENT}`);
      if (this.#recent) this.#recent = items;
      this.show();
    } catch (error) {
      this.on.failed(reasonOf(error));
    }
  }
}
