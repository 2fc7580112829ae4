// #/patient/ID?t=MICROSECONDS: one patient, now and back to where signal is kept.
import "../style/patient-page.css";
import { w } from "../i18n/patient.ts";
import { el } from "../kernel/dom.ts";
import { hashOf, type Route } from "../kernel/route.ts";
import type { Alarm } from "../kernel/types.ts";
import type { Frame } from "../kernel/wire.ts";
import type { App, Page } from "../pages.ts";
import { Disclosure } from "./disclosure.ts";
import { Head } from "./head.ts";
import { History, type Story } from "./history.ts";
import { Notes } from "./notes.ts";
import { Past } from "./past.ts";
import { Strip } from "./strip.ts";
import { TrendView } from "./trends.ts";

const REFRESH_S = 60; // what has come since
const SETTLE_MS = 700; // changes of alarms come in swarms

export function open(app: App, route: Route): Page {
  if (route.id === null) return { node: el("main", { class: "page" }, el("p", { text: w.nobody })) };
  return new PatientPage(app, route.id, asked(route.query.get("t")));
}

class PatientPage implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #patient: string;
  readonly #head: Head;
  readonly #strip: Strip;
  readonly #full: Disclosure;
  readonly #trends: TrendView;
  readonly #past: Past;
  readonly #notes: Notes;
  readonly #escape = (event: KeyboardEvent) => this.#key(event);
  #seconds = 0;
  #names: number; // of conditions; they come a moment after who opens an address of this page
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(app: App, patient: string, at: number | null) {
    this.#app = app;
    this.#patient = patient;
    this.#names = app.ward.names.size;
    const history = new History(patient);
    const toStrip = (us: number) => this.#toStrip(us);
    this.#head = new Head(app, patient, history, (alarm) => toStrip(alarm.onset_us));
    const first = at ?? app.ward.alarmsOf(patient)[0]?.onset_us ?? null;
    this.#strip = new Strip(app, patient, history, first ?? app.ward.now(), (us) => this.#moved(us));
    this.#full = new Disclosure(app.ward, history, first ?? app.ward.now(), { chosen: toStrip });
    this.#trends = new TrendView(app.ward, history, toStrip);
    this.#past = new Past(app, history, { strip: toStrip, came: (stories) => this.#came(stories) });
    this.#notes = new Notes(app.station, history);
    const parts = [this.#strip, this.#full, this.#trends, this.#past, this.#notes];
    this.node = el(
      "main",
      { class: "page patient-page" },
      this.#head.node,
      el(
        "nav",
        { class: "patient-parts", "aria-label": w.parts },
        ...[w.strip, w.full, w.trends, w.alarms, w.notes].map((text, i) =>
          el("button", { type: "button", text, onclick: () => reach(parts[i]?.node) }),
        ),
      ),
      ...parts.map((part) => part.node),
    );
    document.body.append(this.#strip.sheet.node);
    document.addEventListener("keydown", this.#escape);
    if (first === null) this.#strip.toNow();
    else this.#strip.show(first);
    void this.#past.load();
  }

  tick(): void {
    this.#head.tick();
    if (this.#app.ward.names.size !== this.#names) {
      this.#names = this.#app.ward.names.size;
      this.#strip.renamed();
      this.#trends.renamed();
    }
    this.#seconds++;
    if (this.#seconds % REFRESH_S) return;
    void this.#trends.load();
    void this.#past.load();
    void this.#notes.load();
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
    clearTimeout(this.#settle);
    document.removeEventListener("keydown", this.#escape);
    for (const part of [this.#head, this.#strip, this.#full, this.#trends, this.#past]) part.leave();
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
    reach(this.#strip.node);
  }

  // Back to the wall, unless there is something nearer to leave.
  #key(event: KeyboardEvent): void {
    const inside = event.target instanceof Element && event.target.closest("input, textarea, select, dialog");
    if (event.key !== "Escape" || event.defaultPrevented || inside || document.querySelector("dialog[open]")) return;
    location.hash = hashOf("");
  }
}

// Scrolls there, and the keyboard goes along.
function reach(part: HTMLElement | undefined): void {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  part?.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
  part?.querySelector("h2")?.focus({ preventScroll: true });
}

function asked(text: string | null): number | null {
  const us = text === null || !/^\d{1,16}$/.test(text) ? Number.NaN : Number(text);
  return Number.isSafeInteger(us) && us > 0 ? us : null;
}
