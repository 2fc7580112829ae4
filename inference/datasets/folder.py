"""What a folder holds: WFDB records of the databases by their headers, tables beside them, packs."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from inference.datasets.databases import BY_CODE, Database, identify
from inference.datasets.record import Remark, Verdict
from inference.datasets.sidecars import PTBXL, REFERENCES, Stated, read_ptbxl_table, read_reference
from liteheart.errors import Unreadable

_PACK: Final = ".ecg.xz"
_SIGNALS: Final = (".mat", ".dat")
PTB_XL: Final = BY_CODE["ptbxl"]
TABLED: Final = {PTB_XL: PTBXL, BY_CODE["cinc2017"]: REFERENCES[-1]}
_LOST: Final = {PTBXL: "patients, folds and statements are not known", REFERENCES[-1]: "rhythms are not known"}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to read: one record by its header, or a pack of many."""

    path: Path
    database: Database | None = None  # None: a pack, whose records say it themselves
    name: str = ""
    stated: Stated | None = None  # by a table beside the record


@dataclass(frozen=True, slots=True)
class Folder:
    """The entries of a folder in order, and what is wrong with it before any is read."""

    entries: tuple[Entry, ...]
    remarks: tuple[tuple[Path, Remark], ...] = ()


@dataclass(slots=True)
class _Tables:
    """The tables of a folder, read once."""

    ptbxl: dict[str, Stated] = field(default_factory=dict)
    references: dict[Path, dict[str, Stated]] = field(default_factory=dict)

    def of(self, database: Database, header: Path) -> dict[str, Stated]:
        """The table that speaks of a record; empty when there is none."""
        return self.ptbxl if database is PTB_XL else self.references.get(header.parent, {})


def open_folder(root: Path) -> Folder:
    """All records and packs at `root` and below. Raises Unreadable when it cannot be listed or holds none.

    A PTB-XL table is looked for in `root`, below it, and in the two folders above.
    """
    if not root.is_dir():
        raise Unreadable(root, "is no folder" if root.exists() else "no such folder")
    files = sorted(_walk(root))
    headers = [f for f in files if f.suffix == ".hea"]
    tables, remarks = _tables(root, files)
    records = [_entry(header, tables) for header in headers]
    remarks += _untold(root, records, tables)
    known = set(headers)
    alone = Remark("header", Verdict.UNREADABLE, "has no WFDB header beside it")
    remarks += [(f, alone) for f in files if f.suffix in _SIGNALS and f.with_suffix(".hea") not in known]
    entries = (*(Entry(f) for f in files if f.name.endswith(_PACK)), *records)
    if not entries and not remarks:
        raise Unreadable(root, "holds no recording")
    return Folder(entries, tuple(remarks))


def one_rate(entries: Iterable[Entry], *, low: bool = False) -> list[Entry]:
    """The entries without the other rate of the same ECG: PTB-XL comes at 500 (`_hr`) and 100 Hz (`_lr`)."""
    chosen: dict[tuple[str, str], Entry] = {}
    kept = []
    for entry in entries:
        if entry.database is None:
            kept.append(entry)
            continue
        key = (entry.database.code, entry.name)
        if key not in chosen or entry.path.stem.endswith("_lr" if low else "_hr"):
            chosen[key] = entry
    return [*kept, *chosen.values()]


def _entry(header: Path, tables: _Tables) -> Entry:
    database, name = identify(header.stem)
    return Entry(header, database, name, tables.of(database, header).get(name))


def _untold(root: Path, records: Sequence[Entry], tables: _Tables) -> list[tuple[Path, Remark]]:
    """Remarks on records of databases that come with a table, where the table is absent or silent."""
    remarks: list[tuple[Path, Remark]] = []
    for database, table in TABLED.items():
        mine = [r for r in records if r.database is database]
        without = [r for r in mine if not tables.of(database, r.path)]
        if without:
            reason = f"{len(without)} records of {database.title} have no {table}: {_LOST[table]}"
            remarks.append((root, Remark("table", Verdict.NOTED, reason)))
        silent = [r for r in mine if tables.of(database, r.path) and r.stated is None]
        remarks += [(r.path, Remark("table", Verdict.NOTED, f"is not in {table}")) for r in silent]
    return remarks


def _tables(root: Path, files: Sequence[Path]) -> tuple[_Tables, list[tuple[Path, Remark]]]:
    tables, remarks = _Tables(), []
    above = [p / PTBXL for p in list(root.absolute().parents)[:2]]
    found = [f for f in files if f.name == PTBXL] or [p for p in above if p.is_file()]
    handheld = {f.parent for f in files if f.suffix == ".hea" and identify(f.stem)[0].code == "cinc2017"}
    references = [p for folder in sorted(handheld) for n in REFERENCES if (p := folder / n).is_file()]
    for path in (*found[:1], *references):
        try:
            if path.name == PTBXL:
                tables.ptbxl = read_ptbxl_table(path)
            elif path.parent not in tables.references:
                tables.references[path.parent] = read_reference(path)
        except Unreadable as error:
            remarks.append((path, Remark("table", Verdict.UNREADABLE, error.reason)))
    return tables, remarks


def _walk(root: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise Unreadable(error.filename or root, error.strerror or "cannot be listed") from error

    for folder, _, names in os.walk(root, onerror=fail):
        yield from (Path(folder) / name for name in names)
