// Handing over: to whom, and what they should know; and who handed over before.
import { api, reasonOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Handover, Items } from "../kernel/types.ts";
import type { App } from "../pages.ts";
import { moment } from "./figures.ts";
import { field, input, Said, section, values } from "./parts.ts";
import { w } from "./words.ts";

export class Handovers {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #said = new Said();
  readonly #list = el("ul", { class: "office-handovers" });
  readonly #empty = el("p", { class: "empty", text: w.loading });
  readonly #names = el("datalist", { id: "office-handover-names" });
  #since = 0;

  constructor(app: App) {
    this.#app = app;
    const form = this.#form();
    this.node = el("div", { class: "office-handover" });
    if (app.station.may("note")) this.node.append(section(w.handover, form, this.#said.node));
    this.node.append(section(w.handovers, this.#list, this.#empty));
  }

  async load(since_us: number): Promise<void> {
    this.#since = since_us;
    try {
      this.#show((await api<Items<Handover>>(`/handovers?since_us=${since_us}`)).items);
    } catch (why) {
      this.#empty.hidden = false;
      setText(this.#empty, w.notLoaded(reasonOf(why)));
    }
  }

  #show(items: readonly Handover[]): void {
    const now = this.#app.ward.now();
    this.#list.replaceChildren(
      ...items.map(({ by, to, text, at_us }) =>
        el(
          "li",
          {},
          el("strong", { text: w.fromTo(by, to) }),
          el("time", { text: moment(at_us, now) }),
          el("p", { text }),
        ),
      ),
    );
    const names = [...new Set(items.flatMap(({ by, to }) => [by, to]))].sort();
    this.#names.replaceChildren(...names.map((value) => el("option", { value })));
    this.#empty.hidden = items.length > 0;
    setText(this.#empty, w.noHandovers);
  }

  #form(): HTMLElement {
    const to = input("to", { required: true, maxlength: 64, list: "office-handover-names" });
    const text = el("textarea", { name: "text", required: true, maxlength: 2000, rows: 3 });
    const go = el("button", { class: "primary", text: w.handOver });
    const form = el(
      "form",
      { class: "office-form" },
      field(w.to, to),
      field(w.handoverText, text, w.handoverHint),
      el("div", { class: "split" }, go),
      this.#names,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      try {
        const given = await api<Handover>("/handovers", { method: "POST", body: values(form) });
        form.reset();
        this.#said.say(w.handedOver(given.to));
        await this.load(this.#since);
      } catch (why) {
        this.#said.fault(why);
      } finally {
        go.disabled = false;
      }
    });
    return form;
  }
}
