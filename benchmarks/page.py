"""`docs/performance.md` from its template and the last kept runs: no figure stands there that no run has given.

In the template:
    {{run NAME}}                    what was run, when and where
    {{figures NAME FIGURE ...}}     a table of figures of that run; FIGURE may end with *
    {{report NAME}}                 the tables of a kept `liteheart report --format json`
    {{NAME:FIGURE}}                 one value; {{NAME:FIGURE.ratio}} another field of it
"""

import json
import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from benchmarks.signals import ROOT
from inference.report.markdown import markdown, table
from liteheart.errors import Misconfigured

RESULTS: Final = ROOT / "benchmarks" / "results"
TEMPLATE: Final = ROOT / "benchmarks" / "performance.template.md"
PAGE: Final = ROOT / "docs" / "performance.md"
_DIRECTIVE: Final = re.compile(r"\{\{(run|figures|report) ([^{}]+)\}\}")
_VALUE: Final = re.compile(r"\{\{([\w.-]+):([\w.*-]+?)(?:\.(ratio|peer_value|spread|rounds|date))?\}\}")
Line = Mapping[str, Any]
Results = Mapping[str, Sequence[Line]]


def keep(name: str, lines: Sequence[str], command: str, folder: Path = RESULTS) -> Path:
    """Replace the kept run of that name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    told = [json.loads(line) | {"command": command} for line in lines]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in told), encoding="utf-8")
    return path


def kept(folder: Path = RESULTS) -> dict[str, list[Line]]:
    """Every kept run by name."""
    return {
        path.stem: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted(folder.glob("*.jsonl"))
    }


def render(template: str, results: Results) -> str:
    """The page. Raises Misconfigured for a run or figure that was not kept."""
    text = _DIRECTIVE.sub(lambda m: _directive(m[1], m[2].split(), results), template)
    return _VALUE.sub(lambda m: _value(_figure(m[1], m[2], results), m[3] or "value"), text)


def write(page: Path = PAGE) -> None:
    """Write `docs/performance.md` anew."""
    page.write_text(render(TEMPLATE.read_text(encoding="utf-8"), kept()), encoding="utf-8")


def _directive(kind: str, words: Sequence[str], results: Results) -> str:
    name, lines = words[0], _run(words[0], results)
    if kind == "run":
        return _told(lines)
    if kind == "report":
        records = [line for line in lines if line["kind"] == "record"]
        return markdown(records, _summary(name, lines)).strip()
    chosen = [line for word in words[1:] for line in _matching(name, word, lines)]
    return _table(list({str(line["name"]): line for line in chosen}.values()))


def _run(name: str, results: Results) -> Sequence[Line]:
    lines = results.get(name)
    if not lines:
        raise Misconfigured(f"benchmarks/results/{name}.jsonl", "is not there: keep a run of it")
    return lines


def _summary(name: str, lines: Sequence[Line]) -> Line:
    found = [line for line in lines if line["kind"] == "summary"]
    if not found:
        raise Misconfigured(f"benchmarks/results/{name}.jsonl", "holds no summary")
    return found[-1]


def _matching(name: str, word: str, lines: Sequence[Line]) -> list[Line]:
    found = [line for line in lines if fnmatchcase(str(line.get("name")), word)]
    if not found:
        raise Misconfigured(f"benchmarks/results/{name}.jsonl", f"has no figure {word}")
    return found


def _figure(name: str, figure: str, results: Results) -> Line:
    return _matching(name, figure, _run(name, results))[0]


def _told(lines: Sequence[Line]) -> str:
    """Command, day and machine of a run."""
    last = lines[-1]
    words = [f"`{last['command']}`", str(last["date"])]
    if "machine" in last:
        words.append(str(last["machine"]))
    if last.get("remark"):
        words.append(str(last["remark"]))
    return ", ".join(words)


def _table(lines: Sequence[Line]) -> str:
    rows = []
    for line in lines:
        peer = [str(line["peer"]), _number(line["peer_value"])] if "peer" in line else ["", ""]
        value = f"{_number(line['value'])} {line['unit']}".strip()
        noisy = " noisy" if line.get("noisy") else ""
        spread = f"{line['spread']:.0%}{noisy}" if "spread" in line else ""
        rows.append([f"`{line['name']}`", value, spread, *peer, _ratio(line)])
    return table(["figure", "value", "spread", "beside it", "its value", "ratio"], rows)


def _ratio(line: Line) -> str:
    if "ratio" not in line:
        return ""
    low, high = line.get("ratio_low"), line.get("ratio_high")
    within = f" [{_number(low)}, {_number(high)}]" if low is not None and high is not None else ""
    return f"**{_number(line['ratio'])}**{within}"


def _value(line: Line, field: str) -> str:
    value = line.get(field)
    if value is None:
        raise Misconfigured(str(line.get("name")), f"has no {field}")
    return f"{value:.0%}" if field == "spread" else value if isinstance(value, str) else _number(value)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
