// The live link: connects, watches for silence, comes back by itself with growing patience.
import { decodeMessage } from "./wire.js";

const SILENCE_MS = 6500; // three heartbeats and a little
const FIRST_MS = 500;
const LONGEST_MS = 8000;

export class Link {
  // handlers: message({kind, patient, payload}), up(), down(), retry() -> whether to try again
  constructor(handlers) {
    this.handlers = handlers;
    this.socket = null;
    this.tries = 0;
    this.isUp = false;
    this.downAt = null;
    this.lastAt = 0;
    setInterval(() => this.#watch(), 1000);
    window.addEventListener("online", () => this.#retryNow());
  }

  open() {
    this.close();
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/v1/live`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.lastAt = performance.now();
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.lastAt = performance.now();
      if (!this.isUp) {
        this.isUp = true;
        this.tries = 0;
        this.downAt = null;
        this.handlers.up();
      }
      let message;
      try {
        message = decodeMessage(event.data);
      } catch {
        return; // one bad message must not take the wall down
      }
      this.handlers.message(message);
    };
    socket.onclose = () => {
      if (socket === this.socket) this.#lost();
    };
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // Signed out: nothing to come back to until someone signs in.
  rest() {
    this.close();
    this.isUp = false;
    this.downAt = null;
  }

  #lost() {
    this.close();
    this.isUp = false;
    this.downAt ??= performance.now();
    this.handlers.down();
    const wait = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.tries++) * (0.75 + Math.random() / 2);
    this.timer = setTimeout(() => this.#again(), wait);
  }

  async #again() {
    if (await this.handlers.retry()) this.open();
  }

  #retryNow() {
    if (this.downAt === null) return;
    clearTimeout(this.timer);
    this.#again();
  }

  #watch() {
    if (this.socket && performance.now() - this.lastAt > SILENCE_MS) this.#lost();
  }
}
