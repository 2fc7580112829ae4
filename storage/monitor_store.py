"""What the monitor writes and reads: one transaction for each micro-batch, safe to repeat."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, case, func, select

from liteheart.alarm import Alarm, AlarmEvent
from liteheart.board import Awaited, PatientState
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError
from liteheart.finding import Finding
from liteheart.ids import PatientId
from liteheart.signal import Frame
from storage import bulk, queries
from storage.alarm_facts import store_events
from storage.archive.read import SignalReader
from storage.engine import reading, writing
from storage.frame_rows import frame_rows, row_frame
from storage.limits import holding
from storage.minutes import Minutes
from storage.outbox import alarm_letters, finding_letters, notify_letters, post
from storage.rows import Row, finding_row, layout_of, state_row
from storage.schema import checkpoints, findings, frames, heartbeats, patient_state, patients, score_layouts
from storage.settings import StorageSettings

_IN = 500  # patients to an IN list
HEARTBEAT_GAP_S = 10.0  # five heartbeats; whoever was silent for longer did not watch meanwhile
_RING_FRAMES = 256  # read for a ring: 30 s of frames of an eighth of a second


class Superseded(LiteHeartError):
    """Another monitor has taken over a patient of this batch; nothing of it was stored. Forget the patients."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that one micro-batch comes to; it is stored whole or not at all."""

    frames: Sequence[Frame] = ()
    findings: Sequence[Finding] = ()
    states: Sequence[PatientState] = ()
    alarms: Sequence[AlarmEvent] = ()
    checkpoints: dict[PatientId, dict[str, Any]] = field(default_factory=dict)
    epochs: dict[PatientId, int] = field(default_factory=dict)  # of the checkpoints, as `restore` gave them; else 0

    def then(self, later: "Batch") -> "Batch":
        """Both in one; of a patient the later state and checkpoint count."""
        return Batch(
            frames=[*self.frames, *later.frames],
            findings=[*self.findings, *later.findings],
            states=[*self.states, *later.states],
            alarms=[*self.alarms, *later.alarms],
            checkpoints=self.checkpoints | later.checkpoints,
            epochs=self.epochs | later.epochs,
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """What of a batch was not there before."""

    new_frames: int
    new_findings: int
    new_alarms: tuple[AlarmEvent, ...]  # with the acknowledgement that holds; the rest were repetitions


@dataclass(frozen=True, slots=True)
class Restored:
    """What a monitor needs to go on with one patient: the ring, in order of arrival, and its own last checkpoint."""

    frames: list[Frame]
    checkpoint: dict[str, Any] | None
    epoch: int = 0  # who holds the patient: batches with an older one are refused
    limits: dict[str, float] = field(default_factory=dict)  # that someone set for this patient


class MonitorStore:
    """The monitor's store over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine, settings: StorageSettings, signal: SignalReader | None = None) -> None:
        self._engine = engine
        self._settings = settings
        self._signal = signal or SignalReader()
        self._layouts: set[str] = set()  # known to be stored
        self._admitted: set[tuple[PatientId, str]] = set()  # likewise
        self._minutes = Minutes(self._signal)

    def commit(self, batch: Batch) -> Committed:
        """Store the batch in one transaction. The same batch a second time changes nothing.

        What is of a time before its patient was erased is left out. Raises Poison for a finding that cannot be stored,
        Superseded when a patient was claimed by another since.
        """
        keys = self._signal.keys
        batch = batch if keys is None else without(batch, keys.erased())
        heard = {f.patient: f.arrival_us for f in batch.frames}
        ciphers = {} if keys is None else keys.making(heard, max(heard.values(), default=0))
        new_rows = frame_rows(batch.frames, ciphers)
        finding_rows = sorted(map(finding_row, batch.findings), key=_finding_key)
        states = {s.patient: state_row(s) for s in batch.states}
        saved = [
            {"patient": p, "state": json.dumps(c), "epoch": batch.epochs.get(p, 0)}
            for p, c in sorted(batch.checkpoints.items())
        ]
        layouts = {layout_of(codes): ",".join(codes) for codes in {tuple(f.scores) for f in batch.findings}}
        admitted = self._admissions(batch)
        with writing(self._engine) as connection:
            # first, for its row is the lock: whoever claims the patient now waits for this transaction, or ends it
            if bulk.replace(connection, checkpoints, saved, newer="epoch") < len(saved):
                raise Superseded("another monitor has taken over")
            _admit(connection, admitted)
            unknown = [{"layout": k, "codes": layouts[k]} for k in sorted(layouts.keys() - self._layouts)]
            bulk.insert_new(connection, score_layouts, unknown)
            settled = self._minutes.write(connection, batch.frames) if batch.frames else []
            new_frames = bulk.insert_new(connection, frames, new_rows)
            columns = (findings.c.patient, findings.c.t0_us, findings.c.model)
            new_findings = bulk.insert_returning(connection, findings, finding_rows, columns)
            bulk.replace(connection, patient_state, [states[p] for p in sorted(states)], newer="last_arrival_us")
            new_alarms = store_events(connection, batch.alarms)
            if self._settings.outbox:
                post(connection, [*finding_letters(batch.findings, new_findings), *alarm_letters(new_alarms)])
            post(connection, notify_letters(new_alarms))  # always: who is told is decided where they are delivered
        self._layouts |= layouts.keys()
        self._admitted |= admitted.keys()
        if batch.frames:
            self._minutes.forget(settled)
            self._minutes.add(batch.frames)
        return Committed(new_frames, len(new_findings), new_alarms)

    def restore(self, wanted: Iterable[PatientId], *, claim: bool = False) -> dict[PatientId, Restored]:
        """The last `ring_s` of signal of each patient, oldest first, and the checkpoint stored with it.

        With `claim` the caller holds the patients from now on: whoever held them before can no longer commit, and
        what is given back is all that was committed. Its own batches must carry the epochs that it gets.
        """
        names = sorted(set(wanted))
        opener = self._signal.opener()
        out: dict[PatientId, Restored] = {}
        with writing(self._engine) if claim else reading(self._engine) as connection:
            if claim and names:
                _claim(connection, names)
            saved = _checkpoints(connection, names)
            ring_us = round(self._settings.ring_s * US_PER_S)
            for name in names:
                latest = [row_frame(row, opener) for row in connection.execute(_LATEST, {"patient": name})]
                state, epoch = saved.get(name, ("null", 0))
                own = holding(connection, name).get(name, {})
                out[name] = Restored(ring_of(latest, ring_us), json.loads(state), epoch, own)
        return out

    def heartbeat(self, role: str, instance: str, now_us: int) -> None:
        """Say that this process is alive. After a silence of `HEARTBEAT_GAP_S` its run begins anew."""
        row = {"role": role, "instance": instance, "at_us": now_us, "since_us": now_us}
        with writing(self._engine) as connection:
            statement = queries.insert_for(connection, heartbeats)
            new, old = statement.excluded, heartbeats.c
            broken = new.at_us - old.at_us > round(HEARTBEAT_GAP_S * US_PER_S)
            again = statement.on_conflict_do_update(
                index_elements=list(heartbeats.primary_key.columns),
                set_={"at_us": new.at_us, "since_us": case((broken, new.at_us), else_=old.since_us)},
                where=new.at_us >= old.at_us,
            )
            connection.execute(again, row)

    def heard_since_us(self, role: str, now_us: int) -> int | None:
        """Since when some process of that role has been alive without a break; None when none is now.

        A process that hands over to another breaks nothing: runs that overlap are one.
        """
        gap_us = round(HEARTBEAT_GAP_S * US_PER_S)
        with reading(self._engine) as connection:
            statement = select(heartbeats.c.since_us, heartbeats.c.at_us).where(heartbeats.c.role == role)
            runs = [(row.since_us, row.at_us) for row in connection.execute(statement)]
        return unbroken_since(runs, now_us, gap_us)

    def last_answers(self, names: Sequence[PatientId], since_us: int) -> dict[PatientId, int]:
        """Of each patient, the end of the last window since `since_us` that the student answered, or could not have."""
        answered = (findings.c.abstained.is_(False) | findings.c.usable.is_(False)) & (findings.c.t0_us >= since_us)
        newest = select(func.max(findings.c.t1_us)).where(findings.c.patient == bindparam("whose"), answered)
        with reading(self._engine) as connection:
            ends = {name: connection.scalar(newest, {"whose": name}) for name in names}
        return {name: end for name, end in ends.items() if end is not None}

    def open_alarms(self, condition: str | None = None) -> list[Alarm]:
        """Alarms that are not off, of one condition or of all; the most urgent first."""
        with reading(self._engine) as connection:
            return queries.alarms(connection, open_only=True, condition=condition, limit=None)

    def states(self) -> list[PatientState]:
        """The latest state of every patient who was ever heard of."""
        with reading(self._engine) as connection:
            return queries.states(connection)

    def awaited(self) -> list[Awaited]:
        """Everybody who is here and was never heard of."""
        with reading(self._engine) as connection:
            return queries.awaited(connection)

    def staying(self) -> frozenset[PatientId]:
        """Who was admitted by someone and is here; not streams that merely came."""
        with reading(self._engine) as connection:
            return queries.staying(connection)

    def _admissions(self, batch: Batch) -> dict[tuple[PatientId, str], Row]:
        heard = {(f.patient, ""): f.arrival_us for f in reversed(batch.frames)}
        heard |= {(s.patient, s.bed): s.last_arrival_us for s in batch.states}
        return {
            key: {"patient_id": key[0], "bed": key[1], "admitted_us": at}
            for key, at in sorted(heard.items())
            if key not in self._admitted
        }


_LATEST = (
    select(frames)
    .where(frames.c.patient == bindparam("patient"))
    .order_by(frames.c.arrival_us.desc(), frames.c.boot.desc(), frames.c.sequence.desc())
    .limit(_RING_FRAMES)
)


def without(batch: Batch, erased: Mapping[str, int]) -> Batch:
    """What of a batch is of a time after its patient was erased: a broker may deliver again what was before."""
    frames_of, states_of = {f.patient for f in batch.frames}, {s.patient for s in batch.states}
    if not erased or erased.keys().isdisjoint(
        frames_of | states_of | batch.checkpoints.keys() | {e.alarm.patient for e in batch.alarms}
        | {f.patient for f in batch.findings}
    ):  # fmt: skip
        return batch

    def lives(patient: str, at_us: int) -> bool:
        return at_us > erased.get(patient, -1)

    states = [s for s in batch.states if lives(s.patient, s.last_arrival_us)]
    left = [f for f in batch.frames if lives(f.patient, f.arrival_us)]
    here = {s.patient for s in states} | {f.patient for f in left}
    return Batch(
        frames=left,
        findings=[f for f in batch.findings if lives(f.patient, f.arrival_us)],
        states=states,
        alarms=[e for e in batch.alarms if lives(e.alarm.patient, e.at_us)],
        checkpoints={p: c for p, c in batch.checkpoints.items() if p in here or p not in erased},
        epochs=batch.epochs,
    )


def unbroken_since(runs: Iterable[tuple[int, int]], now_us: int, gap_us: int) -> int | None:
    """Of runs (since, until), the begin of those that overlap up to now; None when none was within `gap_us` of now."""
    since: int | None = None
    for begin, end in sorted(runs, key=lambda run: run[1], reverse=True):
        if end < (now_us - gap_us if since is None else since):
            break
        since = begin if since is None else min(since, begin)
    return since


def ring_of(latest: Sequence[Frame], ring_us: int) -> list[Frame]:
    """Of frames in any order, those within `ring_us` before the newest of the device heard last, by arrival.

    Not before the greatest time of all: a device that starts anew with its clock set back would never get its ring.
    """
    if not latest:
        return []
    last = max(latest, key=lambda f: (f.arrival_us, f.boot, f.sequence))
    newest_us = max(f.t0_us for f in latest if (f.device, f.boot) == (last.device, last.boot))
    ring = [f for f in latest if newest_us - ring_us < f.t0_us <= newest_us]
    return sorted(ring, key=lambda f: (f.arrival_us, f.t0_us, f.sequence))


def _claim(connection: Connection, names: Sequence[PatientId]) -> None:
    """A new epoch for each. Waits for a commit that is under way; its rows stay locked until we have read."""
    statement = queries.insert_for(connection, checkpoints)
    again = statement.on_conflict_do_update(
        index_elements=[checkpoints.c.patient], set_={"epoch": checkpoints.c.epoch + 1}
    )
    connection.execute(again, [{"patient": name, "state": "null", "epoch": 1} for name in names])


def _checkpoints(connection: Connection, names: Sequence[PatientId]) -> dict[str, tuple[str, int]]:
    """State and epoch of those who have any."""
    saved: dict[str, tuple[str, int]] = {}
    for start in range(0, len(names), _IN):
        some = checkpoints.c.patient.in_(names[start : start + _IN])
        rows = connection.execute(select(checkpoints).where(some))
        saved |= {row.patient: (row.state, row.epoch) for row in rows}
    return saved


def _admit(connection: Connection, rows: dict[tuple[PatientId, str], Row]) -> None:
    """Make patients known; a bed that the registry gave stays, an empty one is filled."""
    if not rows:
        return
    statement = queries.insert_for(connection, patients)
    fill = statement.on_conflict_do_update(
        index_elements=[patients.c.patient_id],
        set_={"bed": statement.excluded.bed},
        where=patients.c.bed == "",
    )
    connection.execute(fill, list(rows.values()))


def _finding_key(row: Row) -> tuple[Any, ...]:
    return (row["patient"], row["t0_us"], row["model"])
