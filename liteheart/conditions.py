"""The table of conditions: one row each, with its codes. Thresholds belong to a model's card, not here.

Statements are those of PTB-XL (SCP-ECG, Wagner et al. 2020) with at least 40 records in the training material.
SNOMED CT codes are those of the PhysioNet Challenge 2021 where it has one; `None` where no code says exactly this.
Below them stand the other conditions with more than 200 records in the public twelve-lead databases: their labels are
read, and no shipped student scores them.
"""

from collections.abc import Iterable
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

_PUBLISHED_RHYTHM = (
    Condition("AFLT", "Atrial flutter", "164890007", ("AFLT",), "RHYTHM"),
    Condition("ATACH", "Atrial tachycardia", "713422000", (), "RHYTHM"),
    Condition("ARH", "Atrial rhythm", "106068003", (), "RHYTHM"),
    Condition("SVTAC", "Supraventricular tachycardia", "426761007", ("SVTAC",), "RHYTHM"),
    Condition("PSVT", "Paroxysmal supraventricular tachycardia", "67198005", ("PSVT",), "RHYTHM"),
    Condition("SVARR", "Supraventricular arrhythmia", None, ("SVARR",), "RHYTHM"),
    Condition("BRADY", "Bradycardia", "426627000", (), "RHYTHM"),
    Condition("PACE", "Paced rhythm", "10370003", ("PACE",), "RHYTHM"),
    Condition("BIGU", "Bigeminy", None, ("BIGU",), "RHYTHM"),
    Condition("TRIGU", "Trigeminy", None, ("TRIGU",), "RHYTHM"),
    Condition("SVPB", "Supraventricular premature beat", "63593006", (), "RHYTHM"),
    Condition("VPB", "Ventricular premature beat", "17338001", (), "RHYTHM"),
    Condition("VEB", "Ventricular ectopic beat", "164884008", (), "RHYTHM"),
)

_PUBLISHED_CONDUCTION = (
    Condition("2AVB", "Second-degree AV block", "195042002", ("2AVB",), "CD"),
    Condition("3AVB", "Third-degree AV block", "27885002", ("3AVB",), "CD"),
    Condition("AVB", "AV block", "233917008", (), "CD"),
    Condition("BBB", "Bundle branch block", "6374002", (), "CD"),
    Condition("LBBB", "Left bundle branch block", "164909002", (), "CD"),
    Condition("RBBB", "Right bundle branch block", "59118001", (), "CD"),
    Condition("ILBBB", "Incomplete left bundle branch block", "251120003", ("ILBBB",), "CD", False),
    Condition("LPFB", "Left posterior fascicular block", "445211001", ("LPFB",), "CD", False),
    Condition("WPW", "Wolff-Parkinson-White pattern", "74390002", ("WPW",), "CD", False),
)

_PUBLISHED_FORM = (
    Condition("LAD", "Left axis deviation", "39732003", (), None, False),
    Condition("RAD", "Right axis deviation", "47665007", (), None, False),
    Condition("VCGLOOP", "Clockwise or counter-clockwise vector loop", "61721007", (), None, False),
    Condition("PRWP", "Poor R wave progression", "365413008", (), None, False),
    Condition("LVOLT", "Low QRS voltage", "251146004", ("LVOLT",), None, False),
    Condition("HVOLT", "High QRS voltage", None, ("HVOLT",), None, False),
    Condition("LVHV", "Left ventricular high voltage", "55827005", (), None, False),
    Condition("RVH", "Right ventricular hypertrophy", "89792004", ("RVH",), "HYP", False),
    Condition("TPW", "Tall P wave", "251223006", (), None, False),
    Condition("OLDMI", "Old myocardial infarction", "164867002", (), "MI", False),
)

_PUBLISHED_REPOLARISATION = (
    Condition("LNGQT", "Prolonged QT interval", "111975006", ("LNGQT",), "STTC"),
    Condition("STE_", "ST elevation", "164931005", ("STE_",), None, False),
    Condition("STIAB", "ST interval abnormality", "164930006", (), None, False),
    Condition("NSSTTA", "Non-specific ST and T wave abnormality", "428750005", (), "STTC", False),
    Condition("TAB_", "T wave abnormality", "164934002", ("TAB_",), None, False),
    Condition("ISCAN", "Ischaemic change in anterior leads", "426434006", ("ISCAN",), "STTC", False),
    Condition("ISCIN", "Ischaemic change in inferior leads", "425419005", ("ISCIN",), "STTC", False),
    Condition("ISCLA", "Ischaemic change in lateral leads", "425623009", ("ISCLA",), "STTC", False),
    Condition("ERE", "Early repolarisation", "428417006", (), None, False),
)

_STUDENT = (*_DERIVED, *_RHYTHM, *_CONDUCTION, *_INFARCTION, *_HYPERTROPHY, *_REPOLARISATION, *_FORM)
_PUBLISHED = (*_PUBLISHED_RHYTHM, *_PUBLISHED_CONDUCTION, *_PUBLISHED_FORM, *_PUBLISHED_REPOLARISATION)

CONDITIONS: Final[tuple[Condition, ...]] = (*_STUDENT, *_BEAT_PATH, *_PUBLISHED)
BY_CODE: Final[dict[str, Condition]] = {c.code: c for c in CONDITIONS}
SCORED: Final[tuple[str, ...]] = tuple(c.code for c in _STUDENT)  # what a student is trained for

# Which condition a SNOMED CT code is read as. Where rows share one, the broad row is meant: MI, not one of its sites.
BY_SNOMED: Final[dict[str, str]] = {
    c.snomed: c.code for c in reversed((*_DERIVED, *_PUBLISHED, *_STUDENT, *_BEAT_PATH)) if c.snomed
}
BY_STATEMENT: Final[dict[str, str]] = {c.code: c.code for c in CONDITIONS if c.scp == (c.code,)}

# What the PhysioNet Challenge 2021 scores as one; the value stands for both.
CHALLENGE_EQUIVALENT: Final = {"RBBB": "CRBBB", "LBBB": "CLBBB", "SVPB": "PAC", "VPB": "PVC"}
# PTB-XL's statement PVC and CPSC2018's class PVC were both published as ectopic beats.
EQUIVALENT: Final = {**CHALLENGE_EQUIVALENT, "VEB": "PVC"}


def merged(codes: Iterable[str]) -> frozenset[str]:
    """The codes with each equivalent one replaced by the one that stands for both."""
    return frozenset(EQUIVALENT.get(code, code) for code in codes)
