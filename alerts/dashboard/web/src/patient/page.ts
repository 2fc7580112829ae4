// #/patient/ID?t=MICROSECONDS: one patient, now and back to where signal is kept. Of who is not here (imported, or has
// left) the newest that is kept.
import "../style/patient-page.css";
import { w } from "../i18n/patient.ts";
import { el } from "../kernel/dom.ts";
import { hashOf, type Route } from "../kernel/route.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Frame } from "../kernel/wire.ts";
import type { App, Page } from "../pages.ts";
import { Consents } from "./consent.ts";
import { Disclosure } from "./disclosure.ts";
import { Head } from "./head.ts";
import { History, type Story } from "./history.ts";
import { Notes } from "./notes.ts";
import { Past } from "./past.ts";
import { Reach } from "./reach.ts";
import { Strip } from "./strip.ts";
import { TrendView } from "./trends.ts";

const REFRESH_S = 60; // what has come since
const SETTLE_MS = 700; // changes of alarms come in swarms
const GONE_S = 10; // between questions where the signal of someone who is not here lies, until it is told

export async function open(app: App, route: Route): Promise<Page> {
  if (route.id === null) return { node: el("main", { class: "page" }, el("p", { text: w.nobody })) };
  const history = new History(route.id);
  const reach = new Reach(app.ward, route.id, history);
  if (reach.isGone) await reach.ask(); // of who is here, nothing is waited for
  return new PatientPage(app, route.id, history, reach, asked(route.query.get("t")));
}

class PatientPage implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #patient: string;
  readonly #reach: Reach;
  readonly #head: Head;
  readonly #strip: Strip;
  readonly #full: Disclosure;
  readonly #trends: TrendView;
  readonly #past: Past;
  readonly #notes: Notes;
  readonly #consents: Consents;
  readonly #escape = (event: KeyboardEvent) => this.#key(event);
  #left = false;
  #seconds = 0;
  #names: number; // of conditions; they come a moment after who opens an address of this page
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, patient: string, history: History, reach: Reach, at: number | null) {
    this.#app = app;
    this.#patient = patient;
    this.#reach = reach;
    this.#names = app.ward.names.size;
    const toStrip = (us: number) => this.#toStrip(us);
    this.#head = new Head(app, patient, history, reach, (alarm) => toStrip(alarm.onset_us));
    const first = at ?? app.ward.alarmsOf(patient)[0]?.onset_us ?? null;
    this.#strip = new Strip(app, patient, history, reach, (us) => this.#moved(us));
    this.#full = new Disclosure(reach, history, first ?? reach.latest, { chosen: toStrip });
    this.#trends = new TrendView(app.ward, history, reach, toStrip);
    this.#past = new Past(app, history, reach, { strip: toStrip, came: (stories) => this.#came(stories) });
    this.#notes = new Notes(app.station, history);
    this.#consents = new Consents(app.station, history);
    const parts = [this.#strip, this.#full, this.#trends, this.#past, this.#notes, this.#consents];
    this.node = el(
      "main",
      { class: "page patient-page" },
      this.#head.node,
      el(
        "nav",
        { class: "patient-parts", "aria-label": w.parts },
        ...[w.strip, w.full, w.trends, w.alarms, w.notes, w.consent].map((text, i) =>
          el("button", { type: "button", text, onclick: () => goTo(parts[i]?.node) }),
        ),
      ),
      ...parts.map((part) => part.node),
    );
    document.body.append(this.#strip.sheet.node);
    document.addEventListener("keydown", this.#escape);
    if (first === null) this.#strip.toNow();
    else this.#strip.show(first);
    void this.#past.load();
    reach.found = () => this.#bound();
    void this.#full.drawn.then(() => this.#rest());
  }

  // What lies further down waits for what is in sight: the server answers all of it with the same core.
  #rest(): void {
    if (this.#left) return;
    for (const part of [this.#trends, this.#notes, this.#consents]) void part.load();
  }

  tick(): void {
    this.#head.tick();
    if (this.#reach.isGone && this.#seconds % GONE_S === 0) void this.#reach.ask();
    if (this.#app.ward.names.size !== this.#names) {
      this.#names = this.#app.ward.names.size;
      this.#strip.renamed();
      this.#trends.renamed();
    }
    this.#seconds++;
    if (this.#seconds % REFRESH_S) return;
    this.#rest();
    void this.#past.load();
    this.#full.refresh();
  }

  alarm(alarm: Alarm): void {
    if (alarm.patient !== this.#patient) return;
    this.#head.tick();
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => void this.#past.load(), SETTLE_MS);
  }

  frame(frame: Frame): void {
    if (frame.patient === this.#patient) this.#head.frame(frame);
  }

  leave(): void {
    this.#left = true;
    clearTimeout(this.#settle);
    document.removeEventListener("keydown", this.#escape);
    for (const part of [this.#head, this.#strip, this.#full, this.#trends, this.#past]) part.leave();
  }

  // Opened before it was known who is here; or the patient has left meanwhile.
  #bound(): void {
    if (this.#left) return;
    this.#head.tick();
    this.#strip.settle();
    this.#full.bound();
    void this.#trends.load();
    void this.#past.load();
  }

  #came(stories: readonly Story[]): void {
    this.#strip.mark(stories);
    this.#full.mark(stories);
    this.#trends.mark(stories);
  }

  // The address names the moment, so that it can be passed on; nothing is opened anew for it.
  #moved(us: number): void {
    history.replaceState(null, "", hashOf("patient", this.#patient, { t: us }));
    this.#full.frame(this.#strip.t0, this.#strip.t1);
  }

  #toStrip(us: number): void {
    this.#strip.show(us);
    goTo(this.#strip.node);
  }

  // Back to the wall, unless there is something nearer to leave.
  #key(event: KeyboardEvent): void {
    const inside = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
    if (event.key !== "Escape" || event.defaultPrevented || inside || document.querySelector("dialog[open]")) return;
    location.hash = hashOf("");
  }
}

// Scrolls there, and the keyboard goes along.
function goTo(part: HTMLElement | undefined): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  part?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  part?.querySelector("h2")?.focus({ preventScroll: true });
}

function asked(text: string | null): number | null {
  const us = text === null || !/^\d{1,16}$/.test(text) ? Number.NaN : Number(text);
  return Number.isSafeInteger(us) && us > 0 ? us : null;
}
