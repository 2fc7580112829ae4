"""The table of alarms: one row each. A condition without a row is a finding, shown and never sounded.

Definitions and priorities of the lethal rhythms follow the PhysioNet/CinC 2015 set; delays are long where waiting costs
nothing (Goerges 2009: most alarms are over within seconds) and zero where it does. `docs/alarms.md` prints the table.
"""

from typing import Final

from liteheart.alarm import AlarmRule, Kind, Priority


def _lethal(code: str, label: str, snomed: str) -> AlarmRule:
    # the clearing time is longer than the asystole limit, so that a run that ends in standstill leaves no silence
    return AlarmRule(code, label, Kind.PHYSIOLOGICAL, Priority.HIGH, True, 0.0, 10.0, snomed)


def _rhythm(
    code: str, label: str, priority: Priority, persistence_s: float, clear_s: float, snomed: str | None
) -> AlarmRule:
    return AlarmRule(code, label, Kind.PHYSIOLOGICAL, priority, False, persistence_s, clear_s, snomed)


def _technical(
    code: str, label: str, priority: Priority, persistence_s: float, clear_s: float, snomed: str | None = None
) -> AlarmRule:
    return AlarmRule(code, label, Kind.TECHNICAL, priority, False, persistence_s, clear_s, snomed)


_LOW, _MEDIUM, _HIGH = Priority.LOW, Priority.MEDIUM, Priority.HIGH
_ARTEFACT = "251143007"

_ROWS: Final = (
    _lethal("VF", "Ventricular fibrillation or flutter", "71908006"),
    _lethal("ASYSTOLE", "Asystole", "397829000"),
    _lethal("VT", "Ventricular tachycardia", "426525004"),
    _lethal("EXTREME_BRADY", "Extreme bradycardia", "48867003"),
    _lethal("EXTREME_TACHY", "Extreme tachycardia", "3424008"),
    _rhythm("PAUSE", "Pause", _MEDIUM, 0.0, 5.0, None),
    _rhythm("3AVB", "Third-degree AV block", _MEDIUM, 15.0, 30.0, "27885002"),
    _rhythm("2AVB", "Second-degree AV block", _MEDIUM, 15.0, 30.0, "195042002"),
    # onset alarms, the end is quiet; what flickers is merged
    _rhythm("AFIB", "Atrial fibrillation", _MEDIUM, 15.0, 20.0, "164889003"),
    _rhythm("AFLT", "Atrial flutter", _LOW, 15.0, 60.0, "164890007"),
    _rhythm("SVTAC", "Supraventricular tachycardia", _LOW, 15.0, 30.0, "426761007"),
    _rhythm("PSVT", "Paroxysmal supraventricular tachycardia", _LOW, 15.0, 30.0, "67198005"),
    # a heart with extra beats has them in spells: one alarm until five minutes without
    _rhythm("PVC_FREQUENT", "Frequent ventricular ectopy", _LOW, 60.0, 300.0, "17338001"),
    _technical("NO_SIGNAL", "No signal: electrode, cable, or asystole", _HIGH, 0.0, 5.0),  # it cannot be told which
    _technical("NO_DATA_LONG", "No data for long", _HIGH, 60.0, 0.0),
    _technical("NO_DATA", "No data", _MEDIUM, 15.0, 0.0),
    _technical("NOT_LIVE", "Signal arrives late, alarms are not live", _MEDIUM, 60.0, 10.0),
    _technical("MODEL_UNAVAILABLE", "Rhythm model does not answer", _MEDIUM, 60.0, 0.0),
    _technical("ANALYSIS_FAILED", "Signal cannot be analysed", _HIGH, 0.0, 0.0),  # lethal rhythms go unseen meanwhile
    _technical("LEAD_OFF_LONG", "Lead off for long", _MEDIUM, 60.0, 5.0),
    _technical("POOR_SIGNAL_LONG", "Poor signal for long", _MEDIUM, 300.0, 10.0, _ARTEFACT),
    _technical("LEAD_OFF", "Lead off", _LOW, 0.0, 5.0),
    _technical("POOR_SIGNAL", "Poor signal", _LOW, 30.0, 10.0, _ARTEFACT),
)

RULES: Final[dict[str, AlarmRule]] = {rule.code: rule for rule in _ROWS}

# One rhythm, one alarm: while the key holds, the others are not judged. None of them ends by that.
OUTRANKS: Final[dict[str, tuple[str, ...]]] = {
    "VF": ("ASYSTOLE", "VT", "EXTREME_BRADY", "EXTREME_TACHY", "PAUSE"),
    "ASYSTOLE": ("EXTREME_BRADY", "PAUSE"),
    "VT": ("EXTREME_TACHY",),
    "EXTREME_BRADY": ("PAUSE",),
}

# The longer form replaces the shorter at a higher priority, as a new alarm: so it sounds again.
REPLACES: Final[dict[str, str]] = {
    "NO_DATA_LONG": "NO_DATA",
    "LEAD_OFF_LONG": "LEAD_OFF",
    "POOR_SIGNAL_LONG": "POOR_SIGNAL",
}

BEAT_RULES: Final = (  # judged every second
    "VF",
    "ASYSTOLE",
    "VT",
    "EXTREME_BRADY",
    "EXTREME_TACHY",
    "PAUSE",
    "AFIB",
    "PVC_FREQUENT",
)
LINE_RULES: Final = ("NO_SIGNAL",)  # what a lethal rule that equipment contradicts becomes
SIGNAL_RULES: Final = ("LEAD_OFF_LONG", "POOR_SIGNAL_LONG", "LEAD_OFF", "POOR_SIGNAL")  # the longer form first
STUDENT: Final = ("3AVB", "2AVB", "AFIB", "AFLT", "SVTAC", "PSVT")  # judged every window, where the student knows them
