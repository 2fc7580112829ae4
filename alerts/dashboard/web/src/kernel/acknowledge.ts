// One press acknowledges; the small one next to it opens the reasons, and one press on those does too.
import { reasons, t } from "../i18n/index.ts";
import { el } from "./dom.ts";
import { REASONS, type Reason } from "./types.ts";

// about: of what, for who hears the buttons only; more: the words of the small one; plain: whether there is the large one.
export function acknowledgeButtons(
  say: (reason: Reason | null) => void,
  { about = "", more: words = t.withReason, plain = true } = {},
): readonly [split: HTMLElement, choices: HTMLElement] {
  const choices = el(
    "div",
    { class: "reasons", hidden: true },
    ...REASONS.map((reason) =>
      el("button", { type: "button", text: reasons[reason], data: { reason }, onclick: () => say(reason) }),
    ),
  );
  const more = el("button", { type: "button", class: "more", text: words, "aria-expanded": "false" });
  const main = el("button", { type: "button", class: "acknowledge", text: t.acknowledge, onclick: () => say(null) });
  if (about) {
    main.setAttribute("aria-label", about + t.acknowledge);
    more.setAttribute("aria-label", about + (plain ? `${t.acknowledge} ${words}` : words));
  }
  const turn = (open: boolean) => {
    choices.hidden = !open;
    more.setAttribute("aria-expanded", String(open));
  };
  more.addEventListener("click", () => turn(choices.hasAttribute("hidden")));
  choices.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    event.preventDefault();
    turn(false);
    more.focus();
  });
  return [el("div", { class: "split" }, plain ? main : null, more), choices];
}
