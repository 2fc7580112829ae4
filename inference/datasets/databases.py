"""The databases we know, as data: whose a record is by its name, and what the published files look like."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Database:
    """One published database. Amplitudes are the median over leads of the peak-to-peak of a median second."""

    code: str
    title: str
    pattern: str  # of its record names
    rates_hz: tuple[float, ...]  # none: any
    seconds: tuple[float, float]  # shortest and longest published record, with a margin
    licence: str
    attribution: str
    leads: int | None = 12  # None: any
    gain: float | None = 1000.0  # ADC units per mV in the published headers; None: any
    misprint: float | None = None  # a gain of earlier headers that a later version took back
    repeats: bool = False  # patients have several records: without their ids the database is one group
    limbs_agree: bool = True  # I + III = II in the published signals
    states: tuple[str, ...] | None = None  # the only conditions it is complete about; None: those it uses
    # An order of magnitude around what PTB-XL (0.33 to 3.1 mV in 3,356 records) and CinC-2017 (0.14 to 5.0) show.
    possible_mv: tuple[float, float] = (0.08, 8.0)
    usual_mv: tuple[float, float] = (0.3, 3.5)  # 99 of 100 records; less than two powers of ten wide


_CC, _ODC = "CC BY 4.0", "ODC-By 1.0"
_CHALLENGE = "Perez Alday et al. 2020, Reyna et al. 2021 (PhysioNet Challenge 2021, doi 10.13026/34va-7q14)"

DATABASES: Final = (
    Database(
        code="ptbxl",
        title="PTB-XL",
        pattern=r"HR\d{5}|\d{5}(_lr|_hr)?",
        rates_hz=(100, 500),
        seconds=(9, 11),
        licence=_CC,
        attribution="Wagner et al. 2020, 2022 (doi 10.13026/kfzx-aw45)",
        repeats=True,
    ),
    Database(
        code="cpsc2018",
        title="CPSC2018",
        pattern=r"A\d{4}",
        rates_hz=(500,),
        seconds=(5, 150),
        licence=_CC,
        attribution=f"Liu et al. 2018; {_CHALLENGE}",
    ),
    Database(
        code="cpsc_extra",
        title="CPSC2018, unused part",
        pattern=r"Q\d{4}",
        rates_hz=(500,),
        seconds=(5, 150),
        licence=_CC,
        attribution=f"Liu et al. 2018; {_CHALLENGE}",
    ),
    Database(
        code="g12ec",
        title="Georgia 12-lead ECG Challenge",
        pattern=r"E\d{5}",
        rates_hz=(500,),
        seconds=(5, 11),
        licence=_CC,
        attribution=_CHALLENGE,
        misprint=4880.0,  # headers of 2020; those of 2021 say 1000 for the same signal files
    ),
    Database(
        code="chapman",
        title="Chapman-Shaoxing",
        pattern=r"JS(0\d{4}|10[0-5]\d\d|106[0-3]\d|1064[0-6])",
        rates_hz=(500,),
        seconds=(9, 11),
        licence=_CC,
        attribution=f"Zheng et al. 2020 (doi 10.1038/s41597-020-0386-x); {_CHALLENGE}",
    ),
    Database(
        code="ningbo",
        title="Ningbo",
        pattern=r"JS\d{5}",  # the numbers that Chapman-Shaoxing leaves
        rates_hz=(500,),
        seconds=(9, 11),
        licence=_CC,
        attribution=f"Zheng et al. 2020 (doi 10.1038/s41598-020-59821-7); {_CHALLENGE}",
    ),
    Database(
        code="ptb",
        title="PTB",
        pattern=r"S\d{4}",
        rates_hz=(1000,),
        seconds=(10, 160),
        licence=_ODC,
        attribution=f"Bousseljot et al. 1995 (doi 10.13026/C28C71); {_CHALLENGE}",
        repeats=True,
    ),
    Database(
        code="stpetersburg",
        title="St Petersburg INCART",
        pattern=r"I\d{4}",
        rates_hz=(257,),
        seconds=(1700, 1900),
        licence=_ODC,
        attribution=f"Tihonenko et al. 2008 (doi 10.13026/C2V88N); {_CHALLENGE}",
        repeats=True,
    ),
    Database(
        code="cinc2017",
        title="CinC Challenge 2017, handheld",
        pattern=r"A\d{5}",
        rates_hz=(300,),
        seconds=(9, 62),
        licence=_ODC,
        attribution="Clifford et al. 2017 (doi 10.13026/d3hm-sf11)",
        leads=1,
        states=("AFIB",),  # "other rhythm" may be any other
        possible_mv=(0.05, 12.0),
    ),
    Database(
        code="ludb",
        title="LUDB",
        pattern="",  # its bare numbers say too little
        rates_hz=(500,),
        seconds=(9, 11),
        licence=_ODC,
        attribution="Kalyakulina et al. 2020 (doi 10.13026/eegm-h675)",
        gain=None,
        limbs_agree=False,  # measured: I + III differs from II by half their size in the median record
        states=(),
    ),
    Database(
        code="cinc2011",
        title="CinC Challenge 2011, quality",
        pattern="",  # likewise
        rates_hz=(100, 500),
        seconds=(9, 11),
        licence=_ODC,
        attribution="Silva et al. 2011",
        gain=None,
        states=(),
    ),
)
OTHER: Final = Database(
    code="other",
    title="not one of the databases we know",
    pattern=r".*",
    rates_hz=(),
    seconds=(5, 1e6),
    licence="unknown",
    attribution="unknown",
    leads=None,
    gain=None,
    repeats=True,
)
BY_CODE: Final[dict[str, Database]] = {d.code: d for d in (*DATABASES, OTHER)}


def identify(record: str) -> tuple[Database, str]:
    """The database whose records are named so, and the record's one name there; `OTHER` when none is.

    PTB-XL's 00032_lr, 00032_hr and HR00032 are the same ECG, 00032. A record unpacked from a pack carries its
    database in front: ptbxl-00032.
    """
    prefix, _, name = record.rpartition("-")
    if prefix in BY_CODE:
        return BY_CODE[prefix], _canonical(BY_CODE[prefix], name)
    database = next((d for d in DATABASES if re.fullmatch(d.pattern, record)), OTHER)
    return database, _canonical(database, record)


def _canonical(database: Database, record: str) -> str:
    return record.removeprefix("HR").split("_")[0] if database.code == "ptbxl" else record
