// The API, and the form that appears when it asks who is there.
import { t } from "../i18n/index.ts";
import { el, setText } from "./dom.ts";
import type { Right, Session } from "./types.ts";

export class ApiError extends Error {
  readonly status: number; // 0: the server did not answer
  readonly field: string | null; // what the server found wrong
  constructor(status: number, reason: string, field: string | null = null) {
    super(reason);
    this.status = status;
    this.field = field;
  }
}

export interface Ask {
  method?: "GET" | "POST" | "PUT" | "DELETE";
  body?: unknown;
}

const PATIENCE_MS = 10000;
let signInNeeded = (): void => {};

export function onSignInNeeded(handler: () => void): void {
  signInNeeded = handler;
}

// What `why` says, of whatever was caught.
export const reasonOf = (why: unknown): string => (why instanceof Error ? why.message : String(why));
export const statusOf = (why: unknown): number | null => (why instanceof ApiError ? why.status : null);

// The JSON of /api/v1`path`; null where the server says nothing (204). Throws ApiError. T is what the server promises.
export async function api<T>(path: string, ask: Ask = {}): Promise<T> {
  const response = await answered(path, ask);
  if (response.status === 204) return null as T;
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer as T;
  throw refused(path, response.status, answer);
}

// The bytes of /api/v1`path`. Throws ApiError.
export async function apiBytes(path: string): Promise<ArrayBuffer> {
  const response = await answered(path, {});
  if (response.ok) return response.arrayBuffer();
  throw refused(path, response.status, await response.json().catch(() => null));
}

async function answered(path: string, { method = "GET", body }: Ask): Promise<Response> {
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers: Record<string, string> = body === undefined ? {} : { "Content-Type": "application/json" };
  try {
    return await fetch(`/api/v1${path}`, { method, headers, signal: AbortSignal.timeout(PATIENCE_MS), ...content });
  } catch {
    throw new ApiError(0, t.unreachable);
  }
}

interface Fault {
  error?: { field?: string; reason?: string };
}

function refused(path: string, status: number, answer: Fault | null): ApiError {
  if (status === 401 && path !== "/session") signInNeeded();
  return new ApiError(status, answer?.error?.reason ?? `HTTP ${status}`, answer?.error?.field ?? null);
}

// Whether the person who is signed in may do that; the server decides all the same.
export function may(session: Session | null, right: Right): boolean {
  if (!session) return false;
  return (
    session.may?.includes(right) ??
    ((right === "acknowledge" || right === "limits") && session.may_acknowledge === true)
  );
}

// Resolves with the session once name and password are right.
export function askToSignIn(): Promise<Session> {
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
        const session = await api<Session>("/session", { method: "POST", body });
        screen.remove();
        resolve(session);
      } catch (error) {
        secret.value = "";
        setText(fault, reasonOf(error));
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
