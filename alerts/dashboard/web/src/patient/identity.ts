// Who a pseudonym is: never shown unasked, and with a reason where the role alone does not allow it.
import { w } from "../i18n/patient.ts";
import { reasonOf, statusOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Station } from "../kernel/station.ts";
import type { History, Identity } from "./history.ts";

export class IdentityView {
  readonly node: HTMLElement;
  readonly #history: History;
  readonly #button: HTMLButtonElement;
  readonly #facts = el("dl", { class: "patient-identity", hidden: true });
  readonly #fault = el("p", { class: "fault", role: "alert" });
  readonly #reason = el("input", { id: "patient-glass", minlength: 3, maxlength: 500, required: true });
  readonly #form: HTMLFormElement;

  constructor(station: Station, history: History) {
    this.#history = history;
    this.#button = el("button", { type: "button", text: w.showWho, "aria-expanded": "false" });
    this.#button.addEventListener("click", () => void this.#turn());
    this.#form = el(
      "form",
      { class: "patient-glass", hidden: true, onsubmit: (event: Event) => void this.#break(event) },
      el("p", { class: "about", text: w.glassAbout }),
      el("label", { for: "patient-glass", text: w.glassReason }),
      this.#reason,
      el("button", { text: w.breakGlass }),
    );
    this.node = el("div", { class: "patient-who" }, this.#button, this.#facts, this.#form, this.#fault);
    this.node.hidden = !station.may("identity") && !station.may("break_glass");
  }

  async #turn(): Promise<void> {
    setText(this.#fault, "");
    if (this.#facts.hidden && this.#form.hidden) await this.#read();
    else this.#show(null);
  }

  async #read(): Promise<void> {
    try {
      this.#show(await this.#history.identity());
    } catch (error) {
      if (statusOf(error) === 403) {
        this.#form.hidden = false;
        this.#reason.focus();
      } else setText(this.#fault, reasonOf(error));
    }
  }

  async #break(event: Event): Promise<void> {
    event.preventDefault();
    try {
      await this.#history.breakGlass(this.#reason.value);
      this.#reason.value = "";
      this.#form.hidden = true;
      await this.#read();
    } catch (error) {
      setText(this.#fault, reasonOf(error));
    }
  }

  #show(identity: Identity | null): void {
    const rows = identity
      ? ([
          [w.nameOf, identity.name],
          [w.born, identity.born],
          [w.record, identity.record_number],
        ] as const)
      : [];
    this.#facts.replaceChildren(
      ...rows.flatMap(([name, value]) => [el("dt", { text: name }), el("dd", { text: value || w.notSaid })]),
    );
    this.#facts.hidden = identity === null;
    this.#form.hidden = true;
    this.#button.setAttribute("aria-expanded", String(identity !== null));
    setText(this.#button, identity ? w.hideWho : w.showWho);
  }
}
