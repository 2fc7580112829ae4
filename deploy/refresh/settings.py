"""Settings of the refresh, `refresh.*`; what a candidate must show stands in the plan, not here."""

from dataclasses import dataclass, fields
from pathlib import Path

from inference.refresh.plan import SHIPPED_PLAN
from liteheart.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class RefreshSettings:
    """When, from what and within which bounds. Raises Misconfigured naming the key."""

    every_h: float = 168.0  # between two attempts; slow enough for someone to look at each
    again_h: float = 24.0  # after one that found too little to learn from
    look_s: float = 60.0  # how often the role looks whether one is due, or the shadow has seen enough
    lease_s: float = 60.0  # an attempt of which nothing is heard for so long may be gone on with by another host
    days: float = 28.0  # of windows that are looked through
    candidates: int = 5000  # windows that are read and scored at most: 4 kB each in memory
    per_patient: int = 200  # of them, of one patient
    pool: int = 2000  # windows that are learned from at most
    least_windows: int = 200  # fewer are not worth an attempt
    least_patients: int = 5
    most_ignored: float = 0.5  # share of the people whose words may be found unreliable before the pool is refused
    minutes: float = 60.0  # of learning at a stretch; the next look goes on
    steps: int = 800  # of learning in all
    state_every: int = 50  # steps, after which a crash costs nothing
    plan: Path = SHIPPED_PLAN  # what a candidate must show
    plan_sha256: str = ""  # if set, the plan must be this one
    exam: Path | None = None  # folder of the frozen test set; without it nothing is grown, for nothing can be judged
    rehearsal: Path | None = None  # folder of original training data, against forgetting
    backtest_patients: int = 8  # whose signal both students are played
    backtest_h: float = 1.0  # of each
    shadow_h: float = 168.0  # a candidate that has not seen enough windows until then is refused
    shadow_part_h: float = 6.0  # of one patient, the newest: held in memory
    threads: int = 1  # of the CPU; beside live scoring

    def __post_init__(self) -> None:
        free = ("plan", "exam", "rehearsal", "plan_sha256", "most_ignored")
        for name in (f.name for f in fields(self) if f.name not in free):
            if not getattr(self, name) > 0:
                raise Misconfigured(f"refresh.{name}", "must be positive")
        if not 0 <= self.most_ignored <= 1:
            raise Misconfigured("refresh.most_ignored", f"{self.most_ignored} is outside 0 to 1")
