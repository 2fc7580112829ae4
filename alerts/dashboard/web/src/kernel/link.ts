// The live link: connects, watches for silence, comes back by itself with growing patience.
import { decodeMessage, type Message } from "./wire.ts";

const SILENCE_MS = 6500; // three heartbeats and a little
const FIRST_MS = 500;
const LONGEST_MS = 8000;

export interface LinkHandlers {
  message(message: Message): void;
  up(): void;
  down(): void;
  retry(): Promise<boolean>; // whether to try again
  seen(): number | null; // server time of the newest that was told, in microseconds
}

export class Link {
  readonly handlers: LinkHandlers;
  socket: WebSocket | null = null;
  tries = 0;
  isUp = false;
  downAt: number | null = null; // milliseconds on the performance clock
  lastAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(handlers: LinkHandlers) {
    this.handlers = handlers;
    setInterval(() => this.#watch(), 1000);
    window.addEventListener("online", () => this.#retryNow());
  }

  open(): void {
    this.close();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const seen = this.handlers.seen();
    const since = seen === null ? "" : `?seen_us=${Math.floor(seen)}`; // the server tells what was missed since
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live${since}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.lastAt = performance.now();
    socket.onmessage = (event: MessageEvent<ArrayBuffer>) => {
      if (socket === this.socket) this.#came(event.data);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.#lost();
    };
  }

  close(): void {
    clearTimeout(this.#timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // Signed out: nothing to come back to until someone signs in.
  rest(): void {
    this.close();
    this.isUp = false;
    this.downAt = null;
  }

  #came(data: ArrayBuffer): void {
    this.lastAt = performance.now();
    if (!this.isUp) {
      this.isUp = true;
      this.tries = 0;
      this.downAt = null;
      this.handlers.up();
    }
    let message: Message;
    try {
      message = decodeMessage(data);
    } catch {
      return; // one bad message must not take the wall down
    }
    this.handlers.message(message);
  }

  #lost(): void {
    this.close();
    this.isUp = false;
    this.downAt ??= performance.now();
    this.handlers.down();
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.tries++) * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#again(), wait);
  }

  async #again(): Promise<void> {
    if (await this.handlers.retry()) this.open();
  }

  #retryNow(): void {
    if (this.downAt === null) return;
    clearTimeout(this.#timer);
    void this.#again();
  }

  #watch(): void {
    if (this.socket && performance.now() - this.lastAt > SILENCE_MS) this.#lost();
  }
}
