// What the patient agreed to, and what studies choose by. Whoever may admit writes it down; the others read it.
import { t } from "../i18n/index.ts";
import { w } from "../i18n/patient.ts";
import { reasonOf, statusOf } from "../kernel/api.ts";
import { el, setAttr, setText } from "../kernel/dom.ts";
import type { Station } from "../kernel/station.ts";
import { type Consent, type History, SCOPES, type Scope, SEXES, type Subject } from "./history.ts";
import { moment } from "./when.ts";

export class Consents {
  readonly node: HTMLElement;
  readonly #history: History;
  readonly #rows: ReadonlyMap<Scope, Row>;
  readonly #said = el("p", { class: "patient-note", role: "status" });
  readonly #facts = el("p", { class: "patient-facts" });
  readonly #site = el("input", { id: "patient-site", maxlength: 64, pattern: "[A-Za-z0-9._:\\-]*", title: w.badSite });
  readonly #sex = el(
    "select",
    { id: "patient-sex" },
    ...SEXES.map((value) => el("option", { value, text: w.sexes[value] })),
  );
  readonly #born = el("input", { id: "patient-birth-year", type: "number", min: 1880, max: 2200, step: 1 });

  constructor(station: Station, history: History) {
    this.#history = history;
    const say = station.may("admit") ? (scope: Scope, given: boolean) => void this.#say(scope, given) : null;
    this.#rows = new Map(SCOPES.map((scope) => [scope, new Row(scope, say)]));
    const labelled = (text: string, control: HTMLElement) => [el("label", { for: control.id, text }), control];
    const form = el(
      "form",
      { class: "patient-subject", onsubmit: (event: Event) => void this.#describe(event) },
      ...labelled(w.site, this.#site),
      ...labelled(w.sex, this.#sex),
      ...labelled(w.birthYear, this.#born),
      el("button", { text: w.subjectSave }),
    );
    this.node = el(
      "section",
      { class: "patient-consent", "aria-label": w.consent },
      el("header", {}, el("h2", { text: w.consent, tabindex: "-1" })),
      el("ul", { class: "patient-consents" }, ...[...this.#rows.values()].map((row) => row.node)),
      el("p", { class: "patient-note", text: w.consentAbout }),
      el(
        "details",
        { ontoggle: () => void this.#ask() },
        el("summary", { text: w.subject }),
        this.#facts,
        say ? form : null,
      ),
      this.#said,
    );
  }

  async load(): Promise<void> {
    try {
      this.#show(await this.#history.consents());
    } catch (error) {
      this.node.hidden = statusOf(error) === 404; // nobody keeps an office here
      setText(this.#said, t.failed(reasonOf(error)));
    }
  }

  async #ask(): Promise<void> {
    try {
      this.#describes(await this.#history.subject());
    } catch (error) {
      setText(this.#said, t.failed(reasonOf(error)));
    }
  }

  #show(held: readonly Consent[]): void {
    for (const [scope, row] of this.#rows) row.show(held.find((one) => one.scope === scope) ?? null);
  }

  async #say(scope: Scope, given: boolean): Promise<void> {
    try {
      await this.#history.consent(scope, given);
      await this.load();
      setText(this.#said, w.consentKept(w.scopes[scope], given));
    } catch (error) {
      setText(this.#said, t.failed(reasonOf(error)));
    }
  }

  #describes({ site, sex, birth_year }: Subject): void {
    setText(this.#facts, w.subjectSays(site, w.sexes[sex], birth_year));
    this.#site.value = site;
    this.#sex.value = sex;
    this.#born.value = birth_year === null ? "" : String(birth_year);
  }

  // All of it is said at once; what is left empty is not known.
  async #describe(event: Event): Promise<void> {
    event.preventDefault();
    const subject: Subject = {
      site: this.#site.value.trim(),
      sex: SEXES.find((one) => one === this.#sex.value) ?? "unknown",
      birth_year: this.#born.value === "" ? null : Number(this.#born.value),
    };
    try {
      await this.#history.describe(subject);
      this.#describes(subject);
      setText(this.#said, w.subjectKept);
    } catch (error) {
      setText(this.#said, t.failed(reasonOf(error)));
    }
  }
}

// One scope: what holds, and two buttons of which one is pressed.
class Row {
  readonly node: HTMLElement;
  readonly #holds = el("span", { class: "patient-tags" });
  readonly #buttons: readonly HTMLButtonElement[];

  constructor(scope: Scope, say: ((scope: Scope, given: boolean) => void) | null) {
    const button = (given: boolean) =>
      el("button", {
        type: "button",
        text: w.agreed(given),
        "aria-pressed": "false",
        onclick: () => say?.(scope, given),
      });
    this.#buttons = say ? [button(true), button(false)] : [];
    const name = w.scopes[scope];
    this.node = el(
      "li",
      { data: { scope } },
      el("span", {}, el("strong", { text: name }), ` ${w.scopesAbout[scope]}`),
      say ? el("span", { class: "choice", role: "group", "aria-label": name }, ...this.#buttons) : null,
      this.#holds,
    );
  }

  show(held: Consent | null): void {
    setAttr(this.node, "data-given", held?.given ? "" : null);
    setText(this.#holds, held ? w.consentBy(held.given, held.by, moment(held.at_us)) : w.consentNone);
    for (const [i, button] of this.#buttons.entries())
      setAttr(button, "aria-pressed", String(held !== null && held.given === (i === 0)));
  }
}
