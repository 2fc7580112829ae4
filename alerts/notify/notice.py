"""What a notice says: built from named fields of the alarm, so that nothing comes along by accident. Pure.

By default the bed, the rule, the priority, the owner and a link. Never a name (there is none), never signal.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from alerts.notify.settings import NotifySettings
from liteheart.alarm import Alarm, Kind, Priority
from liteheart.board import alarm_json
from liteheart.care import Delivery
from liteheart.clock import US_PER_S
from liteheart.ids import AlarmId, PatientId

_MARKS: Final = {"high": "***", "medium": "**", "low": "*"}
_STALE: Final = "too old to tell"
_DRIFT: Final = "Signal or findings are not what the rhythm model learned from"
_LONGEST: Final = 500  # characters of a text that somebody reads on a telephone
_MONITOR: Final = "Monitor not running: signals are not watched"


def patient_of(payload: bytes) -> PatientId:
    """Whose alarm a letter tells of."""
    return PatientId(json.loads(payload)["alarm"]["patient"])


def deliveries(
    payload: bytes, beds: Mapping[PatientId, str], now_us: int, settings: NotifySettings
) -> Iterable[Delivery]:
    """One delivery for each target that wants this letter; of a letter that is too old, a dead one with the reason."""
    told = json.loads(payload)
    alarm = told["alarm"]
    priority, kind = Priority[alarm["priority"].upper()], Kind(alarm["kind"])
    bed = beds.get(alarm["patient"], "")
    notice, whole = (_notice(told, bed, settings, whole=whole) for whole in (False, True))
    stale = now_us - told["due_us"] > settings.stale_s * US_PER_S
    for target in settings.targets:
        if target.wants(priority, kind, told["step"]):
            key = _key(alarm["alarm_id"], alarm["episodes"], told["step"], target.name)
            alarm_id = AlarmId(alarm["alarm_id"])
            said = whole if target.follows else notice
            delivery = Delivery(key, target.name, alarm_id, told["step"], priority, said, told["due_us"])
            yield replace(delivery, failed_us=now_us, error=_STALE) if stale else delivery


def followed(
    alarm: Alarm, event: str, at_us: int, beds: Mapping[PatientId, str], settings: NotifySettings
) -> Iterable[Delivery]:
    """What became of an alarm (acknowledged, latched, ended), for the targets that follow it."""
    told = {"event": event, "step": 0, "owner": "", "alarm": alarm_json(alarm)}
    notice = _notice(told, beds.get(alarm.patient, ""), settings, whole=True)
    for target in settings.targets:
        if target.follows and target.wants(alarm.priority, alarm.kind, 0):
            key = _key(alarm.alarm_id, alarm.episodes, event, target.name)
            yield Delivery(key, target.name, alarm.alarm_id, 0, alarm.priority, notice, at_us)


def monitor_silent(last_us: int, now_us: int, settings: NotifySettings) -> Iterable[Delivery]:
    """Nobody watches since `last_us`: everyone who takes technical notices is told, once for each such silence."""
    notice: dict[str, Any] = {"event": "raised", "kind": "technical", "priority": "high", "condition": "MONITOR_DOWN"}
    notice |= {"label": _MONITOR, "since_us": last_us, "link": settings.link}
    for target in settings.targets:
        if Kind.TECHNICAL.value in target.kinds:
            key = _key("monitor", last_us, 0, target.name)
            yield Delivery(key, target.name, None, 0, Priority.HIGH, notice, now_us)


def model_drift(refresh: int, found: Sequence[str], now_us: int, settings: NotifySettings) -> Iterable[Delivery]:
    """What the student reads is not what it learned from: everyone who takes technical notices is told, once for each
    refresh that saw it.
    """
    notice: dict[str, Any] = {"event": "raised", "kind": "technical", "priority": "low", "condition": "MODEL_DRIFT"}
    link = f"{settings.link.rstrip('/')}/#/models" if settings.link else ""
    notice |= {"label": _DRIFT, "value": "; ".join(found)[:_LONGEST], "link": link}
    for target in settings.targets:
        if Kind.TECHNICAL.value in target.kinds:
            key = _key("drift", refresh, target.name)
            yield Delivery(key, target.name, None, 0, Priority.LOW, notice, now_us)


def trial(target: str, now_us: int, settings: NotifySettings) -> Delivery:
    """A test notice, which says so."""
    notice = {"event": "test", "kind": "technical", "priority": "low", "condition": "TEST", "step": 0}
    notice |= {"label": "Test notice, nothing has happened", "link": settings.link, "late": False}
    notice["key"] = key = _key("test", now_us, target)
    return Delivery(key, target, None, 0, Priority.LOW, notice, now_us)


def subject(notice: Mapping[str, Any]) -> str:
    """One line: mark, priority, rule, bed; who owns it when it was escalated."""
    mark = "!!!" if notice["kind"] == "technical" else _MARKS.get(notice["priority"], "")
    where = notice.get("bed") or notice.get("patient") or ""
    words = [f"{mark} {notice['priority'].upper()}: {notice['label']}".strip(), where]
    if notice["event"] == "escalated":
        words.append(f"escalated to {notice['owner']}")
    if notice.get("late"):
        words.append(f"late by {notice['late_s']:g} s")
    return ", ".join(word for word in words if word)


def text(delivery: Delivery, notice: Mapping[str, Any]) -> str:
    """The notice for a person to read."""
    lines = [subject(notice), ""]
    if "value" in notice:
        lines.append(notice["value"])
    if notice.get("link"):
        lines.append(notice["link"])
    lines += ["", f"ref {delivery.key}", "Not a medical device; do not rely on this message alone."]
    return "\n".join(lines)


def as_sent(delivery: Delivery, now_us: int, late_s: float) -> dict[str, Any]:
    """The notice as it leaves now: with its age, and the mark when it is late."""
    age_s = (now_us - delivery.created_us) / US_PER_S
    late = is_late(delivery, now_us, late_s)
    return delivery.notice | {"key": delivery.key, "late": late, "late_s": round(max(0.0, age_s), 1)}


def is_late(delivery: Delivery, now_us: int, late_s: float) -> bool:
    """Whether the alarm itself was late, or telling of it takes longer than `late_s`."""
    return bool(delivery.notice.get("alarm_late")) or now_us - delivery.created_us > late_s * US_PER_S


def _notice(told: Mapping[str, Any], bed: str, settings: NotifySettings, *, whole: bool) -> dict[str, Any]:
    """`whole`: for another system of the house, with the pseudonym, the value and the presence."""
    alarm = told["alarm"]
    notice = {name: alarm[name] for name in ("alarm_id", "condition", "label", "priority", "kind", "episodes")}
    notice |= {"event": told["event"], "step": told["step"], "owner": told["owner"], "bed": bed}
    notice |= {"raised_us": alarm["raised_us"], "alarm_late": alarm["late"]}
    notice["link"] = f"{settings.link.rstrip('/')}/#alarm={alarm['alarm_id']}" if settings.link else ""
    if whole:
        notice["presence"] = alarm["presence"]
    if settings.pseudonym or whole:
        notice["patient"] = alarm["patient"]
    if settings.value or whole:
        notice["value"] = alarm["message"]
    return notice


def _key(*parts: object) -> str:
    """The same notice for the same target has the same key, whoever makes it, however often."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]
