"""The PhysioNet/CinC 2015 set: alarms of intensive care that were true or false, and what LiteHeart makes of each.

The alarm that a recording is asked about sounded at its last sample. It is answered with yes where the live path has
told it, or a rhythm that outranks it, within the last seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from alerts.catalogue import OUTRANKS
from deploy.annotated import Source
from deploy.sounded import Sounded
from inference.report.markdown import table
from liteheart.clock import US_PER_S
from liteheart.errors import Unreadable

CODES: Final = {
    "Asystole": "ASYSTOLE",
    "Bradycardia": "EXTREME_BRADY",
    "Tachycardia": "EXTREME_TACHY",
    "Ventricular_Tachycardia": "VT",
    "Ventricular_Flutter_Fib": "VF",
}
ASKED_S: Final = 15.0  # the event lies in the last 10 s, and finding it may take some
MISSED_COSTS: Final = 5  # times as much as a false alarm


@dataclass(frozen=True, slots=True)
class Claim:
    """What a bedside monitor alarmed, and whether experts agree."""

    code: str
    true: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """One recording. Each item of `told` is what one of its ECG leads told in time, the lead asked for first."""

    name: str
    claim: Claim
    told: tuple[frozenset[str], ...]


def claim_of(source: Source) -> Claim:
    """From the labels of a pack, or the comments of a WFDB header. Raises Unreadable where neither says it."""
    said = [str(source.labels.get("alarm", "")), f"{source.labels.get('true', '')} alarm".lower()]
    header = source.path.with_suffix(".hea")
    if "alarm" not in source.labels and header.is_file():
        lines = header.read_text(encoding="utf-8", errors="replace").splitlines()
        said = [line.lstrip("# ").strip() for line in lines if line.startswith("#")]
    codes = [CODES[s] for s in said if s in CODES]
    verdicts = [s.lower() == "true alarm" for s in said if s.lower() in ("true alarm", "false alarm")]
    if len(codes) != 1 or len(verdicts) != 1:
        raise Unreadable(source.path, f"{source.name} does not say which alarm it is and whether it is true")
    return Claim(codes[0], verdicts[0])


def told_at_the_end(made: Sequence[Sounded], end_us: int) -> frozenset[str]:
    """Codes that were active within the last seconds."""
    since_us = end_us - round(ASKED_S * US_PER_S)
    return frozenset(c.code for c in made if c.over_us is None or c.over_us >= since_us)


def alarmed(claim: Claim, told: frozenset[str]) -> bool:
    """Whether the alarm was told: under its own name, or that of a rhythm which outranks it."""
    return claim.code in told or any(claim.code in OUTRANKS.get(code, ()) for code in told)


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """Scores of the lead asked for, of its name alone, of the other lead, and of any of both."""
    both = [a for a in answers if len(a.told) > 1]
    return {
        "records": len(answers),
        "first_lead": _scored(answers, lambda a: alarmed(a.claim, a.told[0])),
        "first_lead_own_name": _scored(answers, lambda a: a.claim.code in a.told[0]),
        "second_lead": _scored(both, lambda a: alarmed(a.claim, a.told[1])),
        "either_lead": _scored(answers, lambda a: any(alarmed(a.claim, t) for t in a.told)),
        "suppressed": [[a.name, a.claim.code] for a in answers if a.claim.true and not alarmed(a.claim, a.told[0])],
    }


def _scored(answers: Sequence[Answer], says: Callable[[Answer], bool]) -> dict[str, Any]:
    counts = {code: [0, 0, 0, 0] for code in CODES.values()}
    for a in answers:
        counts[a.claim.code][2 * (not a.claim.true) + (says(a) != a.claim.true)] += 1
    total = [sum(c[k] for c in counts.values()) for k in range(4)]
    by_alarm = {code: dict(zip(("tp", "fn", "tn", "fp"), c, strict=True)) for code, c in counts.items()}
    return {"score": score(*total), "by_alarm": by_alarm}


def score(tp: int, fn: int, tn: int, fp: int) -> float | None:
    """The challenge's, in percent: an alarm that is suppressed though true counts five times."""
    whole = tp + tn + fp + MISSED_COSTS * fn
    return round(100.0 * (tp + tn) / whole, 2) if whole else None


def markdown(told: Mapping[str, Any]) -> str:
    """A row for each way of asking."""
    head = ["", "score", *(f"{code} true told, false withheld" for code in CODES.values())]
    rows = []
    for name in ("first_lead", "first_lead_own_name", "second_lead", "either_lead"):
        cells = [
            f"{c['tp']}/{c['tp'] + c['fn']}, {c['tn']}/{c['tn'] + c['fp']}" for c in told[name]["by_alarm"].values()
        ]
        value = told[name]["score"]
        rows.append([name.replace("_", " "), "–" if value is None else f"{value:.1f}", *cells])
    return f"### CinC-2015, {told['records']} alarms\n\n" + table(head, rows) + "\n"
