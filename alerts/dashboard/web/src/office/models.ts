// The students that there are: which one serves, what each had to show, how far a refresh is, and who signs.
import { choose } from "../i18n/index.ts";
import { de } from "../i18n/models.de.ts";
import { en } from "../i18n/models.en.ts";
import { api, reasonOf } from "../kernel/api.ts";
import { type Child, el, setText } from "../kernel/dom.ts";
import type { Items } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { ask } from "./ask.ts";
import { moment } from "./figures.ts";
import { button, field, input, num, Said, section, sheet, Table } from "./parts.ts";

const w = choose({ en, de });
const AGAIN_S = 5;
const FIRST = 5; // of what has drifted: the farthest come first

interface Line {
  version: string;
  parent: string | null;
  status: string;
  weights: string;
  made_us: number;
  reason: string;
}

interface Check {
  name: string;
  value: number | null;
  bound: number;
  ok: boolean;
  judged: boolean;
}

interface Shadow {
  windows: number;
  agreement: number | null;
  extra_per_patient_day: number;
}

interface Whole extends Line {
  steps: { step: string; by: string; reason: string; at_us: number }[];
  checks: Check[];
  shadow: Shadow | null;
}

interface Attempt {
  phase: string;
  share: number;
  ended_us: number | null;
  outcome: string | null;
  reason: string;
  candidate: string | null;
  told_us: number;
  detail: { windows?: number; patients?: number; drift?: string[]; waiting?: string };
}

const of = (version: string, what = ""): string => `/models/${encodeURIComponent(version)}${what}`;
const stepName = (step: string): string => w.steps[step] ?? step;
const figure = (value: number | null): string => (value === null ? w.none : String(Number(value.toPrecision(4))));

export function open(app: App): Page {
  return new Models(app);
}

class Models implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #said = new Said();
  readonly #drift = el("div", { class: "fault", role: "alert" });
  readonly #bar = el("progress", { max: 1, "aria-label": w.progress });
  readonly #stage = el("p", { class: "about", role: "status" });
  readonly #notSetUp = el("p", { class: "about", text: w.notSetUp });
  readonly #table = new Table(w.models, [w.version, w.status, w.made, w.parent, w.reason, w.actions], { spoken: true });
  readonly #whole = el("div");
  readonly #empty = el("p", { class: "empty", text: w.loading });
  #shown: string | null = null;
  #drifted = "";
  #seconds = 0;
  #left = false;

  constructor(app: App) {
    this.#app = app;
    this.#drift.hidden = this.#bar.hidden = this.#table.node.hidden = this.#notSetUp.hidden = true;
    const refresh = section(w.refresh, this.#bar, this.#stage, this.#notSetUp);
    const content = [this.#drift, this.#said.node, this.#table.node, this.#empty, refresh, this.#whole];
    this.node = sheet(w.models, [], [], ...content);
    void this.#load();
  }

  tick(): void {
    if (++this.#seconds % AGAIN_S === 0 && !this.#table.busy) void this.#load();
  }

  leave(): void {
    this.#left = true;
  }

  async #load(): Promise<void> {
    try {
      const [{ items, serves }, attempts] = await Promise.all([
        api<Items<Line> & { serves: string | null }>("/models"),
        api<Items<Attempt> & { scheduled: boolean | null }>("/refresh"),
      ]);
      if (this.#left) return;
      this.#table.show(items.map((line) => this.#row(line, line.version === serves)));
      this.#table.node.hidden = false;
      this.#empty.hidden = true;
      this.#attempt(attempts.items[0]);
      this.#notSetUp.hidden = attempts.scheduled !== false;
    } catch (why) {
      setText(this.#empty, w.notLoaded(reasonOf(why)));
      this.#empty.hidden = false;
    }
  }

  #attempt(latest: Attempt | undefined): void {
    const drift = latest?.detail.drift ?? [];
    this.#drift.hidden = !drift.length;
    const told = drift.join();
    if (told !== this.#drifted) {
      this.#drifted = told;
      const list = (some: string[]) => el("ul", {}, ...some.map((text) => el("li", { text })));
      const rest = drift.slice(FIRST);
      this.#drift.replaceChildren(el("strong", { text: w.drift }), list(drift.slice(0, FIRST)));
      if (rest.length) this.#drift.append(el("details", {}, el("summary", { text: w.more(rest.length) }), list(rest)));
    }
    this.#bar.hidden = latest === undefined || latest.ended_us !== null;
    if (latest === undefined) {
      setText(this.#stage, w.noRefresh);
      return;
    }
    this.#bar.value = latest.share;
    const { windows, patients, waiting } = latest.detail;
    const learned = windows === undefined ? "" : w.learned(windows, patients ?? 0);
    const now = latest.outcome ?? latest.phase;
    const stage = latest.outcome ? w.outcomes[now] : `${w.phases[now] ?? now}, ${w.went(latest.share)}`;
    const words = [moment(latest.told_us, this.#app.ward.now()), stage, learned, latest.reason || waiting];
    setText(this.#stage, words.filter(Boolean).join(" \u00b7 "));
  }

  #row(line: Line, serves: boolean): HTMLTableRowElement {
    const { version, status } = line;
    const served = status === "promoted" || status === "restored";
    const state = serves ? el("strong", { text: w.serves }) : served ? w.served : stepName(status);
    const may = this.#app.station.may("models");
    const does = (text: string, onclick: () => unknown) =>
      button(text, onclick, { "aria-label": `${text}: ${version}` });
    const actions = el(
      "span",
      { class: "office-actions" },
      does(w.show, () => this.#open(version)),
    );
    if (may && (status === "shadowed" || status === "rolled-back"))
      actions.append(does(w.approve, () => this.#approve(line)));
    if (may && status === "approved") actions.append(does(w.promote, () => this.#promote(version)));
    if (may && ["registered", "passed", "shadowed", "approved"].includes(status))
      actions.append(does(w.refuse, () => this.#because(version, "/refuse", w.refuse, w.refuseOf(version), "")));
    if (may && serves && line.parent !== null)
      actions.append(
        does(w.rollBack, () => this.#because(version, "/rollback", w.rollBack, w.rollBackOf(version), w.rollBackAbout)),
      );
    const made = moment(line.made_us, this.#app.ward.now());
    const row = this.#table.row([version, state, made, line.parent ?? w.none, line.reason, actions]);
    row.dataset.version = version;
    row.dataset.status = status;
    return row;
  }

  async #done(what: string, version: string): Promise<void> {
    this.#said.say(w.done(what, version));
    await this.#load();
    if (this.#shown === version) await this.#open(version);
  }

  async #approve({ version, weights }: Line): Promise<void> {
    const digits = el("p", { class: "about" }, `${w.weights}: `, el("code", { text: weights.slice(0, 16) }));
    const why = input("reason", { maxlength: 500 });
    await this.#asked(version, "/approve", w.approve, w.approveOf(version), [
      [digits, el("p", { class: "about", text: w.approveAbout }), field(w.why, why)],
      (said) => ({ weights, reason: said.reason ?? "" }),
    ]);
  }

  async #promote(version: string): Promise<void> {
    const about = el("p", { class: "about", text: w.promoteAbout });
    await this.#asked(version, "/promote", w.promote, w.promoteOf(version), [[about], () => undefined]);
  }

  async #because(version: string, path: string, what: string, title: string, about: string): Promise<void> {
    const why = input("reason", { required: true, maxlength: 500 });
    const told = about ? el("p", { class: "about", text: about }) : null;
    await this.#asked(version, path, what, title, [
      [told, field(w.why, why)],
      (said) => ({ reason: said.reason ?? "" }),
    ]);
  }

  async #asked(
    version: string,
    path: string,
    what: string,
    title: string,
    [content, body]: [readonly Child[], (said: Record<string, string>) => unknown],
  ): Promise<void> {
    const given = await ask({
      title,
      content,
      go: what,
      answer: (said) => api<Line>(of(version, path), { method: "POST", body: body(said) }),
      explain: reasonOf,
    });
    if (given) await this.#done(what, version);
  }

  async #open(version: string): Promise<void> {
    try {
      const whole = await api<Whole>(of(version));
      this.#shown = version;
      this.#whole.replaceChildren(this.#gate(whole), this.#history(whole));
    } catch (why) {
      this.#said.fault(why);
    }
  }

  #gate({ version, checks, shadow }: Whole): HTMLElement {
    const title = w.gate(version);
    const table = new Table(title, [w.check, num(w.value), num(w.bound), w.result], { spoken: true });
    table.show(
      checks.map((check) => {
        const result = !check.judged ? w.few : check.ok ? w.held : w.failed;
        const row = table.row([check.name, figure(check.value), figure(check.bound), result]);
        row.dataset.ok = String(check.ok || !check.judged);
        return row;
      }),
    );
    const agreement = shadow?.agreement == null ? w.none : (100 * shadow.agreement).toFixed(1);
    const beside =
      shadow && el("p", { text: w.shadow(shadow.windows, agreement, figure(shadow.extra_per_patient_day)) });
    return section(title, checks.length ? table.node : el("p", { class: "empty", text: w.noGate }), beside);
  }

  #history({ steps, weights }: Whole): HTMLElement {
    const table = new Table(w.history, [w.when, w.what, w.by, w.reason], { spoken: true });
    const now = this.#app.ward.now();
    table.show(steps.map((step) => table.row([moment(step.at_us, now), stepName(step.step), step.by, step.reason])));
    return section(w.history, el("p", { class: "about" }, `${w.weights}: `, el("code", { text: weights })), table.node);
  }
}
