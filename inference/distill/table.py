"""The benchmark's table from finished runs: means over seeds, differences with intervals, share of the gap closed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.distill.benchmark import TEACHER, load_scored, run_path
from inference.distill.figures import FIGURES, Scored, difference, gap_closed

SHOWN: Final = (  # columns of the table
    ("superclasses", "auroc"),
    ("superclasses", "f1"),
    ("statements", "auroc"),
    ("statements", "f1"),
    ("statements", "map"),
    ("statements", "f2"),
    ("visible", "auroc"),
    ("hidden", "auroc"),
)
COMPARED: Final = (("superclasses", "auroc"), ("superclasses", "f1"), ("statements", "auroc"))


def make_table(
    out: Path, arms: Sequence[str], seeds: Sequence[int], *, against: Sequence[str] = ("scratch",), draws: int = 300
) -> dict[str, Any]:
    """Means and standard deviations of finished runs, and paired differences to the arms `against`.

    An arm without a run for every seed is left out, and named.
    """
    runs = {word: [run_path(out, word, seed) for seed in seeds] for word in dict.fromkeys([*arms, *against])}
    missing = sorted(word for word, paths in runs.items() if not all(p.exists() for p in paths))
    runs = {word: paths for word, paths in runs.items() if word not in missing}
    told = {word: [json.loads(p.read_text(encoding="utf-8")) for p in paths] for word, paths in runs.items()}
    scored = {word: [load_scored(p.with_suffix(".npz")) for p in paths] for word, paths in runs.items()}
    rows = {word: _row(told[word]) for word in runs}
    for word, row in rows.items():
        row["gap_closed"] = _gap(rows, word)
        row["against"] = {
            base: _differences(scored[word], scored[base], draws) for base in against if base in scored and base != word
        }
    return {"seeds": list(seeds), "missing": missing, "arms": rows}


def _row(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for side in ("validation", "test"):
        for group, name in ((g, n) for g in runs[0][side] for n in FIGURES):
            values = [v for run in runs if (v := run[side][group][name]) is not None]
            sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
            figures.setdefault(side, {}).setdefault(group, {})[name] = [
                _round(np.mean(values)) if values else None,
                sd and _round(sd),
            ]
    known = ("parameters", "macs", "latency_ms", "labelled", "pool")
    return figures | {key: runs[0][key] for key in known if key in runs[0]}


def _gap(rows: dict[str, Any], word: str) -> dict[str, float | None]:
    """Of superclass AUROC and of the others compared, on test."""
    if not {"scratch", TEACHER} <= rows.keys():
        return {}
    out = {}
    for group, name in COMPARED:
        ours, scratch, teacher = (rows[w]["test"][group][name][0] for w in (word, "scratch", TEACHER))
        out[f"{group} {name}"] = gap_closed(ours, scratch, teacher)
    return out


def _differences(ours: Sequence[Scored], theirs: Sequence[Scored], draws: int) -> dict[str, list[float]]:
    return {f"{g} {n}": [_round(v) for v in difference(ours, theirs, g, n, draws=draws)] for g, n in COMPARED}


def _round(value: Any) -> float:
    return round(float(value), 4)


def markdown(table: dict[str, Any]) -> str:
    """The table for a reader: test figures, mean +- sd over seeds, then differences with 95 % intervals."""
    head = ["arm", *(f"{g} {n}" for g, n in SHOWN), "gap closed", "parameters", "MMAC", "ms"]
    lines = [_line(head), _line(["---"] * len(head))]
    for word, row in table["arms"].items():
        cells = [_cell(row["test"][g][n]) for g, n in SHOWN]
        gap = row["gap_closed"].get("superclasses auroc")
        cost = [f"{row['macs'] / 1e6:.1f}", f"{row['latency_ms']:.2f}"] if "macs" in row else ["–", "–"]
        lines.append(_line([word, *cells, "" if gap is None else f"{gap:.0%}", f"{row['parameters']:,}", *cost]))
    head = ["arm", "against", *(f"{g} {n}" for g, n in COMPARED)]
    lines += ["", _line(head), _line(["---"] * len(head))]
    for word, row in table["arms"].items():
        for base, values in row["against"].items():
            lines.append(_line([word, base, *(f"{m:+.4f} [{lo:+.4f}, {hi:+.4f}]" for m, lo, hi in values.values())]))
    if table["missing"]:
        lines += ["", f"Not finished: {', '.join(table['missing'])}"]
    return "\n".join(lines) + "\n"


def _cell(value: list[float | None]) -> str:
    mean, sd = value
    if mean is None:
        return "–"
    return f"{mean:.4f}" if sd is None else f"{mean:.4f} ± {sd:.4f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
