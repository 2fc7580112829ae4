// What can be set for one patient: a pause of the sound, limits of their own; and who was told of an alarm.
import { t } from "../i18n/index.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { clock } from "../kernel/clock.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Alarm, Items, Limits, Pause, PauseWanted, Told } from "../kernel/types.ts";
import type { Ward } from "../kernel/ward.ts";

export interface CareEvents {
  pause(wanted: PauseWanted): void;
  resume(pause: Pause): void;
  failed(why: string): void;
}

const path = (patient: string): string => `/patients/${encodeURIComponent(patient)}/limits`;

export class PatientCare {
  readonly ward: Ward;
  readonly on: CareEvents;
  readonly node: HTMLElement;
  may = false;
  #patient = "";
  #alarm: Alarm | null = null;
  readonly #pause = el("button", { type: "button", class: "patient-pause", onclick: () => this.#press() });
  readonly #open = el("button", {
    type: "button",
    class: "limits-open",
    text: t.limits,
    "aria-expanded": "false",
    onclick: () => this.#turn(),
  });
  readonly #form = el("form", { class: "limits", hidden: true, onsubmit: (event: Event) => this.#save(event) });
  readonly #told = el("ul", { class: "told" });

  constructor(ward: Ward, on: CareEvents) {
    this.ward = ward;
    this.on = on;
    const bar = el("div", { class: "split" }, this.#pause, this.#open);
    this.node = el("div", { class: "care" }, bar, this.#form, this.#told);
  }

  show(patient: string, alarm: Alarm | null): void {
    this.#patient = patient;
    this.#alarm = alarm;
    this.node.hidden = !this.ward.cares;
    this.#form.hidden = true;
    this.#open.setAttribute("aria-expanded", "false");
    this.#told.replaceChildren();
    this.tick();
    if (this.ward.cares && alarm) void this.#tell(alarm.alarm_id);
  }

  // The countdown.
  tick(): void {
    if (!this.#patient) return;
    const paused = this.ward.pauseOf(this.#patient);
    setText(this.#pause, paused ? t.paused(this.ward.leftS(paused)) : t.pausePatient(this.ward.longestPauseS));
    this.#pause.toggleAttribute("data-paused", Boolean(paused));
    this.#pause.disabled = this.#open.disabled = !this.may;
  }

  #press(): void {
    const paused = this.ward.pauseOf(this.#patient);
    if (paused) this.on.resume(paused);
    else this.on.pause({ patient: this.#patient, seconds: this.ward.longestPauseS });
  }

  async #tell(id: string): Promise<void> {
    const none: Items<Told> = { items: [] };
    const { items } = await api<Items<Told>>(`/alarms/${encodeURIComponent(id)}/notifications`).catch(() => none);
    if (this.#alarm?.alarm_id !== id) return;
    this.#told.replaceChildren(...items.map((one) => el("li", { text: t.told(one, clock) })));
  }

  async #turn(): Promise<void> {
    const open = this.#form.hidden;
    this.#open.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.#form.hidden = true;
      return;
    }
    await this.#talk(() => api(path(this.#patient)));
  }

  #save(event: Event): void {
    event.preventDefault();
    const limits: Record<string, number> = {};
    for (const input of this.#form.querySelectorAll("input"))
      if (input.value !== "") limits[input.name] = Number(input.value);
    void this.#talk(() => api(path(this.#patient), { method: "PUT", body: { limits } }), t.limitsSaved);
  }

  async #talk(ask: () => Promise<Limits>, note = ""): Promise<void> {
    const patient = this.#patient;
    try {
      const answer = await ask();
      if (patient === this.#patient) this.#fill(answer, note);
    } catch (error) {
      const fault = this.#form.querySelector(".fault");
      if (fault && !this.#form.hidden) setText(fault, reasonOf(error));
      else this.on.failed(reasonOf(error));
    }
  }

  #fill({ limits, ward, history }: Limits, note: string): void {
    const rows = ward.map((limit) =>
      el(
        "label",
        {},
        el("span", { text: limit.says }),
        el("input", {
          name: limit.name,
          type: "number",
          step: "any",
          min: limit.least,
          max: limit.greatest,
          value: limits[limit.name] ?? "",
          placeholder: limit.ward,
        }),
        el("span", { class: "unit", text: t.within(limit) }),
      ),
    );
    const last = history[0];
    this.#form.replaceChildren(
      el("p", { class: "about", text: t.limitsAbout }),
      ...rows,
      el("p", { class: "fault", role: "status", text: note }),
      el("p", { class: "about", text: last ? t.limitsBy(last.by, clock(last.at_us)) : t.limitsWard }),
      el("button", { class: "primary", text: t.limitsSave }),
    );
    this.#form.hidden = false;
  }
}
