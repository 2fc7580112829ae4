// Puts the page together: link -> ward -> wall, panel, sound.
import { AlarmPanel } from "./alarms.js";
import { PatientCare } from "./patient.js";
import { choice, el, setAttr, setText } from "./dom.js";
import { Link } from "./link.js";
import { Review } from "./review.js";
import { api, askToSignIn, onSignInNeeded } from "./session.js";
import { Sound } from "./sound.js";
import { clock, t } from "./strings.js";
import { rank, soundKey, waiting, Ward } from "./ward.js";
import { Wall } from "./wall.js";
import { decodeFrame } from "./wire.js";

const [FRAME, STATE, ALARM, CONTROL] = [0, 1, 2, 3];
const MONITOR_S = 10;
const utf8 = new TextDecoder();

const ward = new Ward();
const care = new PatientCare(ward, { pause: pauseSound, resume: resumeSound, failed: toast });
const review = new Review(ward, (alarm) => (panel.mayAcknowledge ? panel.actions(alarm.alarm_id) : null), care);
const panel = new AlarmPanel(ward, { review: (alarm) => review.ofAlarm(alarm), changed: alarmCame, failed: toast });
const wall = new Wall(ward, (patient) => {
  const worst = ward.alarmsOf(patient)[0];
  if (worst) review.ofAlarm(worst);
  else review.latest(patient);
});
const sound = new Sound(() => status());
let monitor = { ageS: null, at: null }; // as the last heartbeat had it
let session = null;
let asking = null;
const announced = new Set();

const summary = el("span", { class: "summary" });
const time = el("time", { class: "clock" });
const user = el("span", { class: "user" });
const soundButton = el("button", { type: "button", class: "sound", onclick: () => (sound.enabled ? sound.test() : sound.enable()) });
const pauseButton = el("button", { type: "button", class: "pause", onclick: () => pressPause(ward.pauseS.at(-1)) });
const shorterPauses = el("span", { class: "split" });
const signOut = el("button", { type: "button", text: t.signOut, hidden: true, onclick: leave });
const linkBanner = el("div", { class: "banner", role: "alert", hidden: true });
const monitorBanner = el("div", { class: "banner", role: "alert", hidden: true });
const spoken = el("div", { class: "spoken", "aria-live": "assertive" });
const note = el("div", { class: "toast", role: "status" });
const kept = {
  get: (name, otherwise) => {
    try {
      return localStorage.getItem(name) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // a browser that keeps nothing shows the default next time
    }
  },
};

function build() {
  const order = kept.get("order", "worst");
  const speed = kept.get("speed", "25");
  wall.worst = order === "worst";
  wall.mmPerS = Number(speed) || 25;
  const header = el(
    "header",
    { class: "top" },
    el("h1", { text: t.title }),
    summary,
    el("span", { class: "space" }),
    choice(t.order, [["worst", t.worst], ["fixed", t.fixed]], order, (value) => {
      kept.set("order", value);
      wall.setOrder(value === "worst");
    }),
    choice(t.speed, [["25", t.speedOf(25)], ["12.5", t.speedOf(12.5)]], speed, (value) => {
      kept.set("speed", value);
      wall.mmPerS = Number(value);
    }),
    soundButton,
    pauseButton,
    shorterPauses,
    time,
    user,
    signOut,
  );
  document.body.append(header, linkBanner, monitorBanner, el("div", { class: "floor" }, wall.node, panel.node), review.dialog, spoken, note);
  document.addEventListener("pointerdown", () => (wall.heldAt = performance.now()));
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => (wall.heldAt = -Infinity));
}

const link = new Link({
  message,
  up: status,
  down: status,
  retry: async () => {
    try {
      await api("/session");
      return true;
    } catch (error) {
      if (error.status === 401) enter();
      return error.status !== 401; // unreachable: the socket itself finds out when it is back
    }
  },
});

function message({ kind, patient, payload }) {
  try {
    if (kind === FRAME) {
      const frame = decodeFrame(payload);
      ward.frameCame(frame);
      wall.frame(frame);
    } else if (kind === STATE) ward.setState(JSON.parse(utf8.decode(payload)));
    else if (kind === ALARM) alarmCame(JSON.parse(utf8.decode(payload)));
    else if (kind === CONTROL) control(JSON.parse(utf8.decode(payload)));
  } catch (error) {
    console.warn("a live message could not be read", patient, String(error));
  }
}

function control(said) {
  if (said.type === "hello") {
    ward.setClock(said.now_us);
    ward.beginSnapshot();
  } else if (said.type === "ready") {
    ward.endSnapshot();
    openLinked();
  }
  else if (said.type === "heartbeat") {
    ward.setClock(said.now_us);
    monitor = { ageS: said.monitor_age_s, at: performance.now() };
    if (said.care && !ward.cares) chooseStation();
    ward.setCare(said.care);
    listen();
  }
}

function alarmCame(alarm) {
  const before = ward.alarms.get(alarm.alarm_id);
  ward.setAlarm(alarm);
  review.changed(alarm);
  const key = soundKey(alarm);
  if (waiting(alarm) && !alarm.retrospective && !announced.has(key)) {
    announced.add(key);
    if (rank(alarm) >= 2) setText(spoken, t.announce(alarm, ward.who(alarm.patient)));
  }
  if (!before || before.presence !== alarm.presence) panel.show();
  listen();
}

function pressPause(seconds) {
  const held = ward.stationPause();
  if (sound.pauseLeftS > 0) sound.resume();
  else if (held) resumeSound(held);
  else if (ward.cares) pauseSound({ station: ward.station, seconds });
  else sound.pause();
}

// Every screen of the station is told. A server that does not answer must not keep the room from being quiet.
async function pauseSound(wanted) {
  try {
    ward.paused(await api("/audio-pauses", { method: "POST", body: wanted }));
  } catch (error) {
    if (error.status === 0) sound.pause();
    toast(error.message);
  }
  heardAnew();
}

async function resumeSound(pause) {
  try {
    await api(`/audio-pauses/${pause.pause_id}`, { method: "DELETE" });
    ward.resumed(pause);
  } catch (error) {
    if (error.status !== 404) toast(error.message);
  }
  heardAnew();
}

function heardAnew() {
  status();
  care.tick();
  listen();
}

function listen() {
  const wanted = [...ward.alarms.values()]
    .filter((a) => waiting(a) && !a.retrospective && rank(a) > 0)
    .map((a) => ({ key: soundKey(a), rank: rank(a), muted: ward.muted(a) }));
  if (session && link.downAt !== null) wanted.push({ key: "link", rank: 2.5, fault: true });
  else if (monitorIsDown()) wanted.push({ key: "monitor", rank: 2.5, fault: true });
  sound.update(wanted);
}

const monitorAgeS = () => (monitor.ageS === null ? null : monitor.ageS + (performance.now() - monitor.at) / 1000);
const monitorIsDown = () => link.isUp && monitor.at !== null && (monitor.ageS === null || monitorAgeS() > MONITOR_S);

function status() {
  const down = session !== null && link.downAt !== null;
  linkBanner.hidden = !down;
  if (down) setText(linkBanner, t.linkLost((performance.now() - link.downAt) / 1000));
  monitorBanner.hidden = !monitorIsDown();
  if (monitorIsDown()) setText(monitorBanner, t.monitorDown + (monitor.ageS === null ? "" : ` ${t.monitorSince(monitorAgeS())}`));
  setAttr(document.body, "data-link", link.isUp ? "up" : "down");
  const open = [...ward.alarms.values()].filter(waiting).length;
  setText(summary, link.isUp || ward.states.size ? `${t.patients(ward.states.size)} \u00b7 ${t.openAlarms(open)}` : t.connecting);
  if (document.title !== t.pageTitle(open)) document.title = t.pageTitle(open);
  setText(time, clock(ward.now()));
  setText(soundButton, sound.enabled ? t.soundOn : t.soundOff);
  setAttr(soundButton, "data-off", sound.enabled ? null : "");
  setAttr(soundButton, "title", sound.enabled ? t.soundTest : null);
  pauseButton.hidden = !sound.enabled;
  const held = ward.stationPause();
  const left = sound.pauseLeftS || (held ? ward.leftS(held) : 0);
  setText(pauseButton, left > 0 ? t.paused(left) : t.pause(ward.pauseS.at(-1)));
  shorterPauses.hidden = !sound.enabled || left > 0;
  care.tick();
  setAttr(pauseButton, "data-paused", left > 0 ? "" : null);
}

function toast(why) {
  setText(note, t.failed(why));
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => setText(note, ""), 6000);
}

async function enter() {
  if (asking) return;
  link.rest();
  session = null;
  asking = begin();
  try {
    session = await asking;
  } finally {
    asking = null;
  }
  setText(user, session.username);
  signOut.hidden = !session.can_sign_out;
  panel.allow(session.may_acknowledge);
  care.may = session.may_acknowledge;
  link.open();
  const { items } = await api("/conditions").catch(() => ({ items: [] }));
  for (const { code, name } of items) ward.names.set(code, name);
}

// Which screens are silenced together: the station of the address (?station=A), or the only one there is.
async function chooseStation() {
  const known = await api("/care").catch(() => null);
  if (!known) return;
  ward.setCare(known);
  ward.pauseS = [...known.pause_s].sort((a, b) => a - b);
  const asked = new URLSearchParams(location.search).get("station") ?? kept.get("station", "");
  ward.station = known.stations.includes(asked) ? asked : known.stations[0];
  kept.set("station", ward.station);
  shorterPauses.replaceChildren(
    ...ward.pauseS.slice(0, -1).map((s) => el("button", { type: "button", text: t.short(s), title: t.pause(s), onclick: () => pressPause(s) })),
  );
  status();
}

// The link of a notice: #alarm=ID. Opened once, when the ward is known, so that the strip bears its bed.
let linked = false;
async function openLinked() {
  const id = /^#alarm=([\w-]+)$/.exec(location.hash)?.[1];
  if (!id || linked) return;
  linked = true;
  const alarm = await api(`/alarms/${id}`).catch((error) => toast(error.message));
  if (alarm) review.ofAlarm(alarm);
}

async function begin() {
  for (let wait = 500; ; wait = Math.min(8000, wait * 2)) {
    try {
      return await api("/session");
    } catch (error) {
      if (error.status === 401) {
        ward.forget();
        return askToSignIn();
      }
      toast(error.message);
      await new Promise((done) => setTimeout(done, wait));
    }
  }
}

async function leave() {
  await api("/session", { method: "DELETE" }).catch((error) => toast(error.message));
  location.reload();
}

let drawn = -1;
function tick() {
  if (ward.revision !== drawn && !wall.held) {
    drawn = ward.revision;
    wall.sort();
    panel.show();
  }
  status();
  listen();
}

onSignInNeeded(() => enter());
build();
status();
setInterval(tick, 200);
setInterval(() => {
  wall.sort(); // ages change the order without any message
  panel.show();
}, 1000);
enter();
window.liteheart = { ward, wall, sound, link }; // for whoever looks through the console
