"""What one second of vitals, or one window's finding, says of every condition: it holds, it does not, or nothing.

    Vitals  --judge---------> {code: Assertion | ABSENT}   a code that is missing is undecided
    Finding --judge_finding-> {code: Assertion | ABSENT}

Undecided neither begins nor ends an alarm: that one word carries hysteresis, poor signal, gaps and precedence.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from alerts.catalogue import BEAT_RULES, OUTRANKS, RULES, STUDENT
from alerts.rhythms import BY_CODE, DEAD_LINE, atrial_fibrillation
from alerts.settings import AlarmSettings
from alerts.verdict import Absent, Assertion, Verdict
from liteheart.alarm import Priority
from liteheart.finding import Finding, Quality, Vitals

Verdicts = dict[str, Verdict]
NEEDS_BEATS: Final = frozenset(
    {"ASYSTOLE", "EXTREME_BRADY"}
)  # lethal by what is missing: a loose electrode says no less
REGULAR_IN_NOISE: Final = frozenset({"AFIB"})  # what noise could not make
EXPLAIN_POOR: Final = frozenset({"VF", "ASYSTOLE", "EXTREME_BRADY"})  # few beats look like a poor signal
NOT_EQUIPMENT: Final = frozenset({"no_beats", "flat"})  # reasons that a heart may give


def evaluate(vitals: Vitals, settings: AlarmSettings) -> list[Assertion]:
    """Conditions that hold at this second, the most urgent first."""
    return [v for v in judge(vitals, settings).values() if isinstance(v, Assertion)]


def judge(vitals: Vitals, settings: AlarmSettings, opinion: float | None = None) -> Verdicts:
    """Verdicts of this second in the order of the catalogue; undecided conditions are left out.

    `opinion` is what the student lately made of atrial fibrillation, as a share of its threshold; None: nothing.
    """
    verdicts: Verdicts = {}
    for code in BEAT_RULES:
        verdict = atrial_fibrillation(vitals, settings, opinion) if code == "AFIB" else BY_CODE[code](vitals, settings)
        if verdict is not None and _may_say(code, verdict, vitals):
            verdicts[code] = verdict
    for stronger, weaker in OUTRANKS.items():
        if isinstance(verdicts.get(stronger), Assertion):
            for code in weaker:
                verdicts.pop(code, None)
    doubted = [x for x in verdicts.values() if isinstance(x, Assertion) and x.doubt]
    for said in doubted:
        del verdicts[said.code]
    withheld = _withhold(verdicts, vitals, settings)
    verdicts |= _line(vitals, doubted)
    verdicts |= _technical(vitals, verdicts, withheld, [x for x in doubted if x.doubt != DEAD_LINE])
    return {
        code: _with_quality(v, vitals.quality, settings) if isinstance(v, Assertion) else v
        for code, v in verdicts.items()
    }


def judge_finding(finding: Finding, settings: AlarmSettings) -> Verdicts:
    """Verdicts of one window that the student has read; a score near its threshold is undecided."""
    verdicts: Verdicts = {}
    for code in STUDENT:
        score, threshold = finding.scores.get(code), settings.thresholds.get(code)
        if code in finding.codes:
            verdicts[code] = _found(code, score, threshold, finding)
        elif score is None or threshold is None or score < settings.score_release * threshold:
            verdicts[code] = Absent.ABSENT
    return verdicts


def judge_window_quality(finding: Finding) -> Verdicts:
    """What a window says of the signal, for patients whose beat path is silent."""
    if finding.quality.usable:
        return {"POOR_SIGNAL_LONG": Absent.ABSENT, "POOR_SIGNAL": Absent.ABSENT}
    poor = _poor(finding.t0_us, finding.quality)
    return {"POOR_SIGNAL_LONG": replace(poor, code="POOR_SIGNAL_LONG"), "POOR_SIGNAL": poor}


def _may_say(code: str, verdict: Verdict, v: Vitals) -> bool:
    """Poor signal may say that a rhythm is lethal, never that it is over; a loose electrode may say neither."""
    if not isinstance(verdict, Assertion):
        return (v.quality.usable or code in REGULAR_IN_NOISE) and not v.lead_off
    return not v.lead_off or (v.quality.usable and code not in NEEDS_BEATS)


def _withhold(verdicts: Verdicts, v: Vitals, s: AlarmSettings) -> str:
    """Take out assertions below HIGH that a poor signal makes; returns their codes."""
    if v.quality.usable or (v.quality.reasons and NOT_EQUIPMENT.issuperset(v.quality.reasons)):
        return ""
    weak = [c for c, x in verdicts.items() if isinstance(x, Assertion) and not _is_lethal(c, s)]
    for code in weak:
        del verdicts[code]
    return " ".join(weak)


def _line(v: Vitals, doubted: Sequence[Assertion]) -> Verdicts:
    """A standstill in a line that shows nothing at all, not even noise, is no less urgent; its name says what it is."""
    for said in doubted:
        if said.doubt == DEAD_LINE:
            message = f"{said.message}, in a line without any signal"
            return {"NO_SIGNAL": replace(said, code="NO_SIGNAL", message=message, doubt="", evidence=_doubts([said]))}
    return {"NO_SIGNAL": Absent.ABSENT} if v.dead_s <= 0 or v.lead_off else {}


def _doubts(doubted: Sequence[Assertion]) -> dict[str, str | float]:
    """What was not alarmed as what it seems, and why: `withheld` and `doubt` are codes."""
    evidence: dict[str, str | float] = {}
    for said in doubted:
        evidence |= said.evidence
    codes, why = " ".join(x.code for x in doubted), " ".join(x.doubt for x in doubted)
    return evidence | {"withheld": codes, "doubt": why}


def _technical(v: Vitals, verdicts: Verdicts, withheld: str, doubted: Sequence[Assertion]) -> Verdicts:
    if v.lead_off:
        off = Assertion("LEAD_OFF", v.t_us, "electrode off")
        return {
            "LEAD_OFF_LONG": replace(off, code="LEAD_OFF_LONG"),
            "POOR_SIGNAL_LONG": Absent.ABSENT,  # LEAD_OFF says it better
            "LEAD_OFF": off,
            "POOR_SIGNAL": Absent.ABSENT,
        }
    on: Verdicts = {"LEAD_OFF_LONG": Absent.ABSENT, "LEAD_OFF": Absent.ABSENT}
    if v.quality.usable:
        return on | {"POOR_SIGNAL_LONG": Absent.ABSENT, "POOR_SIGNAL": Absent.ABSENT}
    if any(isinstance(verdicts.get(code), Assertion) for code in EXPLAIN_POOR):
        return on
    poor = _poor(v.t_us, v.quality)
    long = replace(poor, code="POOR_SIGNAL_LONG")
    if doubted:
        codes = " ".join([x.code for x in doubted] + withheld.split())
        why = "; ".join(x.message for x in doubted)
        message = f"{poor.message}, {codes} not judged: {why}, but intervals as of noise"
        poor = replace(poor, message=message, evidence=_doubts(doubted) | {"withheld": codes}, immediate=True)
    elif withheld:
        evidence = {**poor.evidence, "withheld": withheld}
        poor = replace(poor, message=f"{poor.message}, {withheld} not judged", evidence=evidence, immediate=True)
    return on | {"POOR_SIGNAL_LONG": long, "POOR_SIGNAL": poor}


def _poor(onset_us: int, quality: Quality) -> Assertion:
    why = ", ".join(quality.reasons) or "noise"
    return Assertion("POOR_SIGNAL", onset_us, f"signal quality {quality.sqi:.2f} ({why})")


def _with_quality(assertion: Assertion, quality: Quality, s: AlarmSettings) -> Assertion:
    evidence = {**assertion.evidence, "sqi": round(quality.sqi, 3), "usable": "yes" if quality.usable else "no"}
    if quality.reasons:
        evidence["quality"] = " ".join(quality.reasons)
    message = assertion.message
    if not quality.usable and _is_lethal(assertion.code, s):
        message += f" (poor signal: {', '.join(quality.reasons) or 'noise'})"
    return replace(assertion, message=message, evidence=evidence)


def _is_lethal(code: str, s: AlarmSettings) -> bool:
    return s.rules.get(code, RULES[code]).priority is Priority.HIGH


def _found(code: str, score: float | None, threshold: float | None, finding: Finding) -> Assertion:
    message, evidence = RULES[code].label, dict[str, str | float](model=finding.model)
    if score is not None:
        message, evidence["score"] = f"{message}, p {score:.2f}", round(score, 4)
        if threshold is not None:
            message, evidence["threshold"] = f"{message} >= {threshold:.2f}", threshold
    if finding.heart_rate_bpm is not None:
        message = f"{message}, HR {finding.heart_rate_bpm:.0f}"
    return Assertion(code, finding.t0_us, message, evidence)
