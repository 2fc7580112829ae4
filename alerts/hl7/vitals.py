"""Heart rate and findings of a patient as an IHE PCD-01 (ORU^R01) message. Pure."""

import hashlib
import math
from typing import Final

from alerts.hl7.alarm import AUTHORITY, subject
from alerts.hl7.message import components, header, message, moment, segment
from liteheart.board import PatientState
from liteheart.conditions import BY_CODE

PROFILE: Final = ("IHE_PCD_001", "IHE PCD", "1.3.6.1.4.1.19376.1.6.1.1.1", "ISO")
_MONITOR: Final = ("69965", "MDC_DEV_MON_PHYSIO_MULTI_PARAM_MDS", "MDC")
_RATE: Final = ("147842", "MDC_ECG_HEART_RATE", "MDC")
_IMPRESSION: Final = ("8601-7", "EKG impression", "LN")
_QUALITY: Final = ("sqi", "Signal quality index", "99LITEHEART")


def vitals_message(state: PatientState, key: str, now_us: int, facility: str) -> str:
    """The latest of one patient. What is not known is left out; a signal that cannot be used says so."""
    at = moment(state.last_sample_us)
    status = "F" if state.usable else "R"  # R: not verified
    rows: list[dict[int, str]] = []
    if _known(state.heart_rate_bpm):
        unit = components("264864", "MDC_DIM_BEAT_PER_MIN", "MDC")
        rows.append({2: "NM", 3: components(*_RATE), 5: f"{state.heart_rate_bpm:.1f}", 6: unit, 11: status})
    if _known(state.sqi):
        rows.append({2: "NM", 3: components(*_QUALITY), 5: f"{state.sqi:.3f}", 11: status})
    rows += [{2: "CWE", 3: components(*_IMPRESSION), 5: _condition(code), 11: status} for code in state.codes]
    monitor = {3: components(*_MONITOR), 4: "1.0.0.0", 11: "X", 18: components(state.device, AUTHORITY)}
    told = [monitor, *(row | {4: f"1.1.1.{n}", 14: at} for n, row in enumerate(rows, 1))]
    return message(
        [
            header(("ORU", "R01", "ORU_R01"), key[:20], now_us, PROFILE, facility),
            *subject(state.patient, state.bed),
            segment(
                "OBR",
                {
                    1: "1",
                    2: components(key, AUTHORITY),
                    3: components(key, AUTHORITY),
                    4: components("182777000", "monitoring of patient", "SCT"),
                    7: at,
                },
            ),
            *(segment("OBX", {1: str(n), **row}) for n, row in enumerate(told, 1)),
        ]
    )


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _condition(code: str) -> str:
    row = BY_CODE.get(code)
    if row is None:
        return components(code, code, "99LITEHEART")
    return components(*((row.snomed, row.name, "SCT") if row.snomed else ()), code, row.name, "99LITEHEART")


def vitals_key(state: PatientState, now_us: int) -> str:
    """Names the message: the patient's tag and the time, within 20 characters whatever the pseudonym."""
    return hashlib.sha256(f"{state.patient}|{now_us}".encode()).hexdigest()[:20]
