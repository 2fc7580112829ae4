"""What a folder holds, counted: values that the command line prints as JSON lines."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.datasets.databases import BY_CODE
from inference.datasets.examine import Examined
from inference.datasets.record import Listed, Remark, Verdict

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """An examined record without its samples: small enough to travel between processes and to be kept."""

    path: Path
    database: str
    name: str
    remarks: tuple[Remark, ...]
    fingerprint: str = ""
    listed: Listed | None = None  # None: not to be learned from
    fs_hz: float = 0.0
    leads: tuple[str, ...] = ()
    seconds: float = 0.0
    unknown: tuple[str, ...] = ()


def seen(found: Examined) -> Seen:
    """The record without its samples."""
    record = found.record
    if record is None:
        return Seen(found.path, found.database, found.name, found.remarks, found.fingerprint)
    return Seen(
        path=found.path,
        database=found.database,
        name=found.name,
        remarks=found.remarks,
        fingerprint=found.fingerprint,
        listed=record.listed,
        fs_hz=record.fs_hz,
        leads=record.leads,
        seconds=record.seconds,
        unknown=record.unknown,
    )


@dataclass(slots=True)
class _Counts:
    files: int = 0
    usable: int = 0
    labelled: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    names: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    rates: Counter[str] = field(default_factory=Counter)
    leads: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    labels: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Report:
    """Add what was seen, in order; each addition gives the lines of its problems."""

    databases: dict[str, _Counts] = field(default_factory=dict)
    listed: list[Listed] = field(default_factory=list)  # usable records, each ECG once
    verdicts: Counter[str] = field(default_factory=Counter)
    _signals: dict[str, str] = field(default_factory=dict)
    _keys: dict[tuple[str, float], str] = field(default_factory=dict)
    _known: set[str] = field(default_factory=set)

    def remark(self, path: Path, remark: Remark) -> Line:
        """The line of a problem that belongs to no record."""
        self.verdicts[remark.verdict] += 1
        return {"kind": "problem", "file": str(path), **_told(remark)}

    def add(self, record: Seen) -> list[Line]:
        """Count a record; the lines of its problems, a duplicate's among them."""
        counts = self.databases.setdefault(record.database or "other", _Counts())
        counts.files += 1
        remarks = (*record.remarks, *self._duplicate(record))
        for verdict in {r.verdict for r in remarks}:
            counts.verdicts[verdict] += 1
            self.verdicts[verdict] += 1
        if record.listed is not None and not any(r.verdict is Verdict.REJECTED for r in remarks):
            self._count(counts, record, record.listed)
        name = {"record": f"{record.database}/{record.name}"} if record.database else {}
        return [{"kind": "problem", "file": str(record.path), **name, **_told(r)} for r in remarks]

    def _duplicate(self, record: Seen) -> list[Remark]:
        """Equal samples, or one name at one rate twice; the same ECG at another rate is no duplicate."""
        if record.listed is None:
            return []
        me = f"{record.path}" if record.path.suffix == ".hea" else f"{record.path} {record.name}"
        first = self._signals.setdefault(record.fingerprint, me)
        twin = self._keys.setdefault((record.listed.key, record.fs_hz), me)
        if first != me:
            return [Remark("duplicate", Verdict.REJECTED, f"the same samples as {first}")]
        if twin != me:
            return [Remark("duplicate", Verdict.REJECTED, f"the same name and rate as {twin}")]
        return []

    def _count(self, counts: _Counts, record: Seen, listed: Listed) -> None:
        counts.usable += 1
        counts.rates[f"{record.fs_hz:g}"] += 1
        counts.leads[" ".join(record.leads)] += 1
        counts.seconds.append(record.seconds)
        if listed.key in self._known:
            return
        self._known.add(listed.key)
        self.listed.append(listed)
        counts.names.add(listed.name)
        counts.groups.add(listed.group)
        counts.labelled += listed.labelled
        counts.labels.update(listed.labels)
        counts.unknown.update(record.unknown)

    def database_lines(self) -> list[Line]:
        """One line a database, in order of their codes."""
        return [_database_line(code, self.databases[code]) for code in sorted(self.databases)]

    def summary(self) -> Line:
        """The last line."""
        files = sum(c.files for c in self.databases.values())
        usable = sum(c.usable for c in self.databases.values())
        return {
            "kind": "summary",
            "databases": sorted(self.databases),
            "files": files,
            "usable": usable,
            "records": len(self.listed),
            "patients": len({r.group for r in self.listed}),
            **{verdict.value: self.verdicts[verdict] for verdict in Verdict},
        }


def _ranked(counter: Counter[str]) -> dict[str, int]:
    return dict(sorted(counter.items(), key=lambda item: (-item[1], item[0])))


def _told(remark: Remark) -> Line:
    return {"guard": remark.guard, "verdict": remark.verdict.value, "reason": remark.reason}


def _database_line(code: str, counts: _Counts) -> Line:
    database = BY_CODE[code]
    return {
        "kind": "database",
        "database": code,
        "title": database.title,
        "files": counts.files,
        "usable": counts.usable,
        "records": len(counts.names),
        "patients": len(counts.groups),
        "patients_known": not any(g.startswith((f"{code}/unknown", f"{code}/fold")) for g in counts.groups),
        "labelled": counts.labelled,
        "rates_hz": dict(sorted(counts.rates.items())),
        "leads": _ranked(counts.leads),
        "seconds": [round(min(counts.seconds), 2), round(max(counts.seconds), 2)] if counts.seconds else [],
        "labels": _ranked(counts.labels),
        "unknown_labels": _ranked(counts.unknown),
        **{verdict.value: counts.verdicts[verdict] for verdict in Verdict},
        "licence": database.licence,
        "attribution": database.attribution,
    }
