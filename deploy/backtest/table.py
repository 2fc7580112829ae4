"""The result of a backtest for a reader: before and after, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from inference.report.markdown import table

Told = Mapping[str, Any]
_MISSES: Final = 20  # listed; the JSON has all of them
_ROWS: Final = (
    ("alarms per patient-day", "alarms_per_patient_day", ""),
    ("audible seconds per patient-day", "audible_s_per_patient_day", ""),
    ("sensitivity", "sensitivity", "%"),
    ("false alarms (verdict) that ring again", "false_alarms_kept", "%"),
    ("share of judged alarms that are false", "false_share", "%"),
    ("the same, HIGH only", "false_share_high", "%"),
    ("onset to alarm, median s", "delay_p50_s", ""),
    ("onset to alarm, longest s", "delay_max_s", ""),
)
_OFF: Final = "–"


def markdown(told: Told) -> str:
    """The table, the rules whose burden changes or matters, and what is missed."""
    before, after = told["before"], told["after"]
    changes = ", ".join([*told["changes"], *([f"model {told['model']}"] if "model" in told else [])]) or "nothing"
    parts = [f"{told['cases']} patients or recordings, {before['patient_days']:.3f} patient-days. Changed: {changes}."]
    if (share := told.get("stored_alarms_reproduced")) is not None:
        parts.append(f"Of the alarms that are stored, the replay has {100 * share:.1f} %.")
    rows = [
        _row(words, before.get(key), after.get(key), unit)
        for words, key, unit in _ROWS
        if key in before or key in after
    ]
    rows += _by(["HIGH", "MEDIUM", "LOW"], "", before["by_priority"], after["by_priority"])
    codes = list(dict.fromkeys([*before["by_rule"], *after["by_rule"]]))
    rows += _by(codes, "· ", before["by_rule"], after["by_rule"])
    for code in sorted({*before.get("sensitivity_by_rule", {}), *after.get("sensitivity_by_rule", {})}):
        shares = [x.get("sensitivity_by_rule", {}).get(code) for x in (before, after)]
        rows.append(_row(f"sensitivity, {code}", shares[0], shares[1], "%"))
    parts.append(table(["", "before", "after", "change"], rows))
    return "\n\n".join([*parts, *_misses(before, after)]) + "\n"


def _by(names: Sequence[str], mark: str, before: Told, after: Told) -> list[list[str]]:
    return [
        _row(f"{mark}{name}, alarms per patient-day", before.get(name, 0.0), after.get(name, 0.0), "") for name in names
    ]


def _row(words: str, before: float | None, after: float | None, unit: str) -> list[str]:
    both = before is not None and after is not None
    factor = 100.0 if unit == "%" else 1.0
    cells = [_OFF if x is None else f"{factor * x:.1f}{' %' if unit else ''}" for x in (before, after)]
    return [words, *cells, f"{factor * (after - before):+.1f}" if both else _OFF]  # type: ignore[operator]  # both: numbers


def _misses(before: Told, after: Told) -> list[str]:
    def key(miss: Told) -> tuple[str, str, int]:
        return miss["patient"], miss["rule"], miss["at_us"]

    known = {key(m) for m in before.get("misses", ())}
    missed = after.get("misses", ())
    if not missed:
        return []
    fresh = [m for m in missed if key(m) not in known]
    shown = [*fresh, *(m for m in missed if key(m) in known)][:_MISSES]
    rows = [
        [
            m["patient"],
            m["rule"],
            f"{m['at_s']:.0f}",
            f"{m['lasts_s']:.1f}",
            m["reason"],
            "new" if m in fresh else "also before",
        ]
        for m in shown
    ]
    head = ["missed after the change", "rule", "at s", "lasts s", "said to be", ""]
    more = [f"and {len(missed) - len(shown)} more, in the JSON."] if len(missed) > len(shown) else []
    return [table(head, rows), *more]
