// The head of the patient page: who, how they are now, and the alarms that are open.
import { t, technical } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { labelOf, level, mark, priorityName, said } from "../kernel/alarm.ts";
import { clock } from "../kernel/clock.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Frame } from "../kernel/wire.ts";
import type { App } from "../pages.ts";
import { actionsOf } from "./acknowledge.ts";
import { PatientCare } from "./care.ts";
import type { History } from "./history.ts";
import { IdentityView } from "./identity.ts";
import { LiveStrip } from "./live.ts";
import type { Reach } from "./reach.ts";
import { moment } from "./when.ts";

const fact = (name: string, value: HTMLElement): HTMLElement => el("div", {}, el("dt", { text: name }), value);
const value = (): HTMLElement => el("dd");

export class Head {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #patient: string;
  readonly #reach: Reach;
  readonly #toStrip: (alarm: Alarm) => void;
  readonly #bed = el("h1");
  readonly #pseudonym = el("span", { class: "patient-pseudonym" });
  readonly #rate = el("dd", { class: "patient-rate" });
  readonly #quality = value();
  readonly #battery = value();
  readonly #age = value();
  readonly #findings = value();
  readonly #unknown = el("p", { class: "patient-gone", role: "status" });
  readonly #alarms = el("ul", { class: "patient-open" });
  readonly #live = new LiveStrip();
  readonly #care: PatientCare;
  #shown = "";

  constructor(app: App, patient: string, history: History, reach: Reach, toStrip: (alarm: Alarm) => void) {
    this.#app = app;
    this.#patient = patient;
    this.#reach = reach;
    this.#toStrip = toStrip;
    this.#care = new PatientCare(app.ward, {
      pause: (wanted) => void app.station.pauseSound(wanted).then(() => this.#care.tick()),
      resume: (pause) => void app.station.resumeSound(pause).then(() => this.#care.tick()),
      failed: (why) => app.failed(why),
    });
    this.#care.may = app.station.may("limits");
    const facts = el(
      "dl",
      { class: "patient-vitals" },
      fact(w.rate, this.#rate),
      fact(w.quality, this.#quality),
      fact(w.battery, this.#battery),
      fact(w.newest, this.#age),
      fact(w.findings, this.#findings),
    );
    this.node = el(
      "section",
      { class: "patient-head", "aria-label": w.page(app.ward.who(patient)) },
      el(
        "div",
        { class: "patient-name" },
        el("a", { href: hashOf(""), text: `\u2190 ${w.toWall}` }),
        this.#bed,
        this.#pseudonym,
        new IdentityView(app.station, history).node,
      ),
      facts,
      this.#live.node,
      this.#unknown,
      el("h2", { text: w.openAlarms }),
      this.#alarms,
      this.#care.node,
    );
    this.#care.show(patient, null);
    this.tick();
  }

  frame(frame: Frame): void {
    this.#live.frame(frame);
  }

  leave(): void {
    this.#live.leave();
  }

  // Numbers and ages; every second, and when an alarm changes.
  tick(): void {
    const { ward } = this.#app;
    const state = ward.states.get(this.#patient);
    setText(this.#bed, state?.bed || w.noBed);
    setText(this.#pseudonym, this.#patient);
    this.#live.node.hidden = this.#reach.isGone;
    setText(this.#unknown, this.#gone());
    this.#care.node.hidden = !ward.cares || this.#reach.isGone;
    this.#care.tick();
    this.#open(ward.alarmsOf(this.#patient));
    if (!state) {
      for (const node of [this.#rate, this.#quality, this.#battery, this.#findings]) setText(node, t.none);
      setText(this.#age, this.#reach.kept ? moment(this.#reach.kept.t1_us) : t.none);
      setAttr(this.#age, "data-old", null);
      return;
    }
    const vitals = ward.vitals(state);
    setText(this.#rate, vitals.heartRate === null ? t.none : `${vitals.heartRate} ${t.bpm}`);
    setAttr(this.#rate, "data-poor", vitals.usable ? null : "");
    const quality = vitals.usable || vitals.sqi === null ? "" : `, ${w.poor}`;
    setText(this.#quality, `${t.sqi(vitals.sqi)}${quality}`);
    setText(this.#battery, vitals.battery === null ? t.none : t.battery(vitals.battery));
    setText(this.#age, vitals.ageS === null ? t.noDataYet : t.age(vitals.ageS));
    setAttr(this.#age, "data-old", vitals.stale ? "" : null);
    setText(this.#findings, vitals.codes.map((code) => ward.name(code)).join(", ") || t.none);
    this.#live.show(vitals);
  }

  // Nothing will come: that is no fault, and of what time the newest is must be plain.
  #gone(): string {
    const { isGone, isKnown, kept } = this.#reach;
    if (!isGone) return "";
    return kept ? w.newestKept(moment(kept.t1_us)) : isKnown ? w.nothingKept : w.unknown;
  }

  // Built anew only when something changed: what is about to be pressed must stay.
  #open(alarms: Alarm[]): void {
    const key = JSON.stringify(alarms.map((a) => [a.alarm_id, a.episodes, a.presence, a.reason, a.message, a.late]));
    if (key === this.#shown) return;
    this.#shown = key;
    const rows = alarms.map((alarm) => this.#row(alarm));
    this.#alarms.replaceChildren(...(rows.length ? rows : [el("li", { class: "patient-note", text: w.noOpen })]));
  }

  #row(alarm: Alarm): HTMLElement {
    const tags = [
      t.presences[alarm.presence],
      alarm.retrospective ? w.retrospective : "",
      alarm.late ? w.late : "",
      alarm.episodes > 1 ? t.episodes(alarm.episodes) : "",
    ];
    const name = alarm.kind === "technical" ? technical : priorityName(alarm);
    return el(
      "li",
      { data: { alarm: level(alarm), presence: alarm.presence, of: alarm.alarm_id } },
      el("span", { class: "head", text: `${mark(alarm)} ${name}`.trim() }),
      el("button", {
        type: "button",
        class: "patient-link",
        text: `${labelOf(alarm)} ${clock(alarm.onset_us)}`,
        title: w.toStrip(labelOf(alarm), clock(alarm.onset_us)),
        onclick: () => this.#toStrip(alarm),
      }),
      el("span", { text: said(alarm) }),
      el("span", { class: "patient-tags", text: tags.filter(Boolean).join(" \u00b7 ") }),
      actionsOf(this.#app, alarm),
    );
  }
}
