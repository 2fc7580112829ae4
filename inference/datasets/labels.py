"""From what a database writes to the codes of `liteheart.conditions`, and to targets of training."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from inference.datasets.databases import BY_CODE as DATABASE
from inference.datasets.record import Listed
from inference.preprocess import Flags
from liteheart.conditions import BY_CODE, BY_SNOMED, BY_STATEMENT, SUPERCLASSES, merged

# Codes that databases write for a row of the table that carries another, or for a kind of it.
ALSO: Final = {
    "164895002": "VT",
    "425856008": "VT",  # paroxysmal
    "164896001": "VF",
    "111288001": "VF",  # ventricular flutter
    "282825002": "AFIB",  # paroxysmal
    "426749004": "AFIB",  # chronic
    "314208002": "AFIB",  # rapid
    "426183003": "2AVB",  # Mobitz II
    "54016002": "2AVB",  # Wenckebach
    "54329005": "AMI",  # PTB-XL's statement AMI was published under it
    "57054005": "MI",  # acute
    "253352002": "LAO/LAE",  # left atrial abnormality
    "446813000": "LAO/LAE",  # left atrial hypertrophy
}

# The nine classes of CPSC2018 as its first headers named them. The Challenge turned "Normal" into sinus rhythm.
WORDS: Final = {
    "normal": "SR",
    "af": "AFIB",
    "i-avb": "1AVB",
    "lbbb": "LBBB",
    "rbbb": "RBBB",
    "pac": "PAC",
    "pvc": "PVC",
    "std": "STD_",
    "ste": "STE_",
}

RHYTHMS_2017: Final = {"N": "SR", "A": "AFIB"}  # O, any other rhythm, and ~, noise, say nothing we can learn

Labels = tuple[frozenset[str], tuple[str, ...]]  # codes, and what has none


def from_snomed(written: Iterable[str]) -> Labels:
    """Codes of SNOMED CT numbers or of CPSC2018's words, with the superclasses they imply."""
    return _read(written, {**BY_SNOMED, **ALSO}, WORDS)


def from_statements(statements: Iterable[str]) -> Labels:
    """Codes of PTB-XL's SCP statements, whatever their likelihood: a superclass holds when one of its own does."""
    given = list(statements)
    supers = {code for code in SUPERCLASSES if set(given) & set(BY_CODE[code].scp)}
    implied = {s for code in SUPERCLASSES for s in BY_CODE[code].scp}
    codes, unknown = _read(given, BY_STATEMENT, {})
    return codes | supers, tuple(u for u in unknown if u not in implied)


def from_rhythm(rhythm: str) -> Labels:
    """Codes of a class of CinC-2017."""
    return _read([rhythm], RHYTHMS_2017, {})


def _read(written: Iterable[str], table: dict[str, str], words: dict[str, str]) -> Labels:
    codes, unknown = set(), []
    for item in dict.fromkeys(w.strip() for w in written):
        code = table.get(item) or words.get(item.casefold())
        if code is not None:
            codes.add(code)
        elif item:
            unknown.append(item)
    supers = {s for c in codes if (s := BY_CODE[c].superclass) in SUPERCLASSES}
    return frozenset(codes | {s for s in supers if s}), tuple(unknown)


def targets(listed: Sequence[Listed], classes: Sequence[str], *, minimum: int = 20) -> tuple[Flags, Flags]:
    """y and known, bool [n, classes], equivalent codes merged.

    A database knows a condition that it states in at least `minimum` of these records: a label that a database never
    gives is not a negative one. Where a database is complete about some conditions only, it knows those.
    """
    labels = [merged(r.labels) for r in listed]
    counts: dict[str, Counter[str]] = {}
    for r, codes in zip(listed, labels, strict=True):
        counts.setdefault(r.database, Counter()).update(codes)
    knows = {name: [_knows(name, c, count[c], minimum) for c in classes] for name, count in counts.items()}
    y = np.array([[c in codes for c in classes] for codes in labels], np.bool_).reshape(len(listed), len(classes))
    known = np.array([[k and r.labelled for k in knows[r.database]] for r in listed], np.bool_).reshape(y.shape)
    return y & known, known


def _knows(database: str, code: str, count: int, minimum: int) -> bool:
    row = DATABASE.get(database)
    if row is not None and row.states is not None:
        return code in row.states
    return count >= minimum
