// Chooses a period: a press for the last hours, two fields for anything else.
import { choice, el } from "../kernel/dom.ts";
import { hashOf } from "../kernel/route.ts";
import { fieldOf, usOf } from "./figures.ts";
import { field, input } from "./parts.ts";
import { boundsOf, type Period, queryOf } from "./period.ts";
import { w } from "./words.ts";

const OTHER = "between";

export interface Chosen {
  page: string; // whose address keeps it
  hours: readonly number[];
  until: boolean; // an end can be chosen, too
  chosen: Period;
  nowUs: number;
}

export function chooser(
  { page, hours, until, chosen, nowUs }: Chosen,
  onchoose: (period: Period) => void,
): HTMLElement {
  const keep = (period: Period) => {
    history.replaceState(null, "", hashOf(page, undefined, queryOf(period)));
    onchoose(period);
  };
  const bounds = boundsOf(chosen, nowUs);
  const from = input("from", { type: "datetime-local", required: true, value: fieldOf(bounds.since_us) });
  const end = bounds.until_us === null ? "" : fieldOf(bounds.until_us);
  const to = until ? input("until", { type: "datetime-local", value: end }) : null;
  to?.addEventListener("input", () => to.setCustomValidity(""));
  const fields = el(
    "form",
    { class: "office-between", hidden: "hours" in chosen },
    field(w.from, from),
    to && field(w.until, to),
    el("button", { text: w.show }),
  );
  fields.addEventListener("submit", (event) => {
    event.preventDefault();
    const [since_us, until_us] = [usOf(from.value), to ? usOf(to.value) : null];
    if (since_us === null) return;
    if (until_us !== null && until_us <= since_us) {
      to?.setCustomValidity(w.badPeriod);
      to?.reportValidity();
    } else keep({ since_us, until_us });
  });
  const options = [...hours.map((n) => [String(n), w.hours(n)] as const), [OTHER, until ? w.between : w.from] as const];
  const pressed = "hours" in chosen ? String(chosen.hours) : OTHER;
  const presses = choice(w.period, options, pressed, (value) => {
    fields.hidden = value !== OTHER;
    if (value === OTHER) from.focus();
    else keep({ hours: Number(value) });
  });
  return el("div", { class: "office-period" }, presses, fields);
}
