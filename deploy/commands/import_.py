"""`liteheart import`: WFDB records, EDF+ and DICOM files become patients of the archive, each file once."""

import argparse
import itertools
import json
import multiprocessing
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from deploy import wiring
from deploy.cli import EXIT_INPUT
from deploy.importing import Place, Plan, look, place, store, whose
from deploy.role import add_store_arguments
from deploy.settings import Settings, load
from ingest.sources.recording import find_recordings
from ingest.sources.survey import Survey
from liteheart.clock import SystemClock
from liteheart.errors import LiteHeartError, Misconfigured, Retryable, Unreadable
from liteheart.ids import PatientId
from storage.imports import Imports
from storage.readonly import open_readonly

_TRIES: Final = 10  # when the database does not answer, a second between them
_AHEAD: Final = 2  # files looked through for each process, before one is stored
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Line = dict[str, Any]
T = TypeVar("T")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """FOLDER_OR_FILE..., --lead, --site, --jobs, --score, --dry-run, --with-identity, --data, --config."""
    add_store_arguments(parser)
    parser.add_argument("records", nargs="+", metavar="FOLDER_OR_FILE", type=Path, help="WFDB, EDF+ or DICOM")
    parser.add_argument("--lead", metavar="NAME", help="lead by name; default I, II, MLII, else the first")
    parser.add_argument("--site", metavar="NAME", help="where they were recorded; default: as the file says")
    parser.add_argument("--jobs", type=int, default=0, metavar="N", help="processes that read and score (one a core)")
    parser.add_argument("--score", action="store_true", help="store findings and retrospective alarms too")
    parser.add_argument("--dry-run", action="store_true", help="look through everything, store nothing")
    parser.add_argument(
        "--with-identity", action="store_true", help="keep names and ids of the files, sealed; else they are dropped"
    )


def run(args: argparse.Namespace) -> int:
    """One JSON line a record; exit status 2 when one could not be imported."""
    if args.jobs < 0:
        raise Misconfigured("--jobs", f"{args.jobs} is no number of processes")
    settings = load(args.config, data_dir=args.data)
    paths, status = _paths(args.records)
    plan = Plan(args.config, args.lead, args.site, args.with_identity)
    storage = None if args.dry_run else wiring.open_storage(settings)
    try:
        desk = _Desk(settings, storage, plan, scoring=args.score)
        jobs = min(args.jobs or multiprocessing.cpu_count(), max(1, len(paths)))
        for done, line in enumerate(_lines(desk, paths, jobs), start=1):
            print(json.dumps(line), flush=True)
            if line["status"] == "refused":
                print(f"liteheart: {line['reason']}", file=sys.stderr)
                status = EXIT_INPUT
            if sys.stderr.isatty() and len(paths) > 1:
                print(f"\r{done}/{len(paths)}", end="" if done < len(paths) else "\n", file=sys.stderr, flush=True)
    finally:
        if storage is not None:
            storage.close()
    return status


def _paths(records: list[Path]) -> tuple[list[Path], int]:
    paths: list[Path] = []
    status = 0
    for record in records:
        try:
            paths += find_recordings(record)
        except Unreadable as error:
            print(f"liteheart: {error}", file=sys.stderr)
            status = EXIT_INPUT
    return list(dict.fromkeys(paths)), status


class _Inline(Executor):
    """No process but this one."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Do it now."""
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def _lines(desk: "_Desk", paths: list[Path], jobs: int) -> Iterator[Line]:
    """A line for each file, in order. Few files are looked through ahead, and few scores wait: memory is bounded."""
    pool = _Inline() if jobs == 1 else ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    with pool:
        rest = iter(paths)
        looked = deque(
            (p, pool.submit(look, p, desk.plan)) for p in itertools.islice(rest, 1 if jobs == 1 else _AHEAD * jobs)
        )
        pending: deque[Callable[[], Line]] = deque()
        while looked:
            path, future = looked.popleft()
            pending.append(desk.take(path, future.result(), pool))
            looked.extend((p, pool.submit(look, p, desk.plan)) for p in itertools.islice(rest, 1))
            while pending and (not looked or len(pending) >= jobs):
                yield pending.popleft()()


class _Desk:
    """Where one file after the other is stored."""

    def __init__(self, settings: Settings, storage: wiring.Storage | None, plan: Plan, *, scoring: bool) -> None:
        self.plan, self._scoring, self._clock = plan, scoring, SystemClock()
        self._storage = storage
        self._looking = _imports_to_look_at(settings) if storage is None else storage.imports
        self._seen: dict[bytes, str | None] = {}  # in this run: the same file may lie in two places

    def take(self, path: Path, found: Survey | str, pool: Executor) -> Callable[[], Line]:
        """Store a file; what comes back waits for its score, and gives its line."""
        if isinstance(found, str):
            line = _line(path, None, None, "refused", found)
            return lambda: line
        try:
            return self._take(found, pool)
        except LiteHeartError as error:
            text = str(error)
            line = _line(path, found, None, "refused", text if text.startswith(str(path)) else f"{path}: {text}")
            return lambda: line

    def _take(self, found: Survey, pool: Executor) -> Callable[[], Line]:
        patient = self._known(found)
        if found.digest in self._seen or patient is not None:
            line = _line(found.path, found, patient, "known", None, self._began(found, patient))
            return lambda: line
        storage = self._storage
        if storage is None:
            self._seen[found.digest] = None
            line = _line(found.path, found, None, "new", None)
            return lambda: line
        now_us = self._clock.now_us()
        mine = again(lambda: storage.imports.enrol(found.digest, whose(found, self.plan), now_us))
        self._seen[found.digest] = mine
        at = again(lambda: place(storage.imports, found, mine))
        again(lambda: store(storage.archive, found, place(storage.imports, found, mine), now_us))
        scores = self._score(found, at, now_us, pool)

        def finish() -> Line:
            said = scores(storage)
            if said is not None:
                return _line(found.path, found, mine, "refused", said)
            again(lambda: storage.imports.finish(found.digest, mine, found.valid, now_us))
            return _line(found.path, found, mine, "imported", None, at.t0_us)

        return finish

    def _score(self, found: Survey, at: Place, now_us: int, pool: Executor) -> Callable[[wiring.Storage], str | None]:
        """Begin to score; what comes back waits for it and stores it, or gives the reason why there is no score."""
        if not self._scoring:
            return lambda _: None
        from deploy.import_scores import score, store_scores  # the student takes seconds to load

        future = pool.submit(score, found, at, self.plan, now_us)

        def finish(storage: wiring.Storage) -> str | None:
            said = future.result()
            if isinstance(said, str):
                return said
            again(lambda: store_scores(storage.monitor, *said))
            return None

        return finish

    def _began(self, found: Survey, patient: str | None) -> int | None:
        looking = self._looking
        if looking is None or patient is None:
            return None
        return again(lambda: place(looking, found, PatientId(patient))).t0_us

    def _known(self, found: Survey) -> str | None:
        looking = self._looking
        return self._seen.get(found.digest) or (None if looking is None else again(lambda: looking.known(found.digest)))


def _imports_to_look_at(settings: Settings) -> Imports | None:
    """For a dry run: nothing is made, and where nothing is stored nothing is known."""
    try:
        engine = open_readonly(settings.storage)
    except Misconfigured:
        return None
    return Imports(engine, None, lambda: None)


def again(step: Callable[[], T]) -> T:
    """Do it, several times if the database does not answer. Raises Retryable at last."""
    for _ in range(_TRIES - 1):
        try:
            return step()
        except Retryable as busy:
            time.sleep(busy.delay_s)
    return step()


def _line(
    path: Path, found: Survey | None, patient: str | None, status: str, reason: str | None, t0_us: int | None = None
) -> Line:
    line: Line = {
        "record": found.name if found else path.stem,
        "file": str(path),
        "patient": patient,
        "status": status,
        "seconds": round(found.seconds, 3) if found else None,
        "reason": reason,
    }
    if found is None:
        return line
    line |= {"lead": found.lead, "fs_hz": found.fs_hz, "samples": found.valid, "lossless": found.dropped_bits == 0}
    if t0_us is not None:
        line |= {"t0_us": t0_us, "start": (_EPOCH + timedelta(microseconds=t0_us)).isoformat()}
        line["dated"] = found.facts.start_us is not None
    return line
