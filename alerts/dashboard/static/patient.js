// What can be set for one patient: a pause of the sound, limits of their own; and who was told of an alarm.
import { el, setText } from "./dom.js";
import { api } from "./session.js";
import { clock, t } from "./strings.js";

const path = (patient) => `/patients/${encodeURIComponent(patient)}/limits`;

export class PatientCare {
  // on: {pause({patient, seconds}), resume(pause), failed(text)}
  constructor(ward, on) {
    this.ward = ward;
    this.on = on;
    this.may = false;
    this.pause = el("button", { type: "button", class: "patient-pause", onclick: () => this.#pause() });
    this.open = el("button", { type: "button", class: "limits-open", text: t.limits, "aria-expanded": "false", onclick: () => this.#turn() });
    this.form = el("form", { class: "limits", hidden: true, onsubmit: (event) => this.#save(event) });
    this.told = el("ul", { class: "told" });
    this.node = el("div", { class: "care" }, el("div", { class: "split" }, this.pause, this.open), this.form, this.told);
  }

  show(patient, alarm) {
    this.patient = patient;
    this.alarm = alarm;
    this.node.hidden = !this.ward.cares;
    this.form.hidden = true;
    this.open.setAttribute("aria-expanded", "false");
    this.told.replaceChildren();
    this.tick();
    if (this.ward.cares && alarm) this.#tell(alarm.alarm_id);
  }

  // The countdown.
  tick() {
    if (!this.patient) return;
    const paused = this.ward.pauseOf(this.patient);
    setText(this.pause, paused ? t.paused(this.ward.leftS(paused)) : t.pausePatient(this.ward.pauseS.at(-1)));
    this.pause.toggleAttribute("data-paused", Boolean(paused));
    this.pause.disabled = this.open.disabled = !this.may;
  }

  #pause() {
    const paused = this.ward.pauseOf(this.patient);
    if (paused) this.on.resume(paused);
    else this.on.pause({ patient: this.patient, seconds: this.ward.pauseS.at(-1) });
  }

  async #tell(id) {
    const { items } = await api(`/alarms/${encodeURIComponent(id)}/notifications`).catch(() => ({ items: [] }));
    if (this.alarm?.alarm_id !== id) return;
    this.told.replaceChildren(...items.map((one) => el("li", { text: t.told(one, clock) })));
  }

  async #turn() {
    const open = this.form.hidden;
    this.open.setAttribute("aria-expanded", String(open));
    if (!open) {
      this.form.hidden = true;
      return;
    }
    await this.#talk(() => api(path(this.patient)));
  }

  #save(event) {
    event.preventDefault();
    const limits = {};
    for (const input of this.form.querySelectorAll("input")) if (input.value !== "") limits[input.name] = Number(input.value);
    this.#talk(() => api(path(this.patient), { method: "PUT", body: { limits } }), t.limitsSaved);
  }

  async #talk(ask, note = "") {
    const patient = this.patient;
    try {
      const answer = await ask();
      if (patient === this.patient) this.#fill(answer, note);
    } catch (error) {
      const fault = this.form.querySelector(".fault");
      if (fault && !this.form.hidden) setText(fault, error.message);
      else this.on.failed(error.message);
    }
  }

  #fill({ limits, ward, history }, note) {
    const rows = ward.map((limit) =>
      el(
        "label",
        {},
        el("span", { text: limit.says }),
        el("input", {
          name: limit.name,
          type: "number",
          step: "any",
          min: String(limit.least),
          max: String(limit.greatest),
          value: limits[limit.name] === undefined ? "" : String(limits[limit.name]),
          placeholder: String(limit.ward),
        }),
        el("span", { class: "unit", text: t.within(limit) }),
      ),
    );
    const last = history[0];
    this.form.replaceChildren(
      el("p", { class: "about", text: t.limitsAbout }),
      ...rows,
      el("p", { class: "fault", role: "status", text: note }),
      el("p", { class: "about", text: last ? t.limitsBy(last.by, clock(last.at_us)) : t.limitsWard }),
      el("button", { class: "primary", text: t.limitsSave }),
    );
    this.form.hidden = false;
  }
}
