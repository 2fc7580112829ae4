// What runs whatever page is shown: the live link, the ward, the sound, and who is signed in.
import { nameOf } from "../i18n/index.ts";
import { rank, soundKey, waiting } from "./alarm.ts";
import { api, askToSignIn, may, onSignInNeeded, reasonOf, statusOf } from "./api.ts";
import { kept } from "./kept.ts";
import { Link } from "./link.ts";
import { Sound, type Wanted } from "./sound.ts";
import type { Alarm, CareChoice, CareNow, Items, PatientState, Pause, PauseWanted, Right, Session } from "./types.ts";
import { Ward } from "./ward.ts";
import { decodeFrame, type Frame, type Message } from "./wire.ts";

const [FRAME, STATE, ALARM, CONTROL] = [0, 1, 2, 3];
const MONITOR_S = 10;
const utf8 = new TextDecoder();

type Control =
  | { type: "hello"; now_us: number }
  | { type: "ready" }
  | { type: "missed"; alarms: Alarm[] }
  | { type: "resumed" }
  | { type: "heartbeat"; now_us: number; monitor_age_s: number | null; care?: CareNow | null };

export interface StationEvents {
  frame(frame: Frame): void;
  alarm(alarm: Alarm, before: Alarm | undefined): void; // came or changed
  announce(alarm: Alarm): void; // new, waits and is urgent: to be spoken
  status(): void; // link, sound or pause changed
  entered(session: Session): void;
  ready(): void; // the ward is known
  stationChosen(): void; // the pauses that may be chosen are known
  missed(alarms: readonly Alarm[]): void; // began and ended while the link was away
  resumed(): void; // every frame that was missed and is still to be had has come
  failed(why: string): void;
}

export class Station {
  readonly ward = new Ward();
  readonly sound: Sound;
  readonly link: Link;
  readonly on: StationEvents;
  session: Session | null = null;
  #monitor: { ageS: number | null; at: number } | null = null; // as the last heartbeat had it
  #asking: Promise<Session> | null = null;
  readonly #announced = new Set<string>();

  constructor(on: StationEvents) {
    this.on = on;
    this.sound = new Sound(() => on.status());
    this.link = new Link({
      message: (message) => this.#message(message),
      up: () => on.status(),
      down: () => on.status(),
      retry: () => this.#retry(),
      seen: () => this.ward.seenUs,
    });
    onSignInNeeded(() => void this.enter());
  }

  may(right: Right): boolean {
    return may(this.session, right);
  }

  // Seconds since the link was lost; null while it holds or nobody is signed in.
  get lostS(): number | null {
    const { downAt } = this.link;
    return this.session !== null && downAt !== null ? (performance.now() - downAt) / 1000 : null;
  }

  get monitorIsDown(): boolean {
    if (!this.link.isUp || !this.#monitor) return false;
    const age = this.monitorAgeS;
    return age === null || age > MONITOR_S;
  }

  // null: it was never heard of.
  get monitorAgeS(): number | null {
    const heard = this.#monitor;
    return heard === null || heard.ageS === null ? null : heard.ageS + (performance.now() - heard.at) / 1000;
  }

  // Asks who is there until someone is, then opens the link.
  async enter(): Promise<void> {
    if (this.#asking) return;
    this.link.rest();
    this.session = null;
    this.#asking = this.#begin();
    try {
      this.session = await this.#asking;
    } finally {
      this.#asking = null;
    }
    this.on.entered(this.session);
    this.link.open();
    const none: Items<{ code: string; name: string }> = { items: [] };
    const { items } = await api<typeof none>("/conditions").catch(() => none);
    for (const { code, name } of items) this.ward.names.set(code, nameOf(code, name));
  }

  async leave(): Promise<void> {
    await api("/session", { method: "DELETE" }).catch((error) => this.on.failed(reasonOf(error)));
    location.reload();
  }

  alarmCame(alarm: Alarm): void {
    const before = this.ward.alarms.get(alarm.alarm_id);
    this.ward.setAlarm(alarm);
    const key = soundKey(alarm);
    if (waiting(alarm) && !alarm.retrospective && !this.#announced.has(key)) {
      this.#announced.add(key);
      if (rank(alarm) >= 2) this.on.announce(alarm);
    }
    this.on.alarm(alarm, before);
    this.listen();
  }

  pressPause(seconds: number): void {
    const held = this.ward.stationPause();
    if (this.sound.pauseLeftS > 0) this.sound.resume();
    else if (held) void this.resumeSound(held);
    else if (this.ward.cares) void this.pauseSound({ station: this.ward.station, seconds });
    else this.sound.pause();
  }

  // Every screen of the station is told. A server that does not answer must not keep the room from being quiet.
  async pauseSound(wanted: PauseWanted): Promise<void> {
    try {
      this.ward.paused(await api<Pause>("/audio-pauses", { method: "POST", body: wanted }));
    } catch (error) {
      if (statusOf(error) === 0) this.sound.pause();
      this.on.failed(reasonOf(error));
    }
    this.#heardAnew();
  }

  async resumeSound(pause: Pause): Promise<void> {
    try {
      await api(`/audio-pauses/${pause.pause_id}`, { method: "DELETE" });
      this.ward.resumed(pause);
    } catch (error) {
      if (statusOf(error) !== 404) this.on.failed(reasonOf(error));
    }
    this.#heardAnew();
  }

  // Tells the sound what waits. Cheap; called often.
  listen(): void {
    const wanted: Wanted[] = this.ward
      .waiting()
      .filter((a) => !a.retrospective && rank(a) > 0)
      .map((a) => ({ key: soundKey(a), rank: rank(a), muted: this.ward.muted(a) }));
    if (this.lostS !== null) wanted.push({ key: "link", rank: 2.5, fault: true });
    else if (this.monitorIsDown) wanted.push({ key: "monitor", rank: 2.5, fault: true });
    this.sound.update(wanted);
  }

  #heardAnew(): void {
    this.on.status();
    this.listen();
  }

  #message({ kind, patient, payload }: Message): void {
    try {
      if (kind === FRAME) {
        const frame = decodeFrame(payload);
        this.ward.frameCame(frame);
        this.on.frame(frame);
      } else if (kind === STATE) this.ward.setState(json<PatientState>(payload));
      else if (kind === ALARM) this.alarmCame(json<Alarm>(payload));
      else if (kind === CONTROL) this.#control(json<Control>(payload));
    } catch (error) {
      console.warn("a live message could not be read", patient, String(error));
    }
  }

  #control(said: Control): void {
    if (said.type === "hello") {
      this.ward.setClock(said.now_us);
      this.ward.beginSnapshot();
    } else if (said.type === "ready") {
      this.ward.endSnapshot();
      this.on.ready();
    } else if (said.type === "missed") {
      const missed = said.alarms.filter((alarm) => !this.#announced.has(soundKey(alarm)));
      if (missed.length) this.on.missed(missed);
    } else if (said.type === "resumed") {
      this.on.resumed();
    } else if (said.type === "heartbeat") {
      this.ward.setClock(said.now_us);
      this.#monitor = { ageS: said.monitor_age_s, at: performance.now() };
      if (said.care && !this.ward.cares) void this.#chooseStation();
      this.ward.setCare(said.care);
      this.listen();
    }
  }

  // Which screens are silenced together: the station of the address (?station=A), or the only one there is.
  async #chooseStation(): Promise<void> {
    const known = await api<CareChoice>("/care").catch(() => null);
    if (!known) return;
    this.ward.setCare(known);
    this.ward.pauseS = [...known.pause_s].sort((a, b) => a - b);
    const asked = new URLSearchParams(location.search).get("station") ?? kept.get("station", "");
    this.ward.station = known.stations.includes(asked) ? asked : (known.stations[0] ?? this.ward.station);
    kept.set("station", this.ward.station);
    this.on.stationChosen();
  }

  async #retry(): Promise<boolean> {
    try {
      await api("/session");
      return true;
    } catch (error) {
      if (statusOf(error) === 401) void this.enter();
      return statusOf(error) !== 401; // unreachable: the socket itself finds out when it is back
    }
  }

  async #begin(): Promise<Session> {
    for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
      try {
        return await api<Session>("/session");
      } catch (error) {
        if (statusOf(error) === 401) {
          this.ward.forget();
          return askToSignIn();
        }
        this.on.failed(reasonOf(error));
        await new Promise((done) => setTimeout(done, wait));
      }
    }
  }
}

const json = <T>(payload: Uint8Array): T => JSON.parse(utf8.decode(payload)) as T;
