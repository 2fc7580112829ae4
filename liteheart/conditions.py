"""The table of conditions: one row each, with its codes. Thresholds belong to a model's card, not here."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `code` is ours and stable; `scp` are PTB-XL statements counted as it; `snomed` is SNOMED CT."""

    code: str
    name: str
    snomed: str | None
    scp: tuple[str, ...] = ()
    superclass: str | None = None  # NORM, MI, STTC, CD, HYP, or RHYTHM
    lead_i_visible: bool = True
