// The frame around every page: top bar, alarm list, strip; and which page is shown. The wall is always there.
import { t } from "./i18n/index.ts";
import { labelOf } from "./kernel/alarm.ts";
import { api, reasonOf } from "./kernel/api.ts";
import { choice, el, setText } from "./kernel/dom.ts";
import { kept } from "./kernel/kept.ts";
import { alarmOf, hashOf, parseRoute } from "./kernel/route.ts";
import { Station } from "./kernel/station.ts";
import type { Alarm, Session } from "./kernel/types.ts";
import { type App, type Page, pageOf } from "./pages.ts";
import { PatientCare } from "./patient/care.ts";
import { Review } from "./patient/review.ts";
import { TopBar } from "./topbar.ts";
import { AlarmPanel } from "./wall/alarms.ts";
import { Wall } from "./wall/wall.ts";

const TICK_MS = 200;
const SOON_MS = 30; // after an alarm: those that come together are shown together
const SLOW_MS = 1000;
const NOTE_MS = 6000;

export class Shell implements App {
  readonly station: Station;
  readonly wall: Wall;
  readonly #care: PatientCare;
  readonly #strip: Review;
  readonly #panel: AlarmPanel;
  readonly #top: TopBar;
  readonly #tools: HTMLElement;
  readonly #floor: HTMLElement;
  readonly #spoken = el("div", { class: "spoken", "aria-live": "assertive" });
  readonly #note = el("div", { class: "toast", role: "status" });
  #noteTimer: ReturnType<typeof setTimeout> | undefined;
  #page: Page | null = null;
  #asked = 0; // counts visits: a page that loads slowly must not come after its successor
  #linked = ""; // the alarm of the address, opened once
  #drawn = -1;
  #soon: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.station = new Station({
      frame: (frame) => {
        this.wall.frame(frame);
        this.#page?.frame?.(frame);
      },
      alarm: (alarm, before) => this.#alarm(alarm, before),
      announce: (alarm) =>
        setText(this.#spoken, t.announce(alarm.priority, labelOf(alarm), this.ward.who(alarm.patient))),
      status: () => this.#status(),
      entered: (session) => this.#entered(session),
      ready: () => void this.#openLinked(),
      stationChosen: () => {
        this.#top.pauses();
        this.#status();
      },
      missed: (alarms) => this.#top.missed(alarms),
      resumed: () => this.wall.repaint(),
      failed: (why) => this.failed(why),
    });
    const { station } = this;
    this.#care = new PatientCare(this.ward, {
      pause: (wanted) => void station.pauseSound(wanted),
      resume: (pause) => void station.resumeSound(pause),
      failed: (why) => this.failed(why),
    });
    const actions = (alarm: Alarm) => (this.#panel.mayAcknowledge ? this.#panel.actions(alarm.alarm_id) : null);
    this.#strip = new Review(this.ward, actions, this.#care);
    this.#panel = new AlarmPanel(this.ward, {
      review: (alarm) => this.review(alarm),
      changed: (alarm) => station.alarmCame(alarm),
      failed: (why) => this.failed(why),
    });
    this.wall = new Wall(this.ward, (patient) => this.review(this.ward.alarmsOf(patient)[0] ?? patient));
    this.#tools = wallTools(this.wall);
    this.#top = new TopBar(station, this.#tools);
    this.#floor = el("div", { class: "floor" }, this.wall.node, this.#panel.node);
  }

  get ward() {
    return this.station.ward;
  }

  begin(): void {
    const top = [this.#top.node, ...this.#top.banners];
    document.body.append(...top, this.#floor, this.#strip.dialog, this.#spoken, this.#note);
    document.addEventListener("pointerdown", () => {
      this.wall.heldAt = performance.now();
    });
    for (const end of ["pointerup", "pointercancel"])
      document.addEventListener(end, () => {
        this.wall.heldAt = Number.NEGATIVE_INFINITY;
      });
    document.addEventListener("keydown", (event) => this.#key(event));
    window.addEventListener("hashchange", () => {
      void this.#visit();
      void this.#openLinked();
    });
    this.#status();
    setInterval(() => this.#tick(), TICK_MS);
    setInterval(() => this.#slow(), SLOW_MS);
    void this.station.enter();
  }

  review(of: Alarm | string): void {
    if (typeof of === "string") this.#strip.latest(of);
    else this.#strip.ofAlarm(of);
  }

  failed(why: string): void {
    setText(this.#note, t.failed(why));
    clearTimeout(this.#noteTimer);
    this.#noteTimer = setTimeout(() => setText(this.#note, ""), NOTE_MS);
  }

  #entered(session: Session): void {
    this.#top.entered(session);
    this.#panel.allow(this.station.may("acknowledge"));
    this.#care.may = this.station.may("limits");
    void this.#visit();
  }

  #alarm(alarm: Alarm, before: Alarm | undefined): void {
    this.#strip.changed(alarm);
    this.#page?.alarm?.(alarm);
    if (before?.presence === alarm.presence && before.priority === alarm.priority) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#draw();
    }, SOON_MS);
  }

  #status(): void {
    this.#top.show();
    this.#care.tick();
    this.#strip.tick();
  }

  #tick(): void {
    this.#draw();
    this.#status();
    this.station.listen();
  }

  #draw(): void {
    if (this.ward.revision === this.#drawn || this.wall.held) return;
    this.#drawn = this.ward.revision;
    this.wall.sort();
    this.#panel.show();
  }

  // Pages of the wall, and from wherever one is to the worst alarm that waits. No letters: what is typed stays text.
  #key(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "F8") this.#toWorst();
    else if (!this.#turn(event)) return;
    event.preventDefault();
  }

  // Whether the key turned the page: not while something else is shown, or scrolled through.
  #turn({ key, target }: KeyboardEvent): boolean {
    const by = { PageDown: 1, PageUp: -1 }[key];
    const elsewhere = target instanceof Element && target.closest(".panel, .top") !== null;
    if (by === undefined || this.#page || elsewhere || this.wall.pages < 2) return false;
    this.wall.turn(this.wall.page + by);
    return true;
  }

  #toWorst(): void {
    if (this.#page) location.hash = hashOf("");
    setTimeout(() => this.wall.toWorst()); // after the wall is shown again
  }

  #slow(): void {
    this.wall.sort(); // ages change the order without any message
    this.#panel.show();
    this.#page?.tick?.();
  }

  // Shows the page of the address. Nothing is asked of the server before someone is signed in.
  async #visit(): Promise<void> {
    if (!this.station.session) return;
    const visit = ++this.#asked;
    const route = alarmOf(location.hash) ? null : parseRoute(location.hash);
    if (route?.page === "" || alarmOf(location.hash)) {
      this.#show(null, "");
      return;
    }
    try {
      const module = await (route ? pageOf(route.page)?.load() : undefined);
      const page = module && route ? await module.open(this, route) : lost();
      if (visit === this.#asked) this.#show(page, route?.page ?? "?");
      else page.leave?.();
    } catch (error) {
      if (visit === this.#asked) this.failed(reasonOf(error));
    }
  }

  #show(page: Page | null, name: string): void {
    this.#page?.leave?.();
    this.#page?.node.remove();
    this.#page = page;
    this.wall.node.hidden = this.#tools.hidden = page !== null;
    this.#top.at(name);
    if (page) this.#floor.prepend(page.node);
  }

  // The link of a notice. Opened once, when the ward is known, so that the strip bears its bed.
  async #openLinked(): Promise<void> {
    const id = alarmOf(location.hash);
    if (!id || id === this.#linked || !this.station.session) return;
    this.#linked = id;
    try {
      this.review(await api<Alarm>(`/alarms/${id}`));
    } catch (error) {
      this.failed(reasonOf(error));
    }
  }
}

function lost(): Page {
  const back = el("a", { href: hashOf(""), text: t.toWall });
  return { node: el("main", { class: "page" }, el("h2", { text: t.noPage }), el("p", {}, back)) };
}

// Order of the tiles and speed of the sweep, as this screen last had them.
function wallTools(wall: Wall): HTMLElement {
  const order = kept.get("order", "worst") === "fixed" ? "fixed" : "worst";
  const speed = kept.get("speed", "25") === "12.5" ? "12.5" : "25";
  wall.worst = order === "worst";
  wall.mmPerS = Number(speed);
  return el(
    "span",
    { class: "tools" },
    choice(
      t.order,
      [
        ["worst", t.worst],
        ["fixed", t.fixed],
      ],
      order,
      (value) => {
        kept.set("order", value);
        wall.setOrder(value === "worst");
      },
    ),
    choice(
      t.speed,
      [
        ["25", t.speedOf(25)],
        ["12.5", t.speedOf(12.5)],
      ],
      speed,
      (value) => {
        kept.set("speed", value);
        wall.mmPerS = Number(value);
      },
    ),
  );
}
