// The top bar: name, how many, pages, what can be set on this screen, sound, time, person; and the banners.

import { DriftNotice } from "./drift.ts";
import { LANGUAGES, type Language, language, t } from "./i18n/index.ts";
import { labelOf } from "./kernel/alarm.ts";
import { clock } from "./kernel/clock.ts";
import { choice, el, setAttr, setText } from "./kernel/dom.ts";
import { kept } from "./kernel/kept.ts";
import { hashOf } from "./kernel/route.ts";
import type { Station } from "./kernel/station.ts";
import type { Alarm, Session } from "./kernel/types.ts";
import { PAGES } from "./pages.ts";

const MISSED_SHOWN = 3;

export class TopBar {
  readonly node: HTMLElement;
  readonly banners: readonly HTMLElement[];
  readonly #station: Station;
  readonly #summary = el("span", { class: "summary" });
  readonly #time = el("time", { class: "clock" });
  readonly #user = el("a", { class: "user", href: hashOf("account") });
  readonly #nav = el("nav", { class: "pages", "aria-label": t.pages, hidden: true });
  readonly #sound = el("button", { type: "button", class: "sound", onclick: () => this.#pressSound() });
  readonly #pause = el("button", { type: "button", class: "pause", onclick: () => this.#pressPause() });
  readonly #shorter = el("span", { class: "split" });
  readonly #signOut = el("button", { type: "button", text: t.signOut, hidden: true, onclick: () => this.#leave() });
  readonly #linkBanner = el("div", { class: "banner", role: "alert", hidden: true });
  readonly #missedText = el("span");
  readonly #missedBanner = el(
    "div",
    { class: "notice", role: "alert", hidden: true },
    this.#missedText,
    el("button", { type: "button", text: t.close, onclick: () => this.missed([]) }),
  );
  readonly #monitorBanner = el("div", { class: "banner", role: "alert", hidden: true });
  readonly #drift = new DriftNotice();

  // tools: what belongs to the wall alone, shown with it
  constructor(station: Station, tools: HTMLElement) {
    this.#station = station;
    this.banners = [this.#linkBanner, this.#monitorBanner, this.#missedBanner, this.#drift.node];
    this.node = el(
      "header",
      { class: "top" },
      el("h1", { text: t.title }),
      this.#summary,
      this.#nav,
      el("span", { class: "space" }),
      tools,
      this.#sound,
      this.#pause,
      this.#shorter,
      this.#time,
      this.#user,
      languages(),
      this.#signOut,
    );
  }

  // Somebody is there: their name, and the pages that they may see.
  entered(session: Session): void {
    setText(this.#user, session.username);
    this.#signOut.hidden = !session.can_sign_out;
    const shown = PAGES.filter((page) => page.label && (!page.right || this.#station.may(page.right)));
    const links = [{ name: "", label: t.pageNames.wall }, ...shown];
    this.#nav.replaceChildren(...links.map(({ name, label }) => el("a", { href: hashOf(name), text: label })));
    this.#nav.hidden = !shown.length;
    if (session.models) this.#drift.begin();
  }

  // Which page is shown; "" is the wall.
  at(name: string): void {
    for (const link of this.#nav.children)
      setAttr(link, "aria-current", link.getAttribute("href") === hashOf(name) ? "page" : null);
  }

  // The pauses that may be chosen.
  pauses(): void {
    const shorter = this.#station.ward.pauseS.slice(0, -1);
    this.#shorter.replaceChildren(
      ...shorter.map((s) =>
        el("button", {
          type: "button",
          text: t.short(s),
          title: t.pause(s),
          onclick: () => this.#station.pressPause(s),
        }),
      ),
    );
  }

  // Alarms that began and ended while this screen could not hear; stands until somebody has read it.
  missed(alarms: readonly Alarm[]): void {
    this.#missedBanner.hidden = !alarms.length;
    const { ward } = this.#station;
    const told = alarms.slice(0, MISSED_SHOWN).map((a) => `${clock(a.onset_us)} ${labelOf(a)}, ${ward.who(a.patient)}`);
    setText(this.#missedText, t.missed(alarms.length, told.join("; ")));
  }

  // Everything that changes by itself.
  show(): void {
    const { link, ward } = this.#station;
    this.#warn();
    setAttr(document.body, "data-link", link.isUp ? "up" : "down");
    const open = ward.waiting().length;
    const known = link.isUp || ward.states.size > 0;
    setText(this.#summary, known ? `${t.patients(ward.states.size)} \u00b7 ${t.openAlarms(open)}` : t.connecting);
    setAttr(this.#summary, "title", this.#summary.textContent);
    if (document.title !== t.pageTitle(open)) document.title = t.pageTitle(open);
    setText(this.#time, clock(ward.now()));
    this.#audible();
  }

  #warn(): void {
    const { lostS, monitorIsDown, monitorAgeS } = this.#station;
    this.#linkBanner.hidden = lostS === null;
    if (lostS !== null) setText(this.#linkBanner, t.linkLost(lostS));
    this.#monitorBanner.hidden = !monitorIsDown;
    const since = monitorAgeS === null ? "" : ` ${t.monitorSince(monitorAgeS)}`;
    if (monitorIsDown) setText(this.#monitorBanner, t.monitorDown + since);
  }

  #audible(): void {
    const { sound, ward } = this.#station;
    setText(this.#sound, sound.enabled ? t.soundOn : t.soundOff);
    setAttr(this.#sound, "data-off", sound.enabled ? null : "");
    setAttr(this.#sound, "title", sound.enabled ? t.soundTest : null);
    this.#pause.hidden = !sound.enabled;
    const held = ward.stationPause();
    const left = sound.pauseLeftS || (held ? ward.leftS(held) : 0);
    setText(this.#pause, left > 0 ? t.paused(left) : t.pause(ward.longestPauseS));
    setAttr(this.#pause, "data-paused", left > 0 ? "" : null);
    this.#shorter.hidden = !sound.enabled || left > 0;
  }

  #pressSound(): void {
    const { sound } = this.#station;
    if (sound.enabled) sound.test();
    else void sound.enable();
  }

  #pressPause(): void {
    this.#station.pressPause(this.#station.ward.longestPauseS);
  }

  #leave(): void {
    void this.#station.leave();
  }
}

// The words stand in every element: another language is another page.
function languages(): HTMLElement {
  const options = Object.keys(LANGUAGES).map((name): [Language, string] => [name as Language, name.toUpperCase()]);
  const node = choice(t.language, options, language, (chosen) => {
    kept.set("language", chosen);
    location.reload();
  });
  node.classList.add("languages");
  [...node.children].forEach((button, i) => {
    const name = options[i]?.[0] ?? language;
    setAttr(button, "lang", name);
    setAttr(button, "title", LANGUAGES[name]);
  });
  return node;
}
