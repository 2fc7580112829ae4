// The pages besides the wall. One line each: it loads with the first visit, code, words and styles together.
import { t } from "./i18n/index.ts";
import type { Route } from "./kernel/route.ts";
import type { Station } from "./kernel/station.ts";
import type { Alarm, Right } from "./kernel/types.ts";
import type { Ward } from "./kernel/ward.ts";
import type { Frame } from "./kernel/wire.ts";

// What a page is given.
export interface App {
  readonly station: Station; // link, sound, session, may(right)
  readonly ward: Ward;
  failed(why: string): void; // a note at the foot of the screen: "That did not work: ..."
  review(of: Alarm | string): void; // the strip of an alarm, or the newest of a patient
}

// What a page gives back. Shown until another is asked for; every listener and timer of its own ends in leave().
export interface Page {
  readonly node: HTMLElement;
  tick?(): void; // every second while shown
  alarm?(alarm: Alarm): void; // an alarm came or changed
  frame?(frame: Frame): void; // live signal
  leave?(): void;
}

export interface PageModule {
  open(app: App, route: Route): Page | Promise<Page>;
}

export interface PageEntry {
  readonly name: string; // #/name
  readonly label: string | null; // in the top bar; null: reached from elsewhere
  readonly right?: Right; // shown in the top bar only to who has it
  load(): Promise<PageModule>;
}

export const PAGES: readonly PageEntry[] = [
  { name: "patient", label: null, load: () => import("./patient/page.ts") },
  { name: "list", label: t.pageNames.list, load: () => import("./wall/list.ts") },
  { name: "shift", label: t.pageNames.shift, right: "report", load: () => import("./office/shift.ts") },
  { name: "burden", label: t.pageNames.burden, right: "report", load: () => import("./office/burden.ts") },
  { name: "admit", label: t.pageNames.admit, right: "pair", load: () => import("./office/admit.ts") },
  { name: "people", label: t.pageNames.people, right: "people", load: () => import("./office/people.ts") },
  { name: "audit", label: t.pageNames.audit, right: "audit", load: () => import("./office/audit.ts") },
  { name: "models", label: t.pageNames.models, right: "models", load: () => import("./office/models.ts") },
  { name: "account", label: null, load: () => import("./office/account.ts") },
];

export const pageOf = (name: string): PageEntry | undefined => PAGES.find((page) => page.name === name);
