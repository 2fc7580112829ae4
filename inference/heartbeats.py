"""The beats of the last 30 s of a stream: found again in the newest seconds, kept as they are in the older ones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.beats import bridge, detect_bursts, median
from inference.ring import Ring
from inference.ventricular import (
    AFTER_S,
    POINTS,
    Shapes,
    Usual,
    VentricularSettings,
    cut,
    find_usual,
    is_ventricular,
    repeats,
)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeartbeatSettings:
    """Stretches and limits."""

    search_s: float = 12.0  # signal in which beats are sought, every second
    settle_s: float = 4.0  # a beat older than this stays as it is
    memory: int = 16  # beats whose strength is the patient's usual one
    forget_s: float = 60.0  # time constant after which, with no beats, that strength is forgotten
    rate_s: float = 10.0  # stretch of the heart rate
    rr_most: int = 24  # RR intervals that are reported
    silent_s: float = 4.0  # with no beat for so long there is no heart rate
    learn_below_bpm: float = 100.0  # the usual shape is not learnt from a tachycardia
    shape: VentricularSettings = VentricularSettings()  # noqa: RUF009  # frozen


class Heartbeats:
    """Beats as samples counted from the start of the stream, with strength and shape."""

    def __init__(self, fs_hz: float, keep_s: float, settings: HeartbeatSettings) -> None:
        self._fs = fs_hz
        self._keep = round(keep_s * fs_hz)
        self._s = settings
        self._at: Indices = np.empty(0, np.int64)
        self._strength: Floats = np.empty(0)
        self._wave: Floats = np.empty((0, POINTS))
        self._width_s: Floats = np.empty(0)
        self._usual_strength: float | None = None
        self._usual: Usual | None = None
        self._heard = 0  # newest beat ever

    def update(self, ring: Ring) -> None:
        """Look for beats in the newest seconds of `ring`."""
        fs, s = self._fs, self._s
        x = bridge(ring.last(round(s.search_s * fs)))
        start = ring.end - len(x)
        found = detect_bursts(x, fs, usual=self._expected_strength(ring.end))
        settled = ring.end - round(s.settle_s * fs)
        old = (self._at < settled) & (self._at >= ring.end - self._keep)
        floor = settled
        if old.any():
            floor = max(settled, int(self._at[old][-1]) + round(0.2 * fs))
        new = found.sample + start >= floor
        shapes = self._cut(x, found.centre[new])
        self._at = np.concatenate([self._at[old], found.sample[new] + start])
        self._strength = np.concatenate([self._strength[old], found.strength[new]])
        self._wave = np.concatenate([self._wave[old], shapes.wave])
        self._width_s = np.concatenate([self._width_s[old], shapes.width_s])
        self._heard = int(self._at[-1]) if len(self._at) else self._heard
        self._learn(ring.end)

    def _cut(self, x: Floats, centre: Indices) -> Shapes:
        """Shapes of the newest beats, from a stretch that is a little longer than theirs."""
        if not len(centre):
            return Shapes(np.empty((0, POINTS)), np.empty(0))
        skip = max(0, len(x) - round((self._s.settle_s + 1.5) * self._fs))
        return cut(x[skip:], self._fs, centre - skip)

    def since(self, sample: int) -> Indices:
        """Beats at or after `sample`."""
        return self._at[self._at >= sample]

    def last(self) -> int | None:
        """The newest beat."""
        return int(self._at[-1]) if len(self._at) else None

    def rr_s(self, since: int) -> tuple[float, ...]:
        """RR intervals between beats after sample `since`, oldest first."""
        at = self._at[self._at >= since][-self._s.rr_most - 1 :]
        rr = (at[1:] - at[:-1]) / self._fs
        return tuple(round(v, 4) for v in rr.tolist())

    def heart_rate_bpm(self, since: int, end: int) -> float | None:
        """Mean rate of the last 10 s without the shortest and longest interval; None when fewer than two are known."""
        s = self._s
        at = self._at[self._at >= max(since, end - round(s.rate_s * self._fs))]
        if len(at) < 3 or end - at[-1] > s.silent_s * self._fs:
            return None
        rr = np.sort(np.diff(at)) / self._fs
        mean = float(np.mean(rr[1:-1] if len(rr) >= 5 else rr))
        return round(60.0 / max(mean, float(end - at[-1]) / self._fs), 1)

    def ventricular_run(self, since: int, end: int) -> tuple[int, float | None]:
        """Ventricular beats in a row and the rate (bpm) of the last five of them; of the runs that ended within the
        last second the longest, so that a short one is not missed between two seconds.

        Three or more that are not like one another are taken for noise: no run.
        """
        whole_by = end - round(AFTER_S * self._fs)
        whole = (self._at >= since) & (self._at < whole_by)
        at, wave = self._at[whole], self._wave[whole]
        if not len(at):
            return 0, None
        flags = is_ventricular(Shapes(wave, self._width_s[whole]), self._usual, self._s.shape)
        place = np.arange(1, len(flags) + 1)
        length = place - np.maximum.accumulate(np.where(flags, 0, place))
        recent = int(np.searchsorted(at, whole_by - self._fs))
        stop = min(recent, len(at) - 1) + int(np.argmax(length[min(recent, len(at) - 1) :])) + 1
        run = int(length[stop - 1])
        last = slice(stop - min(run, 5), stop)
        if run < 2 or (run >= 3 and not repeats(wave[last], self._s.shape)):
            return min(run, 1), None
        return run, round(60.0 * self._fs / float(np.mean(np.diff(at[last]))), 1)

    def _expected_strength(self, end: int) -> float | None:
        if self._usual_strength is None:
            return None
        silent_s = (end - self._heard) / self._fs
        return float(self._usual_strength * np.exp(-silent_s / self._s.forget_s))

    def _learn(self, end: int) -> None:
        """Strength and shape of the usual beat, from beats that are whole."""
        whole = self._at < end - round(AFTER_S * self._fs)
        strength = self._strength[whole][-self._s.memory :]
        if len(strength) >= 3:
            self._usual_strength = median(strength)
        at = self._at[whole]
        rr = (at[1:] - at[:-1]) / self._fs
        if len(at) < 4 or median(rr) < 60.0 / self._s.learn_below_bpm:
            return
        rr = np.concatenate([[np.nan], rr])  # what was before the first beat is not known
        usual = find_usual(Shapes(self._wave[whole], self._width_s[whole]), rr, self._s.shape)
        self._usual = usual or self._usual
