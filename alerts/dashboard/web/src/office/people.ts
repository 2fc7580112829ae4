// Accounts: who may sign in, as what, and which role may do what.
import { api, reasonOf, statusOf } from "../kernel/api.ts";
import { el, setText } from "../kernel/dom.ts";
import type { Account, Items } from "../kernel/types.ts";
import type { App, Page } from "../pages.ts";
import { ask } from "./ask.ts";
import { button, explained, field, input, refused, Said, section, select, sheet, Table, values } from "./parts.ts";
import { chosen, passwordFields } from "./password.ts";
import { OF_ROLE, RIGHTS, ROLES } from "./rights.ts";
import { w } from "./words.ts";

const of = (username: string): string => `/people/${encodeURIComponent(username)}`;
const roleName = (role: string): string => (w.roles as Record<string, string>)[role] ?? role;
const roleOptions = ROLES.map((role) => [role, w.roles[role]] as const);
const natural = new Intl.Collator();

export function open(app: App): Page {
  return app.station.may("people") ? new People(app) : refused(w.people);
}

class People implements Page {
  readonly node: HTMLElement;
  readonly #app: App;
  readonly #said = new Said();
  readonly #empty = el("p", { class: "empty", text: w.loading });
  readonly #table = new Table(w.people, [w.account, w.role, w.signedIn, w.actionsHead], { spoken: true });

  constructor(app: App) {
    this.#app = app;
    const adding = section(w.addPerson, this.#form());
    const rights = section(w.whoMay, rightsTable());
    this.node = sheet(w.people, [], [], adding, this.#said.node, this.#table.node, this.#empty, rights);
    this.#table.node.hidden = true;
    void this.#load();
  }

  async #load(): Promise<void> {
    try {
      const { items } = await api<Items<Account>>("/people");
      items.sort((a, b) => natural.compare(a.username, b.username));
      this.#table.show(items.map((account) => this.#row(account)));
      this.#table.node.hidden = false;
      this.#empty.hidden = true;
    } catch (why) {
      setText(this.#empty, w.notLoaded(reasonOf(why)));
    }
  }

  async #done(text: string): Promise<void> {
    this.#said.say(text);
    await this.#load();
  }

  #row(account: Account): HTMLTableRowElement {
    const { username, role, sessions } = account;
    const mine = username === this.#app.station.session?.username;
    const name = mine ? `${username} (${w.you})` : username;
    const does = (text: string, onclick: () => unknown) =>
      button(text, onclick, { "aria-label": `${text}: ${username}` });
    const actions = el(
      "span",
      { class: "office-actions" },
      does(w.changeRole, () => this.#role(account)),
      does(w.newPassword, () => this.#password(username)),
      does(w.remove, () => this.#remove(username)),
    );
    return this.#table.row([name, roleName(role), w.screens(sessions), actions]);
  }

  async #role({ username, role }: Account): Promise<void> {
    const given = await ask({
      title: w.changeRoleOf(username),
      content: [field(w.role, select("role", roleOptions, role))],
      go: w.change,
      answer: (said) => api<Account>(of(username), { method: "PUT", body: { role: said.role } }),
      explain,
    });
    if (given) await this.#done(w.changed(username, roleName(given.role)));
  }

  async #password(username: string): Promise<void> {
    const given = await ask({
      title: w.newPasswordOf(username),
      content: [...passwordFields(), el("p", { class: "about", text: w.passwordAbout })],
      go: w.newPassword,
      answer: (said) => api<Account>(of(username), { method: "PUT", body: { password: chosen(said) } }),
      explain,
    });
    if (given) await this.#done(w.passwordSet(username));
  }

  async #remove(username: string): Promise<void> {
    const gone = await ask({
      title: w.removeOf(username),
      content: [el("p", { class: "about", text: w.removeAbout })],
      go: w.remove,
      answer: async () => {
        await api(of(username), { method: "DELETE" });
        return true;
      },
      explain,
    });
    if (gone) await this.#done(w.removed(username));
  }

  #form(): HTMLElement {
    const name = input("username", { required: true, maxlength: 64, pattern: "[\\w.:\\-]+" });
    const form = el(
      "form",
      { class: "office-row" },
      field(w.username, name),
      field(w.role, select("role", roleOptions, "nurse")),
      ...passwordFields(),
      el("button", { class: "primary", text: w.add }),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const said = values(form);
      try {
        const body = { username: said.username, role: said.role, password: chosen(said) };
        const { username } = await api<Account>("/people", { method: "POST", body });
        form.reset();
        await this.#done(w.added(username));
      } catch (why) {
        this.#said.fault(explained(why, { username: w.taken(said.username ?? ""), password: w.passwordShort }));
      }
    });
    return form;
  }
}

function explain(why: unknown): string {
  if (statusOf(why) === 404) return w.noSuch;
  return explained(why, { username: w.lastAdministrator, password: w.passwordShort });
}

function rightsTable(): HTMLElement {
  const table = new Table(w.whoMay, [w.right, ...ROLES.map((role) => w.roles[role])], { spoken: true });
  table.table.classList.add("office-rights");
  table.show(
    RIGHTS.map((right) => {
      const cells = ROLES.map((role) => {
        const may = OF_ROLE[role].includes(right);
        return el("span", { class: may ? "office-yes" : "office-no", text: may ? `\u2713 ${w.yes}` : w.no });
      });
      const row = table.row([w.rights[right], ...cells]);
      row.dataset.right = right;
      return row;
    }),
  );
  return table.node;
}
