"""`--set KEY=VALUE`: the settings of a what-if, refused where the live system would refuse them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from alerts.settings import AlarmSettings
from deploy.settings import Settings, load
from liteheart.alarm import AlarmRule, Priority
from liteheart.errors import Misconfigured

SECTIONS: Final = ("alarms", "ingest", "inference")  # what an alarm may depend on
_OF_RULES: Final = ("priority", "latching", "persistence_s", "clear_s")


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to run the ward. Settings apart from `rules` come from where every command takes them."""

    settings: Settings
    rules: Mapping[str, AlarmRule]
    model: Path | None = None

    def alarms(self, thresholds: Mapping[str, float]) -> AlarmSettings:
        """The limits with the student's thresholds. Raises Misconfigured for rules that may not be."""
        return replace(self.settings.alarms, thresholds=dict(thresholds), rules=self.rules)


@functools.cache
def variants(changes: tuple[str, ...], model: Path | None) -> tuple[Variant, Variant]:
    """Before, as everything is set; and after, with the changes. Raises Misconfigured naming the change."""
    now = load()
    overrides: dict[str, Any] = {}
    rules = dict(now.alarms.rules)
    for change in changes:
        key, equals, value = change.partition("=")
        section, _, rest = key.strip().partition(".")
        if not equals or not rest:
            raise Misconfigured(f"--set {change}", "say KEY=VALUE, as in alarms.asystole_s=5 or rules.AFIB.clear_s=90")
        if section == "rules":
            _change_rule(rules, rest, value.strip(), change)
        elif section in SECTIONS:
            overrides[f"{section}__{rest}"] = value.strip()
        else:
            raise Misconfigured(f"--set {change}", f"no alarm depends on it; {', '.join((*SECTIONS, 'rules'))} do")
    before = Variant(now, now.alarms.rules)
    after = Variant(load(**overrides) if overrides else now, MappingProxyType(rules), model)
    _ = after.alarms({})  # refuse it now, not after the first patient
    return before, after


def same_signal(a: Variant, b: Variant) -> bool:
    """Whether both see the same vitals."""
    return a.settings.ingest == b.settings.ingest


def same_student(a: Variant, b: Variant) -> bool:
    """Whether both have the same readings of every window."""
    return same_signal(a, b) and a.model == b.model and a.settings.inference == b.settings.inference


def _change_rule(rules: dict[str, AlarmRule], rest: str, value: str, change: str) -> None:
    code, _, name = rest.partition(".")
    rule = rules.get(code)
    if rule is None:
        raise Misconfigured(f"--set {change}", f"there is no rule {code}; there are {', '.join(sorted(rules))}")
    if not name and value == "off":
        del rules[code]
        return
    if name not in _OF_RULES:
        raise Misconfigured(f"--set {change}", f"of a rule {', '.join(_OF_RULES)} can be set, or rules.{code}=off")
    rules[code] = replace(rule, **{name: _parsed(name, value, change)})


def _parsed(name: str, value: str, change: str) -> Any:
    kind = next(f.type for f in fields(AlarmRule) if f.name == name)
    try:
        if kind is Priority:
            return Priority[value.upper()]
        return {"true": True, "false": False}[value.lower()] if kind is bool else float(value)
    except (KeyError, ValueError):
        raise Misconfigured(f"--set {change}", f"{value!r} is no {name}") from None
