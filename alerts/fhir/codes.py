"""Which code of which system stands for what: leads, measurements, conditions, alarms."""

from typing import Final

from alerts.catalogue import RULES
from alerts.fhir.elements import LOINC, MDC, OURS, SNOMED, Json, coding, concept
from liteheart.conditions import BY_CODE, CONDITIONS

WAVEFORM: Final = coding(MDC, "131328", "MDC_ECG_ELEC_POTL")
WAVEFORM_LOINC: Final = coding(LOINC, "11524-6", "EKG study")
HEART_RATE: Final = coding(LOINC, "8867-4", "Heart rate")
HEART_RATE_MDC: Final = coding(MDC, "147842", "MDC_ECG_HEART_RATE")
IMPRESSION: Final = coding(LOINC, "8601-7", "EKG impression")
SIGNAL_QUALITY: Final = coding(f"{OURS}:measure", "sqi", "Signal quality index")
CONDITION: Final = f"{OURS}:condition"

_LEADS: Final = {  # ISO/IEEE 11073-10101; a lead that is not here, MLII too, is "some lead", with its name as text
    "I": ("131329", "MDC_ECG_ELEC_POTL_I"),
    "II": ("131330", "MDC_ECG_ELEC_POTL_II"),
    "III": ("131389", "MDC_ECG_ELEC_POTL_III"),
    "AVR": ("131390", "MDC_ECG_ELEC_POTL_AVR"),
    "AVL": ("131391", "MDC_ECG_ELEC_POTL_AVL"),
    "AVF": ("131392", "MDC_ECG_ELEC_POTL_AVF"),
} | {f"V{n}": (str(131330 + n), f"MDC_ECG_ELEC_POTL_V{n}") for n in range(1, 7)}


def lead(name: str) -> Json:
    """The concept of a lead."""
    known = _LEADS.get(name.upper())
    return concept(coding(MDC, *known) if known else WAVEFORM, text=name)


def condition(code: str, *, snomed: bool) -> Json:
    """The concept of a condition that a student may name; our own code always, SNOMED CT where it says the same."""
    row = BY_CODE.get(code)
    name = code if row is None else row.name
    return _concept(code, name, row.snomed if row is not None and snomed else None)


def alarm(code: str, label: str, *, snomed: bool) -> Json:
    """The concept of what an alarm is about."""
    rule = RULES.get(code)
    row = BY_CODE.get(code)
    known = (rule.snomed if rule is not None else None) or (row.snomed if row is not None else None)
    return _concept(code, label, known if snomed else None)


def named(system: str | None, code: str) -> list[str]:
    """Our codes of conditions and alarms that a token means, of any system if None; SNOMED CT may mean several."""
    known = {row.code: row.snomed for row in CONDITIONS}
    known |= {rule.code: rule.snomed or known.get(rule.code) for rule in RULES.values()}
    ours = [code] if system in (None, CONDITION) and code in known else []
    theirs = [one for one, snomed in known.items() if snomed == code] if system in (None, SNOMED) else []
    return ours or theirs


def measured(system: str | None, code: str) -> str | None:
    """Which kind of Observation a code asks for: hr, dx or ecg; None: one that is not here."""
    kinds = (("hr", (HEART_RATE, HEART_RATE_MDC)), ("dx", (IMPRESSION,)), ("ecg", (WAVEFORM, WAVEFORM_LOINC)))
    for kind, codings in kinds:
        if any(code == one["code"] and system in (None, one["system"]) for one in codings):
            return kind
    return None


def _concept(code: str, name: str, snomed: str | None) -> Json:
    ours = coding(CONDITION, code, name)
    return concept(*([coding(SNOMED, snomed)] if snomed else []), ours, text=name)
