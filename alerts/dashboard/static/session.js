// The API, and the form that appears when it asks who is there.
import { el, setText } from "./dom.js";
import { t } from "./strings.js";

export class ApiError extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

let signInNeeded = () => {};
export const onSignInNeeded = (handler) => (signInNeeded = handler);

export async function api(path, { method = "GET", body } = {}) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10000),
    });
  } catch {
    throw new ApiError(0, t.unreachable);
  }
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  if (response.status === 401 && path !== "/session") signInNeeded();
  throw new ApiError(response.status, answer?.error?.reason ?? `HTTP ${response.status}`);
}

// Resolves with the session once name and password are right.
export function askToSignIn() {
  return new Promise((resolve) => {
    const fault = el("p", { class: "fault", role: "alert" });
    const name = el("input", { id: "username", autocomplete: "username", required: true, maxlength: 64 });
    const secret = el("input", {
      id: "password",
      type: "password",
      autocomplete: "current-password",
      required: true,
      maxlength: 256,
    });
    const button = el("button", { class: "primary", text: t.signIn });
    const form = el(
      "form",
      { class: "signin", "aria-labelledby": "signin-title" },
      el("h1", { id: "signin-title", text: t.signInTitle }),
      el("label", { for: "username", text: t.username }),
      name,
      el("label", { for: "password", text: t.password }),
      secret,
      fault,
      button,
    );
    const screen = el("dialog", { class: "gate" }, form);
    screen.addEventListener("cancel", (event) => event.preventDefault());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      button.disabled = true;
      try {
        const body = { username: name.value, password: secret.value };
        const session = await api("/session", { method: "POST", body });
        screen.remove();
        resolve(session);
      } catch (error) {
        secret.value = "";
        setText(fault, error.message);
        secret.focus();
      } finally {
        button.disabled = false;
      }
    });
    document.body.append(screen);
    screen.showModal();
    name.focus();
  });
}
