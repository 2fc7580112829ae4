// From when to when there is something of a patient: to now for who is here, else as far as signal is kept.
import type { Ward } from "../kernel/ward.ts";
import type { Extent, History } from "./history.ts";

export class Reach {
  kept: Extent | null = null; // null: nothing, or nobody asked yet
  found: () => void = () => {}; // what is kept was told just now
  isKnown = false; // what is kept was asked for and told
  readonly #ward: Ward;
  readonly #patient: string;
  readonly #history: Pick<History, "extent">;
  #asking: Promise<boolean> | null = null;

  constructor(ward: Ward, patient: string, history: Pick<History, "extent">) {
    this.#ward = ward;
    this.#patient = patient;
    this.#history = history;
  }

  // Admitted or heard, whether anything comes just now or not.
  get isHere(): boolean {
    return this.#ward.states.has(this.#patient);
  }

  // Imported, or has left: nothing will come, and now is no time of theirs.
  get isGone(): boolean {
    return this.#ward.isKnown && !this.isHere;
  }

  // The latest moment that there can be anything of; microseconds.
  get latest(): number {
    return this.isHere ? this.#ward.now() : (this.kept?.t1_us ?? this.#ward.now());
  }

  // Just after the newest sample, as far as that is known.
  get newest(): number {
    return this.#ward.states.get(this.#patient)?.last_sample_us ?? this.latest;
  }

  get oldest(): number {
    return this.kept?.t0_us ?? 0;
  }

  // Asks the archive once; whether it told something new. A server that does not answer may be asked again.
  ask(): Promise<boolean> {
    if (this.isKnown) return Promise.resolve(false);
    this.#asking ??= this.#read().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #read(): Promise<boolean> {
    try {
      this.kept = await this.#history.extent();
      this.isKnown = true;
    } catch {
      return false; // the strip, which asks for the same patient, says why
    }
    this.found();
    return true;
  }
}
