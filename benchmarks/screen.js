// Put into the page before its own code: when it draws, when a frame's first sample reaches the strip, when an alarm
// stands on its tile, how long an acknowledgement takes. Times: milliseconds; of the day where another clock is met.
(() => {
  const LATE_ACK_MS = 1000;
  const meter = { on: false, steps: [], work: [], pixels: [], tiles: {}, acks: [], seen: 0, long: [] };
  const today = (at) => performance.timeOrigin + at;
  const frames = new Map(); // patient -> frames on their way to the pen
  const alarms = []; // told, not yet on a tile
  const acks = new Map(); // alarm id -> when pressed
  const due = new Map(); // alarm id -> when told
  let before = 0; // how often the wall had drawn
  const ask = window.requestAnimationFrame.bind(window);

  window.requestAnimationFrame = (draw) =>
    ask((now) => {
      const began = performance.now();
      draw(now);
      const ended = performance.now();
      if (window.liteheart) look(today(ended), ended);
      const steps = window.liteheart?.wall.steps ?? 0;
      const drawn = steps !== before;
      before = steps;
      if (!meter.on || !drawn) return;
      meter.steps.push(began);
      meter.work.push(ended - began);
    });

  function look(at, now) {
    const { wall } = window.liteheart;
    for (const [patient, waiting] of frames) {
      const played = wall.traces.get(patient)?.playedUs ?? 0;
      while (waiting.length && played > waiting[0].t0) {
        const { arrival } = waiting.shift();
        if (meter.on && wall.tiles.get(patient)?.sweep.visible) meter.pixels.push(at - arrival / 1000);
      }
    }
    for (let i = alarms.length - 1; i >= 0; i--) {
      const { key, patient } = alarms[i];
      const shown = wall.tiles.get(patient)?.node;
      if (shown?.dataset.presence !== "on") continue;
      meter.tiles[key] = at;
      alarms.splice(i, 1);
    }
    for (const [id, pressed] of acks) {
      if (document.querySelector(`li[data-alarm-id="${id}"]`)?.dataset.presence === "on") continue;
      meter.acks.push(now - pressed);
      acks.delete(id);
    }
  }

  function press() {
    for (const item of document.querySelectorAll('.list li[data-presence="on"]')) {
      const id = item.dataset.alarmId;
      if (acks.has(id) || performance.now() - (due.get(id) ?? Infinity) < LATE_ACK_MS) continue;
      acks.set(id, performance.now());
      item.querySelector(".acknowledge")?.click();
      return;
    }
  }

  new PerformanceObserver((list) => {
    if (meter.on) meter.long.push(...list.getEntries().map((task) => task.duration));
  }).observe({ type: "longtask" });

  document.addEventListener("DOMContentLoaded", () => {
    const { wall, ward } = window.liteheart;
    const [frame, setAlarm] = [wall.frame.bind(wall), ward.setAlarm.bind(ward)];
    wall.frame = (told) => {
      frame(told);
      meter.seen++;
      if (!frames.has(told.patient)) frames.set(told.patient, []);
      frames.get(told.patient).push(told);
    };
    ward.setAlarm = (alarm) => {
      setAlarm(alarm);
      const key = `${alarm.alarm_id} ${alarm.episodes}`;
      if (alarm.presence !== "on" || due.get(alarm.alarm_id) === key || meter.tiles[key]) return;
      if (alarms.some((other) => other.key === key)) return;
      alarms.push({ key, patient: alarm.patient });
      due.set(alarm.alarm_id, performance.now());
    };
    setInterval(() => meter.on && press(), 250);
  });
  window.meter = meter;
})();
