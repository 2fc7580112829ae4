"""Limits of the alarm rules, filled in by `deploy/settings.py`, checked at birth."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from alerts.catalogue import RULES
from liteheart.alarm import AlarmRule, Kind, Priority
from liteheart.errors import Misconfigured
from liteheart.lethal import LETHAL

_RR_KEPT = 24  # intervals in `Vitals.rr_s`
_LOG_ODDS = frozenset({"af_on", "af_off"})  # may be negative


@dataclass(frozen=True, slots=True)
class AlarmSettings:
    """When a condition holds, and how its alarm is told. Raises Misconfigured naming the key."""

    asystole_s: float = LETHAL.asystole_s  # no beat for at least this
    pause_s: float = 3.0  # two beats at least this far apart, and less than asystole_s
    brady_bpm: float = LETHAL.brady_bpm  # below it, over brady_beats
    brady_beats: int = LETHAL.brady_beats
    tachy_bpm: float = LETHAL.tachy_bpm  # above it, over tachy_beats
    tachy_beats: int = LETHAL.tachy_beats
    noisy_sqi: float = 0.2  # in a signal this poor,
    noisy_spread: float = 0.2  # intervals that vary by this share of their mean are noise, not a fast heart
    vt_beats: int = LETHAL.vt_beats  # ventricular beats in a row, faster than vt_bpm
    vt_bpm: float = LETHAL.vt_bpm
    vf_s: float = LETHAL.vf_s  # of fibrillation or flutter waves
    flutter_bpm: float = 200.0  # a ventricular run at this rate or slower is tachycardia, not flutter
    af_on: float = 0.5  # log odds of irregularity at which atrial fibrillation holds,
    af_off: float = 0.2  # and at which it is absent (hysteresis)
    af_opinion: float = 0.4  # by which the student's agreement lowers `af_on`, its clear disagreement raises it
    ectopy_per_min: float = 10.0  # ventricular beats
    rate_margin_bpm: float = 3.0  # a rate must be this far on the safe side to end an alarm (hysteresis)
    recent_s: float = 2.0  # what ended within this counts as now: vitals come once a second, beats are seen late
    score_release: float = 0.8  # a score below this share of its threshold ends a finding (hysteresis)
    thresholds: Mapping[str, float] = field(default_factory=dict)  # of the model's card; without one, no hysteresis
    pending_s: float = 30.0  # a condition not seen for this long, before it alarmed, begins anew
    merge_s: float = 60.0  # what returns within this after its end is the same alarm, reactivated
    live_within_s: float = 30.0  # signal that arrives later than this is retrospective: shown, never sounded
    promised_s: float = 10.0  # from onset to alarm, beyond the rule's own persistence; slower ones are marked late
    awaited_s: float = 60.0  # from admission or pairing to NO_DATA of a patient who was never heard
    discharged_s: float = 86_400.0  # whom nobody admitted and who is silent for longer is taken for discharged
    model_expected: bool = True  # off where no student runs: nothing then misses its answers
    rules: Mapping[str, AlarmRule] = field(default_factory=lambda: MappingProxyType(RULES))  # from code only

    def __post_init__(self) -> None:
        self._check_numbers()
        if self.pause_s >= self.asystole_s:
            raise Misconfigured("alarms.pause_s", f"{self.pause_s} is not below asystole_s {self.asystole_s}")
        if self.brady_bpm + self.rate_margin_bpm >= self.tachy_bpm - self.rate_margin_bpm:
            raise Misconfigured("alarms.brady_bpm", f"{self.brady_bpm} leaves no normal rate below tachy_bpm")
        if self.af_off > self.af_on:
            raise Misconfigured("alarms.af_off", f"{self.af_off} is above af_on {self.af_on}")
        for name in ("brady_beats", "tachy_beats"):
            if not 3 <= getattr(self, name) <= _RR_KEPT + 1:
                raise Misconfigured(f"alarms.{name}", f"{getattr(self, name)} is outside 3 to {_RR_KEPT + 1}")
        if self.vt_beats < 3:
            raise Misconfigured("alarms.vt_beats", f"{self.vt_beats} is below 3")
        if self.score_release > 1:
            raise Misconfigured("alarms.score_release", f"{self.score_release} is above 1")
        self._check_thresholds()
        self._check_rules()

    def _check_numbers(self) -> None:
        may_be_zero = {"rate_margin_bpm", "merge_s", "noisy_sqi", "noisy_spread", "af_opinion"}
        for name in (f.name for f in fields(self) if f.type in (float, int)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise Misconfigured(f"alarms.{name}", f"{value!r} is not a number")
            if name not in _LOG_ODDS and (value < 0 or (value == 0 and name not in may_be_zero)):
                raise Misconfigured(f"alarms.{name}", f"{value} must be positive")

    def _check_thresholds(self) -> None:
        given = self.thresholds.values() if isinstance(self.thresholds, Mapping) else (self.thresholds,)
        if not all(isinstance(t, int | float) and 0 < t <= 1 for t in given):
            raise Misconfigured("alarms.thresholds", "must give a probability in (0, 1] for each code")

    def _check_rules(self) -> None:
        if not isinstance(self.rules, Mapping):
            raise Misconfigured("alarms.rules", "can be replaced from code only")
        for code, rule in self.rules.items():
            if not isinstance(rule, AlarmRule) or rule.code != code:
                raise Misconfigured("alarms.rules", f"{code!r} does not name its rule")
            if not (0 <= rule.persistence_s < math.inf and 0 <= rule.clear_s < math.inf):
                raise Misconfigured("alarms.rules", f"{code}: persistence_s and clear_s must be 0 or more")
            if rule.kind is Kind.PHYSIOLOGICAL and rule.priority is Priority.HIGH and rule.persistence_s > 0:
                raise Misconfigured("alarms.rules", f"{code}: a lethal rhythm must alarm at once")
