"""The tables. Patients are pseudonyms: there is no column for a name. All times are microseconds since the epoch.

The monitor alone writes frames, findings, patient_state, checkpoints and the facts of alarms; the dashboard alone
writes what people do. `migrations/` builds the same tables, and a test finds no difference. Whoever takes a table from
here has all of them in `metadata`.
"""

from storage.schema.accounts import clients, people, sessions
from storage.schema.alarming import (
    OPEN,
    WAITING,
    alarm_events,
    alarms,
    audio_pauses,
    escalations,
    notifications,
    patient_limits,
)
from storage.schema.columns import metadata
from storage.schema.identity import DESTROYED, break_glass, consents, identities, patient_keys, subjects
from storage.schema.learning import GOING_ON, model_files, model_steps, models, refresh_profiles, refreshes
from storage.schema.monitor import (
    UNSENT,
    UNSENT_NOTICE,
    checkpoints,
    findings,
    heartbeats,
    outbox,
    patient_state,
    score_layouts,
)
from storage.schema.records import audit, audit_head, handovers, imports, notes
from storage.schema.signal import block_heads, blocks, damaged_frames, frames, overviews
from storage.schema.ward import STAYING, admissions, devices, pairings, patients

__all__ = [
    "DESTROYED",
    "GOING_ON",
    "OPEN",
    "STAYING",
    "UNSENT",
    "UNSENT_NOTICE",
    "WAITING",
    "admissions",
    "alarm_events",
    "alarms",
    "audio_pauses",
    "audit",
    "audit_head",
    "block_heads",
    "blocks",
    "break_glass",
    "checkpoints",
    "clients",
    "consents",
    "damaged_frames",
    "devices",
    "escalations",
    "findings",
    "frames",
    "handovers",
    "heartbeats",
    "identities",
    "imports",
    "metadata",
    "model_files",
    "model_steps",
    "models",
    "notes",
    "notifications",
    "outbox",
    "overviews",
    "pairings",
    "patient_keys",
    "patient_limits",
    "patient_state",
    "patients",
    "people",
    "refresh_profiles",
    "refreshes",
    "score_layouts",
    "sessions",
    "subjects",
]
