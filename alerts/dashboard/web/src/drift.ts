// A technical notice of the whole ward: what comes in, or what is found, is not what the rhythm model learned from.
import { t } from "./i18n/index.ts";
import { api } from "./kernel/api.ts";
import { el, setText } from "./kernel/dom.ts";
import { kept } from "./kernel/kept.ts";
import { hashOf } from "./kernel/route.ts";
import type { Items } from "./kernel/types.ts";

const AGAIN_MS = 5 * 60_000; // it comes with a refresh, of which there is one a day at most
const READ = "drift-read";

interface Attempt {
  refresh_id: number;
  detail: { drift?: string[] };
}

// Stands until somebody has read it, and again with the next refresh that sees drift.
export class DriftNotice {
  readonly node: HTMLElement;
  readonly #text = el("span");
  #seen = ""; // the refresh that saw it
  #asking = false;

  constructor() {
    this.node = el(
      "div",
      { class: "notice technical", role: "status", hidden: true },
      this.#text,
      el("a", { href: hashOf("models"), text: t.pageNames.models }),
      el("button", { type: "button", text: t.close, onclick: () => this.#read() }),
    );
  }

  // Somebody is there: from now on it is looked for.
  begin(): void {
    void this.#look();
    if (this.#asking) return;
    this.#asking = true;
    setInterval(() => void this.#look(), AGAIN_MS);
  }

  async #look(): Promise<void> {
    const none: Items<Attempt> = { items: [] };
    const { items } = await api<Items<Attempt>>("/refresh").catch(() => none); // the link's own banner says why
    const latest = items.find(({ detail }) => detail.drift); // one that goes on may not have looked yet
    const drift = latest?.detail.drift ?? [];
    this.#seen = String(latest?.refresh_id ?? "");
    this.node.hidden = !drift.length || kept.get(READ, "") === this.#seen;
    setText(this.#text, drift.length ? t.drift(drift.length) : "");
  }

  #read(): void {
    kept.set(READ, this.#seen);
    this.node.hidden = true;
  }
}
