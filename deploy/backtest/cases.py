"""Patients from the store, or recordings from files, under two variants each. One case at a time, in any process."""

import functools
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from alerts.catalogue import STUDENT
from alerts.limits import with_limits
from deploy.annotated import T0_US, Source, open_source
from deploy.backtest.figures import Case, Truth
from deploy.backtest.variant import Variant, same_signal, same_student, variants
from deploy.playback import Analysed, Score, analyse, judge
from deploy.secrets import master_key
from deploy.settings import Settings
from deploy.sounded import calls
from inference.report.labels import AF, Annotations, lethal, rhythm
from inference.serve.engine import Engine, load_engine
from inference.settings import InferenceSettings
from ingest.sources.replay import frames_of
from liteheart.alarm import Alarm
from liteheart.clock import US_PER_S
from liteheart.errors import LiteHeartError, Misconfigured
from liteheart.finding import Finding
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Window
from storage.archive.objects import open_objects
from storage.archive.read import SignalReader
from storage.board import Board
from storage.keys import open_keys_readonly
from storage.limits import Limits
from storage.readonly import open_readonly
from storage.settings import StorageSettings
from storage.vault import Vault

_ALL: Final = 1_000_000  # more alarms or findings than a patient has in any period one looks at
NO_LIMITS: Final[Mapping[str, float]] = MappingProxyType({})
_NEAR_US: Final = US_PER_S // 2  # a stored reading is that of a window that begins within this


@dataclass(frozen=True, slots=True)
class Stay:
    """A patient in the store, from one event time to another."""

    patient: PatientId
    since_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What every process needs to know. It travels as words: rules are not made to."""

    changes: tuple[str, ...] = ()
    model: Path | None = None
    student: bool = True
    reference: str | None = None
    lead: str | None = None

    @property
    def variants(self) -> tuple[Variant, Variant]:
        """Before and after. Raises Misconfigured."""
        return variants(self.changes, self.model)


@dataclass(frozen=True, slots=True)
class Store:
    """What is looked at. Whatever would write to it is refused by the database."""

    board: Board
    limits: Limits


def open_store(settings: Settings) -> Store:
    """The store of these settings. Raises Misconfigured where there is none."""
    return _store(settings.storage, settings.data_dir, settings.identity_key, settings.embedded, settings.archive.store)


@functools.cache
def _store(storage: StorageSettings, folder: Path, key: str | None, embedded: bool, objects: str | None) -> Store:
    engine = open_readonly(storage)
    keys = open_keys_readonly(storage, engine, Vault(lambda: master_key(folder, key, embedded=embedded)))
    signal = SignalReader(keys, open_objects(objects) if objects else None)
    return Store(Board(engine, outbox=False, signal=signal), Limits(engine))


@functools.cache
def _engine(settings: InferenceSettings, model: Path | None) -> Engine:
    return load_engine(settings, model_dir=model)


def stays(board: Board, wanted: Sequence[str], since_us: int | None, until_us: int | None, hours: float) -> list[Stay]:
    """Those who have signal in the period, which ends with the newest sample and lasts `hours` unless told otherwise.

    Raises Misconfigured for a patient who was never heard of, or an empty store.
    """
    states = {s.patient: s for s in board.patients()}
    for name in wanted:
        if name not in states:
            raise Misconfigured("--patient", f"{name} was never heard of")
    chosen = [s for p, s in states.items() if not wanted or p in wanted]
    if not chosen:
        raise Misconfigured("backtest", "nothing is stored yet")
    end_us = until_us or max(s.last_sample_us for s in chosen) + 1
    begin_us = since_us if since_us is not None else end_us - round(hours * 3600 * US_PER_S)
    if begin_us >= end_us:
        raise Misconfigured("--since", "is not before the end of the period")
    return [Stay(s.patient, begin_us, end_us) for s in chosen if s.last_sample_us > begin_us]


def of_stay(stay: Stay, plan: Plan) -> tuple[Case, Case]:
    """One patient of the store, before and after. Raises Retryable when the database does not answer."""
    store = open_store(plan.variants[0].settings)
    board, own = store.board, store.limits.limits(stay.patient)
    frames = board.strip(stay.patient, stay.since_us, stay.until_us)
    frames = [f for f in frames if stay.since_us <= f.t0_us < stay.until_us]
    frames.sort(key=lambda f: (f.arrival_us, f.boot, f.sequence))
    alarms = board.alarms(open_only=False, limit=_ALL, patient=stay.patient)
    stored = [a for a in alarms if stay.since_us <= a.onset_us < stay.until_us]
    readings = _Stored([f for f in board.findings(stay.patient, stay.since_us, _ALL) if f.t0_us < stay.until_us])
    base = Case(
        name=stay.patient,
        signal_s=0.0,
        first_us=0,
        end_us=0,
        calls=(),
        truths=tuple(_verdict(a) for a in stored if a.reason is not None),
        recorded=tuple((a.condition, a.onset_us) for a in stored),
    )
    limits = own.limits if own is not None else {}
    return _both(base, stay.patient, frames, plan, readings if plan.student else None, limits)


def of_source(source: Source, plan: Plan) -> tuple[Case, Case]:
    """One recording, before and after. Raises Unreadable."""
    opened = open_source(source, plan.reference)
    recording = opened.recording
    lead = recording.lead_index(plan.lead)
    patient = PatientId("recording")
    frames = frames_of(recording, lead, patient=patient, device=DeviceId("file"), boot=1, t0_us=T0_US)
    truths, judged = _annotated(opened.annotations, opened.end_s, () if plan.student else STUDENT)
    base = Case(recording.name, 0.0, 0, 0, (), truths, judged)
    return _both(base, patient, [f.stamped(f.t1_us) for f in frames], plan, None)


def _both(
    base: Case,
    patient: PatientId,
    frames: Sequence[Frame],
    plan: Plan,
    stored: "_Stored | None",
    limits: Mapping[str, float] = NO_LIMITS,
) -> tuple[Case, Case]:
    """Signal is analysed once where both variants see the same, and again where they do not."""
    before, after = plan.variants
    analysed = analyse(patient, frames, before.settings.ingest, _score(before, plan, stored))
    if same_student(before, after) or (same_signal(before, after) and not plan.student):
        second = analysed
    else:
        # what is stored was read by the student of then: it can stand for "before", never for "after"
        second = analyse(patient, frames, after.settings.ingest, _score(after, plan, None))
    return _case(base, analysed, before, plan, limits), _case(base, second, after, plan, limits)


def _score(variant: Variant, plan: Plan, stored: "_Stored | None") -> Score | None:
    if not plan.student:
        return None
    if stored is not None:
        return stored.score
    return _engine(variant.settings.inference, variant.model).score


def _case(base: Case, analysed: Analysed, variant: Variant, plan: Plan, limits: Mapping[str, float]) -> Case:
    thresholds = _engine(variant.settings.inference, variant.model).thresholds if plan.student else {}
    settings = with_limits(variant.alarms(thresholds), limits)  # the patient's own go before the ward's
    if not plan.student:
        settings = replace(settings, model_expected=False)
    made = tuple(calls(judge(analysed, settings)))
    return replace(base, signal_s=analysed.signal_s, first_us=analysed.first_us, end_us=analysed.last_us, calls=made)


class _Stored:
    """Findings as they were stored, in the place of the student who made them."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = sorted(findings, key=lambda f: f.t0_us)
        self._t0_us = [f.t0_us for f in self._findings]

    def score(self, windows: Sequence[Window]) -> list[Finding | None]:
        """The reading of each window, None of one that was never read."""
        return [self._of(w) for w in windows]

    def _of(self, window: Window) -> Finding | None:
        i = bisect_left(self._t0_us, window.t0_us - _NEAR_US)
        near = [f for f in self._findings[i : i + 4] if abs(f.t0_us - window.t0_us) <= _NEAR_US]
        return min(near, key=lambda f: abs(f.t0_us - window.t0_us), default=None)


def _verdict(alarm: Alarm) -> Truth:
    end_us = alarm.ended_us if alarm.ended_us is not None else max(alarm.onset_us, alarm.acknowledged_us or 0)
    reason = alarm.reason or ""
    return Truth(alarm.condition, alarm.onset_us, max(end_us, alarm.onset_us), reason.startswith("true"), reason)


def _annotated(a: Annotations | None, end_s: float, aside: Sequence[str]) -> tuple[tuple[Truth, ...], frozenset[str]]:
    if a is None:
        return (), frozenset()
    true = lethal(a, end_s) | {"AFIB": rhythm(a, AF, end_s)}
    true = {code: spans for code, spans in true.items() if code not in aside}
    truths = tuple(
        Truth(code, T0_US + round(x * US_PER_S), T0_US + round(y * US_PER_S), true=True, reason="annotated")
        for code, spans in true.items()
        for x, y in spans.tolist()
    )
    return truths, frozenset(true)


def try_stay(stay: Stay, plan: Plan) -> tuple[Case, Case] | str:
    """`of_stay`, or why not."""
    try:
        return of_stay(stay, plan)
    except LiteHeartError as error:
        return f"{stay.patient}: {error}"
