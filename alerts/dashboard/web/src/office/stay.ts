// One patient of those who are here: transfer, discharge, give devices and end them.
import { labelOf } from "../kernel/alarm.ts";
import { api, reasonOf, statusOf } from "../kernel/api.ts";
import { type Child, el, setAttr, setText } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import type { Alarm, Stay } from "../kernel/types.ts";
import type { App } from "../pages.ts";
import { ask } from "./ask.ts";
import { moment } from "./figures.ts";
import { Who } from "./glass.ts";
import { pairDevice } from "./pair.ts";
import { button, explained, field, input, type Table } from "./parts.ts";
import { w } from "./words.ts";

export const BED = "[\\p{L}\\p{N}_ .:\\/#\\-]+"; // what the server takes
const of = (patient: string, what: string): string => `/patients/${encodeURIComponent(patient)}/${what}`;
const called = ({ bed, patient }: Stay): string => (bed ? `${bed} \u00b7 ${patient}` : patient);

// Why nobody can be laid into that bed.
export const badBed = (why: unknown, bed: string): string =>
  explained(why, { bed: statusOf(why) === 409 ? w.bedTaken(bed) : w.badBed, identity: w.noKey, patient: w.gone });

export class Row {
  readonly node: HTMLTableRowElement;
  readonly #app: App;
  readonly #done: (text: string) => Promise<void>;
  readonly #who: Who;
  readonly #bed = el("span");
  readonly #since = el("span");
  readonly #signal = el("span", { class: "office-signal" });
  readonly #devices = el("span", { class: "office-devices" });
  readonly #actions: HTMLElement;
  readonly #buttons: readonly HTMLButtonElement[];
  #stay: Stay;
  #worn: string | null = null;

  constructor(app: App, table: Table, stay: Stay, done: (text: string) => Promise<void>) {
    this.#app = app;
    this.#stay = stay;
    this.#done = done;
    this.#who = new Who(app, stay.patient, { known: stay.identified, called: () => called(this.#stay) });
    const link = el("a", { href: hashOf("patient", stay.patient), text: stay.patient });
    this.#buttons = this.#made();
    this.#actions = el("span", { class: "office-actions" }, ...this.#buttons);
    this.node = table.row([this.#bed, link, this.#who.node, this.#since, this.#signal, this.#devices, this.#actions]);
    this.show(stay);
  }

  show(stay: Stay): void {
    this.#stay = stay;
    setText(this.#bed, stay.bed || w.none);
    setText(this.#since, stay.since_us === null ? w.none : moment(stay.since_us, this.#app.ward.now()));
    for (const made of this.#buttons) setAttr(made, "aria-label", `${made.textContent}: ${called(stay)}`);
    this.#who.known(stay.identified);
    this.#wear();
    this.tick();
  }

  tick(): void {
    setText(this.#signal, this.#heard());
    this.#who.tick();
  }

  leave(): void {
    this.#who.leave();
  }

  focus(): void {
    this.#actions.querySelector("button")?.focus();
  }

  // Never as if it were live: what is old says so.
  #heard(): string {
    const { ward } = this.#app;
    const state = ward.states.get(this.#stay.patient);
    const vitals = state ? ward.vitals(state) : null;
    if (!vitals || vitals.ageS === null) return this.#stay.devices.length ? w.nothingYet : w.noDevice;
    if (vitals.stale) return w.silent(vitals.ageS);
    return vitals.leadOff ? w.leadOff : w.live(vitals.heartRate);
  }

  #wear(): void {
    const { devices } = this.#stay;
    if (this.#worn === devices.join()) return;
    this.#worn = devices.join();
    const may = this.#app.station.may("pair");
    const nodes = devices.flatMap((device): (Node | string)[] => {
      const end = button("\u00d7", () => this.#end(device), { "aria-label": w.endDevice(device), class: "office-end" });
      return may ? [el("span", { class: "office-device" }, device, end)] : [`${device} `];
    });
    this.#devices.replaceChildren(...(nodes.length ? nodes : [w.none]));
  }

  #made(): HTMLButtonElement[] {
    const { station } = this.#app;
    return [
      ...(station.may("pair") ? [button(w.pair, () => this.#pair())] : []),
      ...(station.may("admit") ? [button(w.transfer, () => this.#transfer())] : []),
      ...(station.may("admit") ? [button(w.discharge, () => this.#discharge())] : []),
    ];
  }

  async #pair(): Promise<void> {
    const device = await pairDevice(this.#app, this.#stay, called(this.#stay));
    if (device) await this.#done(w.paired(device));
  }

  async #transfer(): Promise<void> {
    const { patient } = this.#stay;
    const to = input("bed", { required: true, maxlength: 32, pattern: BED, title: w.badBed });
    let wanted = "";
    const bed = await ask({
      title: w.transferOf(called(this.#stay)),
      content: [field(w.newBed, to)],
      go: w.transfer,
      answer: async ({ bed = "" }) => {
        wanted = bed;
        return (await api<{ bed: string }>(of(patient, "transfer"), { method: "POST", body: { bed } })).bed;
      },
      explain: (why) => badBed(why, wanted),
    });
    if (bed !== null) await this.#done(w.transferred(patient, bed));
  }

  async #discharge(): Promise<void> {
    const { patient } = this.#stay;
    const who = called(this.#stay);
    const gone = await ask({
      title: w.dischargeOf(who),
      content: [el("p", { class: "about", text: w.dischargeAbout })],
      go: w.discharge,
      answer: () => api<object>(of(patient, "discharge"), { method: "POST", body: {} }),
      explain: (why) => this.#heldBack(why),
    });
    if (gone) await this.#done(w.discharged(who));
  }

  // An open alarm of HIGH priority holds a patient here; which one, and what to do.
  #heldBack(why: unknown): Child {
    if (statusOf(why) !== 409) return explained(why, { patient: w.gone });
    const open = (alarm: Alarm) => alarm.priority === "high" && alarm.acknowledged_us === null;
    const alarms = this.#app.ward.alarmsOf(this.#stay.patient).filter(open);
    return el(
      "div",
      { class: "office-heldback" },
      el("p", { text: w.dischargeRefused }),
      ...alarms.map((alarm) => button(w.strip(labelOf(alarm)), () => this.#app.review(alarm))),
      alarms.length ? null : el("p", { text: reasonOf(why) }),
      el("p", { text: w.dischargeThen }),
    );
  }

  async #end(device: string): Promise<void> {
    const over = await ask({
      title: w.endDeviceOf(device, called(this.#stay)),
      content: [el("p", { class: "about", text: w.endAbout })],
      go: w.end,
      answer: async () => {
        await api(`/devices/${encodeURIComponent(device)}`, { method: "DELETE" });
        return true;
      },
      explain: (why) => reasonOf(why),
    });
    if (over) await this.#done(w.ended(device));
  }
}
