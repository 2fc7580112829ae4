// Who a patient is: shown to who has the right, and for an hour to who breaks the glass with a reason.
// `new Who(app, patient, { known })` belongs into any page; its tick() counts down, leave() hides.
// `known`: somebody said who that is (`identified` of GET /admissions); where that is not known, true.
import { ApiError, api, reasonOf, statusOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Identity } from "../kernel/types.ts";
import type { App } from "../pages.ts";
import { ask } from "./ask.ts";
import { button, explained, field, input } from "./parts.ts";
import { w } from "./words.ts";

const path = (patient: string, what: string): string => `/patients/${encodeURIComponent(patient)}/${what}`;
const broken = new Map<string, number>(); // by patient, until when; of this screen

// Asks for the reason and breaks the glass; until when it is broken, null when it was not.
export async function breakGlass(patient: string, who: string): Promise<number | null> {
  const reason = el("textarea", { name: "reason", required: true, minlength: 3, maxlength: 500, rows: 3 });
  const given = await ask({
    title: w.glassOf(who),
    content: [el("p", { class: "about", text: w.glassAbout }), field(w.reason, reason, w.reasonHint)],
    go: w.glass,
    answer: (said) => api<{ until_us: number }>(path(patient, "break-glass"), { method: "POST", body: said }),
    explain: (why) => explained(why, { patient: w.gone }),
  });
  if (given) broken.set(patient, given.until_us);
  return given?.until_us ?? null;
}

// Asks who that is, or says it anew; true when it was kept.
export async function enterIdentity(patient: string, who: string, known: Identity | null): Promise<boolean> {
  const kept = await ask({
    title: w.identityOf(who),
    content: [...identityFields(known, true), el("p", { class: "about", text: w.identityNote })],
    go: w.save,
    answer: async (said) => {
      await api(path(patient, "identity"), { method: "PUT", body: identityOf(said) });
      return true;
    },
    explain: (why) => explained(why, { identity: w.noKey, patient: w.gone }),
  });
  return kept ?? false;
}

export function identityFields(known: Identity | null, required = false): HTMLElement[] {
  return [
    field(w.name, input("name", { maxlength: 200, required, value: known?.name })),
    field(w.born, input("born", { type: "date", min: "1880-01-01", max: "2999-12-31", value: known?.born })),
    field(w.record, input("record_number", { maxlength: 64, value: known?.record_number })),
  ];
}

// What the fields say; null where nothing is said. Throws ApiError where the name alone is missing.
export function identityOf(said: Record<string, string>): Identity | null {
  const { name = "", born = "", record_number = "" } = said;
  if (!name && !born && !record_number) return null;
  if (!name) throw new ApiError(422, w.nameNeeded, "name");
  return { name, born: born || null, record_number: record_number || null };
}

export class Who {
  readonly node = el("span", { class: "office-who" });
  readonly #app: App;
  readonly #patient: string;
  readonly #glass = el("span", { class: "office-glass" });
  readonly #called: (() => string) | undefined;
  #known: boolean;
  #shown = false;

  // called: how the patient is called in sentences, where the ward does not know the bed yet
  constructor(app: App, patient: string, { known, called }: { known: boolean; called?: () => string }) {
    this.#app = app;
    this.#patient = patient;
    this.#known = known;
    this.#called = called;
    this.#hide();
  }

  // Somebody may have said meanwhile who that is.
  known(known: boolean): void {
    if (known === this.#known) return;
    this.#known = known;
    if (!this.#shown) this.#hide();
  }

  tick(): void {
    if (!this.#shown || this.#app.station.may("identity")) return;
    const until = broken.get(this.#patient);
    const left = until === undefined ? null : (until - this.#app.ward.now()) / 1e6;
    setText(this.#glass, left === null ? w.glassOpen : w.glassLeft(Math.max(0, left)));
    if (left === null || left > 0) return;
    broken.delete(this.#patient);
    this.#hide(w.glassOver);
  }

  leave(): void {
    this.#hide();
  }

  get #who(): string {
    return this.#called?.() ?? this.#app.ward.who(this.#patient);
  }

  #hide(note = ""): void {
    this.#shown = false;
    const { station } = this.#app;
    const may = station.may("identity");
    const label = (text: string) => ({ "aria-label": `${w.identityOf(this.#who)}: ${text}` });
    const nodes: (HTMLElement | string)[] = [];
    if (this.#known && (may || station.may("break_glass"))) {
      const text = may || broken.has(this.#patient) ? w.showIdentity : `${w.glass} \u2026`;
      nodes.push(button(text, () => this.#show(), label(text)));
    } else if (!this.#known && may)
      nodes.push(button(w.enterIdentity, () => this.#enter(null), label(w.enterIdentity)));
    else nodes.push(w.none);
    if (note) nodes.push(el("span", { class: "office-hint", role: "status", text: note }));
    this.node.replaceChildren(...nodes);
  }

  async #show(): Promise<void> {
    try {
      this.#tell(await this.#read());
    } catch (why) {
      if (why instanceof ApiError && why.status === 403) await this.#break();
      else this.#app.failed(this.#explain(why));
    }
  }

  async #break(): Promise<void> {
    if (!this.#app.station.may("break_glass")) {
      this.#app.failed(w.mayNotIdentity);
      return;
    }
    if ((await breakGlass(this.#patient, this.#who)) === null) return;
    try {
      this.#tell(await this.#read());
    } catch (why) {
      this.#hide();
      this.#app.failed(this.#explain(why));
    }
  }

  #read(): Promise<Identity> {
    return api<Identity>(path(this.#patient, "identity"));
  }

  #explain(why: unknown): string {
    if (statusOf(why) === 404) return w.unknown;
    return statusOf(why) === 409 ? w.noKey : reasonOf(why);
  }

  #tell(identity: Identity): void {
    this.#shown = true;
    const facts = [identity.name, identity.born, identity.record_number].filter((fact) => fact !== null);
    const hide = button(w.hideIdentity, () => this.#hide());
    const correct = button(w.correctIdentity, () => this.#enter(identity));
    this.node.replaceChildren(
      el("span", { class: "office-identity", text: facts.join(" \u00b7 ") }),
      ...(this.#app.station.may("identity") ? [correct] : [this.#glass]),
      hide,
    );
    this.tick();
    hide.focus();
  }

  async #enter(known: Identity | null): Promise<void> {
    if (!(await enterIdentity(this.#patient, this.#who, known))) return;
    this.#known = true;
    await this.#show();
  }
}
