"""What the lethal rhythms are: one definition for the rules that alarm and for the yardstick that judges them."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LethalLimits:
    """Along the lines of the PhysioNet/CinC 2015 alarm set, but for one figure: its tachycardia lasts 17 beats, and
    one true alarm of seven in its own recordings is shorter.
    """

    asystole_s: float = 4.0  # no beat for at least this
    brady_bpm: float = 40.0  # below it, over brady_beats
    brady_beats: int = 5
    tachy_bpm: float = 140.0  # above it, over tachy_beats
    tachy_beats: int = 13  # 12 intervals, as monitors average
    vt_bpm: float = 100.0  # ventricular beats in a row, faster than this
    vt_beats: int = 5
    vf_s: float = 4.0  # of fibrillation or flutter waves


LETHAL: Final = LethalLimits()
