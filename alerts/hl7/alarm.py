"""Alarms as IHE PCD-04 (ORU^R40) messages, from what a notice holds. Pure.

raised, reactivated   start      active
escalated             escalate   active or latched
acknowledged          continue   active, signal acknowledged
latched               continue   latched: the condition is over, nobody has looked
ended                 end        inactive
"""

from collections.abc import Mapping
from typing import Any, Final

from alerts.catalogue import RULES
from alerts.hl7.message import components, escape, header, message, moment, repeated, segment

PROFILE: Final = ("IHE_PCD_ACM_001", "IHE PCD", "1.3.6.1.4.1.19376.1.6.4.4", "ISO")
AUTHORITY: Final = "LITEHEART"
_PHASES: Final = {
    "raised": ("start", "active", "enabled"),
    "reactivated": ("start", "active", "enabled"),
    "escalated": ("escalate", "active", "enabled"),
    "acknowledged": ("continue", "active", "alert-acknowledged"),
    "latched": ("continue", "latched", "enabled"),
    "ended": ("end", "inactive", "enabled"),
}
_PRIORITIES: Final = {"high": "PH", "medium": "PM", "low": "PL"}
_KINDS: Final = {"physiological": "SP", "technical": "ST"}
_STEM: Final = "1.0.0.0"  # of the containment tree: the alarms belong to the system as a whole


def alarm_message(notice: Mapping[str, Any], key: str, created_us: int, now_us: int, facility: str) -> str:
    """One message. `key` names it: a repetition has the same control id, so that the receiver knows it."""
    phase, state, inactivation = _PHASES.get(notice["event"], ("tpoint", "inactive", "enabled"))  # or a test
    if notice["event"] == "escalated" and notice.get("presence") == "latched":
        state = "latched"
    patient = str(notice.get("patient", ""))
    began_us = int(notice.get("raised_us", created_us))
    episode = f"{notice.get('alarm_id', notice['condition'])}-{notice.get('episodes', 1)}"
    priority, kind = _PRIORITIES.get(notice["priority"], "PN"), _KINDS[notice["kind"]]
    attributes = (
        ("68481", "MDC_ATTR_EVENT_PHASE", phase),
        ("68482", "MDC_ATTR_ALARM_STATE", state),
        ("68483", "MDC_ATTR_ALARM_INACTIVATION_STATE", inactivation),
        ("68484", "MDC_ATTR_ALARM_PRIORITY", priority),
        ("68485", "MDC_ATTR_ALERT_TYPE", kind),
    )
    said = str(notice.get("value") or notice["label"])
    rows = [
        _row(1, "CWE", ("196616", "MDC_EVT_ALARM", "MDC"), 1, event(notice), (priority, kind), created_us),
        _row(2, "CWE", ("68480", "MDC_ATTR_ALERT_SOURCE", "MDC"), 2, components("131328", "MDC_ECG_ELEC_POTL", "MDC")),
        *(_row(n, "ST", (*code, "MDC"), n, value) for n, (*code, value) in enumerate(attributes, 3)),
        _row(8, "ST", ("68546", "MDC_ATTR_ALERT_TEXT", "MDC"), 8, escape(said)),
    ]
    return message(
        [
            header(("ORU", "R40", "ORU_R40"), control(key), now_us, PROFILE, facility),
            *subject(patient, str(notice.get("bed", ""))),
            segment(
                "OBR",
                {
                    1: "1",
                    2: components(key, AUTHORITY),
                    3: components(key, AUTHORITY),
                    4: components("196616", "MDC_EVT_ALARM", "MDC"),
                    7: moment(created_us),
                    8: moment(began_us) if began_us > created_us else moment(created_us),
                    29: f"^{escape(episode)}&{AUTHORITY}",  # what all messages of an episode have in common
                },
            ),
            *rows,
        ]
    )


def subject(patient: str, bed: str) -> list[str]:
    """PID and PV1: a pseudonym, said to be one, and where the patient lies. Nothing of what is about no patient."""
    if not patient:
        return []
    return [
        segment("PID", {3: components(patient, "", "", AUTHORITY, "PI"), 5: components("", "", "", "", "", "", "S")}),
        segment("PV1", {1: "1", 2: "U", 3: components("", "", bed)}),
    ]


def control(key: str) -> str:
    """MSH-10 of a key: within its 20 characters."""
    return key[:20]


def event(notice: Mapping[str, Any]) -> str:
    """What the alarm is about: SNOMED CT where it says the same, and our own code."""
    rule = RULES.get(notice["condition"])
    ours = (notice["condition"], notice["label"], "99LITEHEART")
    known = rule.snomed if rule is not None else None
    return components(*((known, notice["label"], "SCT", *ours) if known else ours))


def _row(
    at: int,
    kind: str,
    code: tuple[str, ...],
    sub: int,
    value: str,
    flags: tuple[str, ...] = (),
    when_us: int | None = None,
) -> str:
    fields = {1: str(at), 2: kind, 3: components(*code), 4: f"{_STEM}.{sub}", 5: value, 8: repeated(*flags), 11: "F"}
    return segment("OBX", fields | ({14: moment(when_us)} if when_us is not None else {}))
