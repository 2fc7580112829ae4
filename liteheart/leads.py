"""Leads by name, with the numbers of ISO/IEEE 11073-10101 that DICOM (PS3.16, CID 3001) and SCP-ECG share.

A name that is not here is some lead, number 0: nothing is guessed. MLII is the modified limb lead of ambulatory
recorders; the standards number no MLI and no MLIII.
"""

from typing import Final

_LEADS: Final = {  # name: number, meaning as CID 3001 has it
    **{name: (number, f"Lead {name}") for name, number in (("I", 1), ("II", 2), ("III", 61))},
    **{f"V{k}": (k + 2, f"Lead V{k}") for k in range(1, 8)},
    **{f"V{k}": (k + 58, f"Lead V{k}") for k in (8, 9)},
    **{f"V{k}R": (k + 8, f"Lead V{k}R") for k in range(2, 8)},
    **{f"V{k}R": (k + 60, f"Lead V{k}R") for k in (8, 9)},
    **{name: (number, f"Lead {name}") for name, number in (("X", 16), ("Y", 17), ("Z", 18))},
    "aVR": (62, "aVR, augmented voltage, right"),
    "aVL": (63, "aVL, augmented voltage, left"),
    "aVF": (64, "aVF, augmented voltage, foot"),
    "-aVR": (65, "\N{MINUS SIGN}aVR"),
    "LA": (21, "Left Arm Lead"),
    "RA": (22, "Right Arm Lead"),
    "LL": (23, "Left Leg Lead"),
    "MLII": (126, "Modified limb lead"),
    **{f"MCL{k}": (k + 91, f"Modified chest lead per V{k} placement") for k in range(1, 7)},
    **{f"CC{k}": (k + 98, f"Chest lead per V{k} and V{k}R placement") for k in range(1, 5)},
    "CC5": (19, "Chest lead per V5 and V5R placement"),
    "CC6": (103, "Chest lead per V6 and V6R placement"),
    **{f"CM{k}": (k + 105, f"Chest-manubrium lead per V{k} placement") for k in range(1, 5)},
    "CM5": (20, "Chest-manubrium lead per V5 placement"),
    "CM6": (110, "Chest-manubrium lead per V6 placement"),
    "CH5": (122, "Lead CH5"),
    "CR5": (125, "Lead CR5"),
    **{name: (number, f"EASI Lead {name}") for name, number in (("ES", 131), ("AS", 132), ("AI", 133))},
}
_KNOWN: Final = {name.upper(): found for name, found in _LEADS.items()}
NAMES: Final = {number: name for name, (number, _) in _LEADS.items()}  # of each number


def numbered(name: str) -> tuple[int, str]:
    """Number and meaning of a lead, whatever the case of its letters; (0, "Unspecified lead") for any other."""
    return _KNOWN.get(name.upper(), (0, "Unspecified lead"))
