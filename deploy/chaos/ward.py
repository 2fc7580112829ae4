"""Simulated patients with lethal rhythms, on devices that note what the gateway took."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.sources.device import HttpSink, Patience, Played, play
from ingest.sources.simulate import Episode, SimulatedPatient
from liteheart.clock import US_PER_S, SystemClock
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame

PATIENCE = Patience(longest_delay_s=2.0)  # a gateway that is back is found soon, so that what follows is measured
_STORIES = (  # what happens beside sinus rhythm, one to a patient in turn
    Episode("asystole", 7.0),
    Episode("vf", 12.0),
    Episode("vt", 12.0, rate_bpm=176),
    Episode("sinus", 20.0, rate_bpm=30),
    None,
)
_CALM_S = 22.0  # around an event: the end of one is seen before the next begins


def script(number: int) -> tuple[Episode, ...]:
    """The story of patient `number`; events of different patients do not coincide."""
    event, rate = _STORIES[number % len(_STORIES)], 62.0 + 3 * number % 30
    if event is None:
        return (Episode("sinus", 600.0, rate_bpm=rate, pvc_per_min=2.0),)
    before_s = _CALM_S / 2 + number * 1.7 % _CALM_S
    return (Episode("sinus", before_s, rate_bpm=rate), event, Episode("sinus", _CALM_S, rate_bpm=rate))


@dataclass(slots=True)
class Diary:
    """What the devices sent, and what of it was taken."""

    offered: set[tuple[str, int, int]] = field(default_factory=set)
    accepted: dict[tuple[str, int, int], Frame] = field(default_factory=dict)


class _NotingSink:
    """A device's sink that notes the answers."""

    def __init__(self, sink: HttpSink, diary: Diary) -> None:
        self._sink, self._diary = sink, diary

    async def send(self, frames: Sequence[Frame]) -> None:
        self._diary.offered.update(f.key for f in frames)
        await self._sink.send(frames)
        self._diary.accepted.update({f.key: f for f in frames})


class Ward:
    """All patients. After `stop` each device sends what it has recorded by then, and ends."""

    def __init__(self, patients: int) -> None:
        self.diary = Diary()
        self.members = [(PatientId(f"chaos-{i:03d}"), DeviceId(f"chaos-device-{i:03d}")) for i in range(patients)]
        self._end_us: int | None = None

    def stop(self) -> None:
        """Record no more."""
        self._end_us = SystemClock().now_us()

    async def play(self, url: str, tokens: Sequence[str]) -> list[Played]:
        """Send until `stop`; what became of each device's frames. A frame a second, as in life."""
        start_us = SystemClock().now_us()
        return await asyncio.gather(*(self._wear(i, url, token, start_us) for i, token in enumerate(tokens)))

    async def _wear(self, number: int, url: str, token: str, start_us: int) -> Played:
        patient, device = self.members[number]
        t0_us = start_us + number * US_PER_S // len(self.members)  # spread over the second, as real devices are
        simulated = SimulatedPatient(patient, script(number), seed=number, device=device, boot=start_us, t0_us=t0_us)
        async with HttpSink(url, token, timeout_s=10.0) as sink:
            return await play(self._until_stopped(simulated), _NotingSink(sink, self.diary), patience=PATIENCE)

    def _until_stopped(self, simulated: SimulatedPatient) -> Iterator[Frame]:
        for frame in simulated.frames():
            if self._end_us is not None and frame.t1_us > self._end_us:
                return
            yield frame
