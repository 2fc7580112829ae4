// A device for a patient: a one-time code, shown large until it is used or expires.
import { api } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Items, Stay } from "../kernel/types.ts";
import type { App } from "../pages.ts";
import { held } from "./ask.ts";
import { button, explained } from "./parts.ts";
import { w } from "./words.ts";

const LOOK_EVERY = 2; // seconds

interface Offer {
  code: string;
  until_us: number;
}

// Resolves when the dialog is closed; with the device, if one was paired meanwhile.
export async function pairDevice(app: App, stay: Stay, who: string): Promise<string | null> {
  let offer = await offered(app, stay.patient);
  if (!offer) return null;
  const before = new Set(stay.devices);
  let device: string | null = null;
  let looking = false;
  let seconds = 0;
  const code = el("output", { class: "office-code", "aria-label": w.code });
  const left = el("p", { class: "office-left", role: "timer" });
  const said = el("p", { class: "office-said", role: "status", text: w.waiting });
  const renew = button(w.newCode, () => void again());
  const close = button(w.close, () => dialog.close(), { class: "primary" });
  const dialog = el(
    "dialog",
    { class: "office-ask office-pair", "aria-labelledby": "office-pair-title" },
    el("h2", { id: "office-pair-title", text: w.pairOf(who) }),
    el("p", { class: "about", text: w.pairAbout }),
    code,
    left,
    said,
    el("div", { class: "split" }, renew, close),
  );

  const show = () => {
    const seconds = offer ? (offer.until_us - app.ward.now()) / 1e6 : 0;
    setText(code, device || seconds <= 0 || !offer ? "" : `${offer.code.slice(0, 4)} ${offer.code.slice(4)}`);
    setText(left, device ? "" : seconds > 0 ? w.codeLeft(seconds) : w.codeOver);
  };
  const look = async () => {
    looking = true;
    const none: Items<Stay> = { items: [] };
    const { items } = await api<Items<Stay>>("/admissions").catch(() => none);
    looking = false;
    device ??= items.find((one) => one.patient === stay.patient)?.devices.find((one) => !before.has(one)) ?? null;
    if (!device) return;
    clearInterval(timer);
    setText(said, w.paired(device));
    renew.hidden = true;
    show();
  };
  const again = async () => {
    offer = await offered(app, stay.patient);
    show();
  };
  const timer = setInterval(() => {
    show();
    if (++seconds % LOOK_EVERY === 0 && !looking) void look();
  }, 1000);
  show();
  return new Promise((resolve) => {
    held(dialog, () => {
      clearInterval(timer);
      resolve(device);
    });
    close.focus();
  });
}

async function offered(app: App, patient: string): Promise<Offer | null> {
  try {
    return await api<Offer>(`/patients/${encodeURIComponent(patient)}/pairing`, { method: "POST", body: {} });
  } catch (why) {
    app.failed(explained(why, { patient: w.gone }));
    return null;
  }
}
