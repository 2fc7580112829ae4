"""The table of conditions: one row each, with its codes. Thresholds belong to a model's card, not here.

Statements are those of PTB-XL (SCP-ECG, Wagner et al. 2020) with at least 40 records in the training material.
SNOMED CT codes are those of the PhysioNet Challenge 2021 where it has one; `None` where no code says exactly this.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `code` is ours and stable; `scp` are PTB-XL statements counted as it; `snomed` is SNOMED CT."""

    code: str
    name: str
    snomed: str | None
    scp: tuple[str, ...] = ()
    superclass: str | None = None  # NORM, MI, STTC, CD, HYP, or RHYTHM
    lead_i_visible: bool = True


def _statement(
    code: str, name: str, snomed: str | None, superclass: str | None = None, *, visible: bool = False
) -> Condition:
    return Condition(code, name, snomed, (code,), superclass, visible)


SUPERCLASSES: Final = ("NORM", "MI", "STTC", "CD", "HYP")

_DERIVED = (  # a superclass holds when one of its diagnostic statements does; a single lead shows part of each
    Condition("NORM", "Normal ECG", "164854000", ("NORM",), "NORM", False),
    Condition(
        "MI",
        "Myocardial infarction",
        "164865005",
        (
            *("AMI", "ALMI", "ASMI", "ILMI", "IMI", "INJAL", "INJAS", "INJIL", "INJIN", "INJLA"),
            *("IPLMI", "IPMI", "LMI", "PMI"),
        ),
        "MI",
        False,
    ),
    Condition(
        "STTC",
        "ST or T wave change",
        None,
        (
            *("ANEUR", "DIG", "EL", "ISCAL", "ISCAN", "ISCAS", "ISCIL", "ISCIN", "ISCLA", "ISC_"),
            *("LNGQT", "NDT", "NST_"),
        ),
        "STTC",
        False,
    ),
    Condition(
        "CD",
        "Conduction disturbance",
        "44808001",
        ("1AVB", "2AVB", "3AVB", "CLBBB", "CRBBB", "ILBBB", "IRBBB", "IVCD", "LAFB", "LPFB", "WPW"),
        "CD",
        False,
    ),
    Condition("HYP", "Hypertrophy", None, ("LAO/LAE", "LVH", "RAO/RAE", "RVH", "SEHYP"), "HYP", False),
)

_RHYTHM = (
    _statement("SR", "Sinus rhythm", "426783006", "RHYTHM", visible=True),
    _statement("AFIB", "Atrial fibrillation", "164889003", "RHYTHM", visible=True),
    _statement("STACH", "Sinus tachycardia", "427084000", "RHYTHM", visible=True),
    _statement("SBRAD", "Sinus bradycardia", "426177001", "RHYTHM", visible=True),
    _statement("SARRH", "Sinus arrhythmia", "427393009", "RHYTHM", visible=True),
    _statement("PAC", "Atrial premature complex", "284470004", "RHYTHM", visible=True),
    _statement("PVC", "Ventricular premature complex", "427172004", "RHYTHM", visible=True),
)

_CONDUCTION = (
    _statement("1AVB", "First-degree AV block", "270492004", "CD", visible=True),
    _statement("CLBBB", "Complete left bundle branch block", "733534002", "CD", visible=True),
    _statement("CRBBB", "Complete right bundle branch block", "713427006", "CD", visible=True),
    _statement("IRBBB", "Incomplete right bundle branch block", "713426002", "CD"),
    _statement("LAFB", "Left anterior fascicular block", "445118002", "CD"),
    _statement("IVCD", "Non-specific intraventricular conduction disturbance", "698252002", "CD"),
    _statement("LPR", "Prolonged PR interval", "164947007", visible=True),
)

_INFARCTION = (  # one code for all sites: the codes by site say "acute", which the statements do not
    _statement("IMI", "Inferior myocardial infarction", "164865005", "MI"),
    _statement("ASMI", "Anteroseptal myocardial infarction", "164865005", "MI"),
    _statement("ILMI", "Inferolateral myocardial infarction", "164865005", "MI"),
    _statement("AMI", "Anterior myocardial infarction", "164865005", "MI"),
)

_HYPERTROPHY = (
    _statement("LVH", "Left ventricular hypertrophy", "164873001", "HYP"),
    _statement("LAO/LAE", "Left atrial overload or enlargement", "67741000119109", "HYP"),
    _statement("VCLVH", "Voltage criteria for left ventricular hypertrophy", None),
)

_REPOLARISATION = (
    _statement("NDT", "Non-diagnostic T wave abnormality", "164934002", "STTC"),
    _statement("NST_", "Non-specific ST change", "55930002", "STTC"),
    _statement("ISC_", "Non-specific ischaemic change", "164861001", "STTC"),
    _statement("ISCAL", "Ischaemic change in anterolateral leads", "164861001", "STTC"),
    _statement("STD_", "ST depression", "429622005"),
    _statement("NT_", "Non-specific T wave change", "164934002"),
    _statement("LOWT", "Low T wave", "164934002"),
    _statement("INVT", "Inverted T wave", "59931005"),
)

_FORM = (
    _statement("ABQRS", "Abnormal QRS complex", "164951009"),
    _statement("QWAVE", "Q waves present", "164917005"),
)

_BEAT_PATH = (  # found by the beats second by second, never by the student
    Condition("ASYSTOLE", "Asystole", "397829000", (), "RHYTHM"),
    Condition("VF", "Ventricular fibrillation or flutter", "71908006", (), "RHYTHM"),
    Condition("VT", "Ventricular tachycardia", "426525004", (), "RHYTHM"),
    Condition("EXTREME_BRADY", "Extreme bradycardia", "48867003", (), "RHYTHM"),
    Condition("EXTREME_TACHY", "Extreme tachycardia", "3424008", (), "RHYTHM"),
    Condition("PAUSE", "Pause", None, (), "RHYTHM"),
)

CONDITIONS: Final[tuple[Condition, ...]] = (
    *_DERIVED,
    *_RHYTHM,
    *_CONDUCTION,
    *_INFARCTION,
    *_HYPERTROPHY,
    *_REPOLARISATION,
    *_FORM,
    *_BEAT_PATH,
)
BY_CODE: Final[dict[str, Condition]] = {c.code: c for c in CONDITIONS}
SCORED: Final[tuple[str, ...]] = tuple(c.code for c in CONDITIONS if c.scp)  # what a student can be trained for
