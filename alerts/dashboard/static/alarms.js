// The list of alarms, and acknowledging them.
import { arrange, choice, el, setAttr, setText } from "./dom.js";
import { api } from "./session.js";
import { clock, reasons, t, technical } from "./strings.js";
import { level, mark, priorityName, said } from "./tile.js";
import { waiting } from "./ward.js";

const RECENT = 50;
const REFRESH_MS = 10000;

export class AlarmPanel {
  // on: {review(alarm), changed(alarm), failed(text)}
  constructor(ward, on) {
    this.ward = ward;
    this.on = on;
    this.mayAcknowledge = false;
    this.recent = null; // an array while the recent ones are shown
    this.items = new Map();
    this.count = el("span", { class: "count" });
    this.list = el("ul", { class: "list" });
    this.empty = el("p", { class: "empty" });
    this.node = el(
      "aside",
      { class: "panel", "aria-label": t.alarms },
      el(
        "header",
        {},
        el("h2", { text: t.alarms }),
        this.count,
        choice(t.alarms, [["open", t.open], ["recent", t.recent]], "open", (which) => this.#which(which)),
      ),
      this.list,
      this.empty,
      el("footer", { text: t.notDevice }),
    );
    setInterval(() => this.recent && this.#load(), REFRESH_MS);
  }

  allow(may) {
    this.mayAcknowledge = may;
    this.items.clear();
    this.list.replaceChildren();
    this.show();
  }

  show() {
    const alarms = this.recent ? this.recent.map((a) => this.ward.alarms.get(a.alarm_id) ?? a) : this.ward.worstFirst();
    const wanted = new Set(alarms.map((a) => a.alarm_id));
    for (const [id, item] of this.items) {
      if (wanted.has(id)) continue;
      item.node.remove();
      this.items.delete(id);
    }
    for (const alarm of alarms) {
      if (!this.items.has(alarm.alarm_id)) this.items.set(alarm.alarm_id, this.#item(alarm));
      this.#update(this.items.get(alarm.alarm_id), alarm);
    }
    arrange(this.list, alarms.map((a) => this.items.get(a.alarm_id).node));
    const n = [...this.ward.alarms.values()].filter(waiting).length;
    setText(this.count, String(n));
    setAttr(this.count, "data-some", n ? "" : null);
    this.empty.hidden = alarms.length > 0;
    setText(this.empty, this.recent ? t.noRecent : t.noAlarms);
  }

  async acknowledge(id, reason) {
    try {
      const alarm = await api(`/alarms/${encodeURIComponent(id)}/acknowledge`, { method: "POST", body: { reason } });
      this.on.changed(alarm);
      if (this.recent) await this.#load();
    } catch (error) {
      this.on.failed(error.message);
    }
  }

  #which(which) {
    this.recent = which === "recent" ? [] : null;
    this.show();
    if (this.recent) this.#load();
  }

  async #load() {
    try {
      const { items } = await api(`/alarms?state=all&limit=${RECENT}`);
      if (this.recent) this.recent = items;
      this.show();
    } catch (error) {
      this.on.failed(error.message);
    }
  }

  #item(alarm) {
    const id = alarm.alarm_id;
    const part = (tag, name) => el(tag, { class: name });
    const item = {
      alarm,
      head: part("span", "head"),
      label: part("strong", "label"),
      who: part("span", "who"),
      since: part("span", "since"),
      said: part("span", "said"),
      tags: part("span", "tags"),
      ladder: part("span", "ladder"),
    };
    const body = el(
      "button",
      { type: "button", class: "what", onclick: () => this.on.review(item.alarm) },
      el("span", { class: "line" }, item.head, item.since),
      item.label,
      item.said,
      item.who,
      item.tags,
      item.ladder,
    );
    item.actions = this.mayAcknowledge ? this.actions(id) : null;
    item.node = el("li", { data: { alarmId: id } }, body, item.actions);
    return item;
  }

  // One press acknowledges; the small one next to it opens the reasons, and one press on those does too.
  actions(id) {
    const choices = el(
      "div",
      { class: "reasons", hidden: true },
      ...Object.entries(reasons).map(([code, text]) =>
        el("button", { type: "button", text, data: { reason: code }, onclick: () => this.acknowledge(id, code) }),
      ),
    );
    const more = el("button", { type: "button", class: "more", text: t.withReason, "aria-expanded": "false" });
    const turn = (open) => {
      choices.hidden = !open;
      more.setAttribute("aria-expanded", String(open));
    };
    more.addEventListener("click", () => turn(choices.hidden));
    choices.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      event.preventDefault();
      turn(false);
      more.focus();
    });
    const main = el("button", {
      type: "button",
      class: "acknowledge",
      text: t.acknowledge,
      onclick: () => this.acknowledge(id, null),
    });
    return el("div", { class: "actions" }, el("div", { class: "split" }, main, more), choices);
  }

  #update(item, alarm) {
    item.alarm = alarm;
    setAttr(item.node, "data-alarm", level(alarm));
    setAttr(item.node, "data-presence", alarm.presence);
    const name = alarm.kind === "technical" ? technical : priorityName(alarm);
    setText(item.head, `${mark(alarm)} ${name}`.trim());
    setText(item.label, alarm.label);
    setText(item.who, this.ward.who(alarm.patient));
    setText(item.said, said(alarm));
    setText(item.since, `${clock(alarm.onset_us)} \u00b7 ${t.since((this.ward.now() - alarm.onset_us) / 1e6)}`);
    const tags = [];
    if (alarm.presence === "latched" || alarm.presence === "off") tags.push(t[alarm.presence]);
    if (alarm.acknowledged_us !== null) tags.push(t.ackBy(alarm.acknowledged_by, reasons[alarm.reason]));
    if (alarm.retrospective) tags.push(t.retrospective);
    if (alarm.late) tags.push(t.late);
    if (alarm.episodes > 1) tags.push(t.episodes(alarm.episodes));
    setText(item.tags, tags.join(" \u00b7 "));
    const step = this.ward.escalation(alarm);
    setText(item.ladder, step ? t.ladder(step, (step.next_us - this.ward.now()) / 1e6) : "");
    setAttr(item.ladder, "data-overdue", step?.overdue ? "" : null);
    if (item.actions) item.actions.hidden = alarm.acknowledged_us !== null;
  }
}
