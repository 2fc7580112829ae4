// One's own account: where one is signed in, and one's own password. Reached by the name in the top bar.
import { api, reasonOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Items, SignIn } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { moment } from "./figures.ts";
import { button, explained, field, input, refused, Said, section, sheet, Table, values } from "./parts.ts";
import { chosen, passwordFields } from "./password.ts";
import { w } from "./words.ts";

export function open(app: App): Page {
  const { session } = app.station;
  if (!session) return refused(w.account);
  const title = w.ownAccount(session.username);
  if (!session.can_sign_out) return { node: sheet(title, [], [], el("p", { class: "empty", text: w.noSignIn })) };
  const said = new Said();
  return { node: sheet(title, [], [], sessions(app, said), password(said), said.node) };
}

function sessions(app: App, said: Said): HTMLElement {
  const table = new Table(w.ownSessions, [w.began, w.lastSeen, w.address, w.signedIn], { spoken: true });
  const empty = el("p", { class: "empty", text: w.loading });
  table.node.hidden = true;
  const load = async () => {
    try {
      const { items } = await api<Items<SignIn>>("/sessions");
      const at = (us: number) => moment(us, app.ward.now());
      table.show(
        items.map((one) => table.row([at(one.began_us), at(one.seen_us), one.from, one.here ? w.thisScreen : w.yes])),
      );
      table.node.hidden = false;
      empty.hidden = true;
    } catch (why) {
      setText(empty, w.notLoaded(reasonOf(why)));
    }
  };
  void load();
  const everywhere = button(w.signOutAll, async () => {
    try {
      await api("/sessions", { method: "DELETE" });
      location.reload();
    } catch (why) {
      said.fault(why);
    }
  });
  return section(w.ownSessions, table.node, empty, everywhere);
}

function password(said: Said): HTMLElement {
  const old = { type: "password", required: true, maxlength: 256, autocomplete: "current-password" };
  const form = el(
    "form",
    { class: "office-row" },
    field(w.oldPassword, input("old-password", old)),
    ...passwordFields(),
    el("button", { class: "primary", text: w.change }),
    el("p", { class: "office-hint", text: w.ownPasswordAbout }),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      const all = values(form);
      await api("/session/password", { method: "PUT", body: { old: all["old-password"], new: chosen(all) } });
      location.reload();
    } catch (why) {
      said.fault(explained(why, { old: w.oldWrong, new: w.passwordShort }));
    }
  });
  return section(w.ownPassword, form);
}
