// What became of the alarms of the last seven days: who acknowledged, why, how long it took, who was told.
import { reasons, t, technical } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { labelOf, level, mark, priorityName, said } from "../kernel/alarm.ts";
import { reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { el, setText } from "../kernel/dom.ts";
import type { App } from "../pages.ts";
import { actionsOf } from "./acknowledge.ts";
import type { History, Story } from "./history.ts";
import type { Reach } from "./reach.ts";
import { ackSeconds } from "./story.ts";
import { moment } from "./when.ts";

const SINCE_US = 7 * 86400e6;

export interface PastEvents {
  strip(us: number): void; // to be shown
  came(stories: readonly Story[]): void; // what is known now
}

export class Past {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #history: History;
  readonly #reach: Reach;
  readonly #on: PastEvents;
  readonly #list = el("ol", { class: "patient-stories" });
  readonly #fault = el("p", { class: "patient-note", role: "status" });
  readonly #opened = new Set<string>(); // whose course is unfolded
  #loads = 0;
  #shown = "";

  constructor(app: App, history: History, reach: Reach, on: PastEvents) {
    this.#app = app;
    this.#history = history;
    this.#reach = reach;
    this.#on = on;
    this.node = el(
      "section",
      { class: "patient-past", "aria-label": w.alarms },
      el("header", {}, el("h2", { text: w.alarms, tabindex: "-1" })),
      this.#list,
      this.#fault,
    );
  }

  leave(): void {
    this.#loads++;
  }

  async load(): Promise<void> {
    const load = ++this.#loads;
    try {
      const found = await this.#history.stories(this.#reach.latest - SINCE_US);
      if (load !== this.#loads) return;
      const key = JSON.stringify(found);
      if (key === this.#shown) return;
      this.#shown = key;
      this.#list.replaceChildren(...found.map((story) => this.#row(story)));
      setText(this.#fault, found.length ? "" : this.#reach.isGone ? w.noStoriesThen : w.noStories);
      this.#on.came(found);
    } catch (error) {
      if (load === this.#loads) setText(this.#fault, t.failed(reasonOf(error)));
    }
  }

  #row(story: Story): HTMLElement {
    const name = story.kind === "technical" ? technical : priorityName(story);
    const lines = [this.#when(story), this.#who(story), this.#why(story), this.#told(story)].filter(Boolean);
    return el(
      "li",
      { data: { alarm: level(story), presence: story.presence, story: story.alarm_id } },
      el(
        "div",
        { class: "patient-story-head" },
        el("span", { class: "head", text: `${mark(story)} ${name}`.trim() }),
        el("button", {
          type: "button",
          class: "patient-link",
          text: `${labelOf(story)} ${moment(story.onset_us)}`,
          title: w.toStrip(labelOf(story), clock(story.onset_us)),
          onclick: () => this.#on.strip(story.onset_us),
        }),
        story.retrospective || story.late ? el("strong", { class: "patient-late", text: lateness(story) }) : null,
      ),
      el("p", { text: said(story) }),
      ...lines.map((text) => el("p", { class: "patient-tags", text })),
      story.presence === "off" || story.acknowledged_us !== null ? actionsOf(this.#app, story) : null,
      this.#course(story),
    );
  }

  #when(story: Story): string {
    const end = story.ended_us ?? (story.active ? this.#app.ward.now() : null);
    const seconds = end === null ? null : (end - story.onset_us) / 1e6;
    const parts = [
      t.presences[story.presence],
      seconds === null ? "" : story.active ? w.lasting(seconds) : w.lasted(seconds),
      w.raisedAfter((story.raised_us - story.onset_us) / 1e6),
      story.episodes > 1 ? t.episodes(story.episodes) : "",
    ];
    return parts.filter(Boolean).join(" \u00b7 ");
  }

  #who(story: Story): string {
    const seconds = ackSeconds(story);
    if (story.acknowledged_us === null || seconds === null) return w.notAcknowledged;
    return w.acknowledged(story.acknowledged_by ?? "", moment(story.acknowledged_us), seconds);
  }

  #why(story: Story): string {
    if (story.acknowledged_us === null) return "";
    return story.reason ? w.reasonWas(reasons[story.reason]) : w.noReason;
  }

  #told(story: Story): string {
    if (!story.notifications.length) return w.toldNobody;
    return `${w.told}: ${story.notifications.map((one) => t.told(one, clock)).join("; ")}`;
  }

  // Every transition as it was stored, and every step of the ladder.
  #course(story: Story): HTMLElement {
    const steps = [
      ...story.events.map((e) => {
        const how = [w.actions[e.action] ?? e.action, e.by ? w.by(e.by) : "", e.reason ? reasons[e.reason] : ""];
        return { at: e.at_us, text: `${moment(e.at_us)} ${how.filter(Boolean).join(" \u00b7 ")}` };
      }),
      ...story.escalations.map((e) => ({ at: e.at_us, text: w.climbed(e.owner, moment(e.at_us)) })),
    ].sort((a, b) => a.at - b.at);
    const details = el(
      "details",
      {},
      el("summary", { text: w.course }),
      el("ul", {}, ...steps.map(({ text }) => el("li", { text }))),
    );
    details.open = this.#opened.has(story.alarm_id);
    details.addEventListener("toggle", () => {
      if (details.open) this.#opened.add(story.alarm_id);
      else this.#opened.delete(story.alarm_id);
    });
    return details;
  }
}

const lateness = (story: Story): string =>
  [story.retrospective ? w.retrospective : "", story.late ? w.late : ""].filter(Boolean).join(", ").toUpperCase();
