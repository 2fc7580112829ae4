"""The report for a reader: record by record first, then gross and average, then the distributions."""

from collections.abc import Mapping, Sequence
from typing import Any

Line = Mapping[str, Any]


def markdown(lines: Sequence[Line], total: Line) -> str:
    """Tables of what `tables.line` and `tables.summary` gave."""
    parts = [_beats(lines, total)]
    if total["runs"]:
        parts.append(_runs(total))
    if total["episodes"]:
        parts.append(_episodes(lines, total))
    return "\n\n".join([*parts, _errors(total)]) + "\n"


def _beats(lines: Sequence[Line], total: Line) -> str:
    kinds = list(total["beats"])
    head = ["record", *(f"{k} {what}" for k in kinds for what in ("true", "missed", "wrong", "Se %", "+P %"))]
    rows = [[str(r["record"]), *(c for k in kinds for c in _cells(r["beats"].get(k)))] for r in lines]
    rows.append(["**gross**", *(c for k in kinds for c in _cells(total["beats"][k]["gross"]))])
    blank = ["", "", ""]
    means = [total["beats"][k]["average"] for k in kinds]
    rows.append(["**average**", *(c for m in means for c in (*blank, percent(m["se"]), percent(m["ppv"])))])
    return "### Beats\n\n" + table(head, rows)


def _cells(t: Line | None) -> list[str]:
    if t is None:
        return ["–"] * 5
    return [f"{t['true']}", f"{t['missed']}", f"{t['wrong']}", percent(t["se"]), percent(t["ppv"])]


def _runs(total: Line) -> str:
    rows = [[name, *_cells(both["gross"])] for name, both in total["runs"].items()]
    return "### Runs of ventricular beats\n\n" + table(["runs", "true", "missed", "wrong", "Se %", "+P %"], rows)


def _episodes(lines: Sequence[Line], total: Line) -> str:
    head = [
        "condition",
        "record",
        "true",
        "missed",
        "wrong",
        "Se %",
        "+P %",
        "true s",
        "said s",
        "time Se %",
        "time +P %",
    ]
    rows = []
    for code, both in total["episodes"].items():
        if not both["gross"]["true"] and not both["gross"]["said_s"]:
            continue
        of_records = [(str(r["record"]), r["episodes"][code]) for r in lines if code in r["episodes"]]
        told = [(name, s) for name, s in of_records if s["true"] or s["said_s"]]
        for name, s in [*told, ("**gross**", both["gross"])]:
            duration = [
                f"{s['true_s']:.0f}",
                f"{s['said_s']:.0f}",
                percent(s["duration_se"]),
                percent(s["duration_ppv"]),
            ]
            rows.append([code, name, *_cells(s), *duration])
        m = both["average"]
        shares = [percent(m[k]) for k in ("se", "ppv")], [percent(m[k]) for k in ("duration_se", "duration_ppv")]
        rows.append([code, "**average**", "", "", "", *shares[0], "", "", *shares[1]])
    return "### Episodes\n\n" + table(head, rows)


def _errors(total: Line) -> str:
    timing, wrong = total["r_peak_error"], total["wrong_beats_10s"]
    parts = ["### Distributions of errors"]
    if timing["n"]:
        shares = ", ".join(f"{percent(v)} % within {k}" for k, v in timing["within"].items())
        mean = f"{timing['mean_ms']:+.1f} ± {timing['sd_ms']:.1f} ms (mean ± SD)"
        parts.append(f"R peaks, {timing['n']:,} pairs: {mean}, 95 % within {timing['p95_abs_ms']:.1f} ms; {shares}.")
    for name, words in (("of_beats", "Rate of the beats found"), ("as_shown", "Rate as the monitor shows it")):
        rate = total["rate_error_10s"][name]
        if rate["n"]:
            shares = ", ".join(f"{percent(v)} % within {k}" for k, v in rate["within"].items())
            rms = "–" if rate["rms_bpm"] is None else f"{rate['rms_bpm']:.2f}"
            parts.append(
                f"{words}, {rate['n']:,} windows of 10 s: {shares}; area {rate['area']:.4f}, "
                f"root mean square {rms} bpm, {rate['no_rate']} windows without a rate."
            )
    if wrong["n"]:
        shares = ", ".join(f"{percent(v)} % at most {k}" for k, v in wrong["at_most"].items())
        parts.append(f"Wrong beats (missed or invented) in 10 s, {wrong['n']:,} windows: {shares}.")
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def percent(share: float | None) -> str:
    """Two decimals; a dash for None."""
    return "–" if share is None else f"{100 * share:.2f}"
