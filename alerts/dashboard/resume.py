"""What a screen missed while its link was away: the frames of the last seconds, so that a strip has no hole.

A screen that comes back says up to when it was told (`?seen_us=`, server time). It then gets, within bounds: the
alarms that began and ended meanwhile, which no snapshot names; and, patient by patient, the frames that came
meanwhile. What happens live goes on during that. Only the live frames of a patient wait until the missed ones were
sent: signal is told in order.
"""

from collections import deque
from collections.abc import Iterable, Iterator

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool

from alerts.dashboard.guard import Refused
from alerts.dashboard.settings import DashboardSettings
from alerts.ports import Board
from liteheart.alarm import Alarm, Presence
from liteheart.board import LiveMessage
from liteheart.clock import US_PER_S
from liteheart.errors import Poison
from liteheart.ids import PatientId
from liteheart.wire import decode_frame, encode_frame

_MARGIN_US = 3 * US_PER_S  # what the gateway had taken, but the screen not yet been told
_AHEAD_US = 5 * US_PER_S  # a device's clock may be so much ahead
_HELD_MAX = 64  # live frames of a patient that wait; far more than come meanwhile


def seen_us(websocket: WebSocket, now_us: int) -> int | None:
    """Up to when this screen was told; None for one that is new. Raises Refused for what is no time."""
    said = websocket.query_params.get("seen_us")
    if said is None:
        return None
    if not said.isascii() or not said.isdecimal() or len(said) > 18:
        raise Refused(422, "seen_us", "must be microseconds")
    return min(int(said), now_us)


class Missed:
    """What one screen has yet to be told of the time while it was away."""

    def __init__(self, board: Board, settings: DashboardSettings, since_us: int, now_us: int) -> None:
        self._board, self._settings = board, settings
        self._since_us = since_us - _MARGIN_US
        self._frames_us = max(self._since_us, now_us - round(settings.resume_s * US_PER_S))
        self._until_us = now_us + _AHEAD_US
        self._left: deque[PatientId] = deque()
        self._held: dict[PatientId, list[bytes]] = {}

    @property
    def pending(self) -> bool:
        """Whether frames are left to be sent."""
        return bool(self._left)

    def of(self, patients: Iterable[PatientId]) -> None:
        """Whose frames are missed; from here on their live ones are to be offered to `hold`."""
        self._left = deque(patients)
        self._held = {patient: [] for patient in self._left}

    def hold(self, message: LiveMessage) -> bool:
        """Keep a live frame of a patient whose missed ones were not sent yet. False: it can be sent."""
        held = self._held.get(message.patient) if message.kind == "frame" else None
        if held is None or len(held) >= _HELD_MAX:
            return False
        held.append(message.payload)
        return True

    async def alarms(self) -> list[Alarm]:
        """Those that began and ended meanwhile, the newest first. Raises Retryable."""
        limit = self._settings.resume_alarms_max
        latest = await run_in_threadpool(lambda: self._board.alarms(open_only=False, limit=limit))
        return [
            a for a in latest if a.raised_us > self._since_us and a.presence is Presence.OFF and not a.retrospective
        ]

    async def next(self) -> tuple[PatientId, list[bytes]]:
        """The next patient's frames as wire bytes: those missed, then those held. Raises Retryable."""
        patient = self._left.popleft()
        try:
            missed = await run_in_threadpool(self._read, patient)
        finally:
            held = self._held.pop(patient)
        keys = {key for key, _ in missed}
        return patient, [data for _, data in missed] + [data for key, data in _keyed(held) if key not in keys]

    def _read(self, patient: PatientId) -> list[tuple[tuple[str, int, int], bytes]]:
        frames = self._board.strip(patient, self._frames_us, self._until_us)
        return [(frame.key, encode_frame(frame)) for frame in frames if frame.arrival_us > self._frames_us]


def _keyed(frames: Iterable[bytes]) -> Iterator[tuple[tuple[str, int, int] | None, bytes]]:
    """Frames with what names them; None for bytes that are no frame, which the screen may judge itself."""
    for data in frames:
        try:
            yield decode_frame(data).key, data
        except Poison:
            yield None, data
