"""The plan of the gate, read from one version-controlled file; a wrong line is named, and then nothing passes."""

import hashlib
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from liteheart.conditions import BY_CODE
from liteheart.errors import Misconfigured

SHIPPED_PLAN: Final = Path(__file__).parent / "plan.toml"
FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class ExamRules:
    """Of the frozen test set."""

    sha256: str  # of its windows and labels, `inference.refresh.exam.digest`
    resamples: int
    least_positives: int


@dataclass(frozen=True, slots=True)
class Margins:
    """How much worse the candidate may be, in AUROC."""

    mean: float
    macro: float
    condition: float
    subgroup: float
    least_subgroup: int
    conditions: Mapping[str, float]

    def of(self, code: str) -> float:
        """The margin of one condition."""
        return self.conditions.get(code, self.condition)


@dataclass(frozen=True, slots=True)
class CalibrationRules:
    """Of the expected calibration error."""

    most: float
    most_worse: float


@dataclass(frozen=True, slots=True)
class FunctionRules:
    """Of size, speed and alarms."""

    most_parameters: int
    most_latency_ratio: float
    most_burden_ratio: float
    most_missed_lethal: int


@dataclass(frozen=True, slots=True)
class ShadowRules:
    """Of the time beside the champion."""

    least_windows: int
    least_agreement: float
    least_alarming_agreement: float


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Who may sign."""

    automatic: bool
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it, and the digest of the file that said so."""

    exam: ExamRules
    margins: Margins
    calibration: CalibrationRules
    function: FunctionRules
    shadow: ShadowRules
    approval: ApprovalRules
    digest: str


def load_plan(path: Path = SHIPPED_PLAN) -> Plan:
    """Raises Misconfigured naming the line that is missing, unknown, or of no sense."""
    try:
        content = path.read_bytes()
        tables = tomllib.loads(content.decode())
    except OSError as error:
        raise Misconfigured("refresh.plan", f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise Misconfigured("refresh.plan", f"{path} is not TOML: {error}") from None
    if tables.pop("format", None) != FORMAT:
        raise Misconfigured("refresh.plan", f"{path} is not a plan of format {FORMAT}")
    plan: Plan = _built(Plan, tables | {"digest": hashlib.sha256(content).hexdigest()}, "")
    for code in plan.margins.conditions:
        if code not in BY_CODE:
            raise Misconfigured("refresh.plan", f"margins.conditions: there is no condition {code}")
    return plan


def _built(kind: Any, table: Any, where: str) -> Any:
    if not isinstance(table, dict):
        raise Misconfigured("refresh.plan", f"{where or 'it'} is not a table")
    known = {f.name: typing.get_type_hints(kind)[f.name] for f in fields(kind)}
    for name in table.keys() - known.keys():
        raise Misconfigured("refresh.plan", f"{where}{name} is unknown")
    for name in known.keys() - table.keys():
        raise Misconfigured("refresh.plan", f"{where}{name} is missing")
    return kind(**{name: _value(hint, table[name], f"{where}{name}") for name, hint in known.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    if is_dataclass(hint):
        return _built(hint, value, f"{where}.")
    origin = typing.get_origin(hint)
    if origin is tuple and isinstance(value, list) and all(isinstance(v, str) for v in value):
        return tuple(value)
    if origin is not None and issubclass(origin, Mapping) and isinstance(value, dict):
        return types.MappingProxyType({name: _value(float, v, f"{where}.{name}") for name, v in value.items()})
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
        return float(value)
    if hint is int and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if hint in (bool, str) and isinstance(value, hint):
        return value
    raise Misconfigured("refresh.plan", f"{where} = {value!r} makes no sense")
