"""`liteheart up`: the whole system in this process, with simulated and replayed patients on its own gateway."""

import argparse
import asyncio
import contextlib
import itertools
import logging
import math
import secrets
import sys
import time
import webbrowser
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.commands.replay import pseudonym
from deploy.environment import environment
from deploy.role import add_config_argument, configure_logging, stopped
from deploy.settings import Settings, load
from deploy.system import ROLES, System, running
from ingest.sources.device import FrameSink, HttpSink, play
from ingest.sources.recording import Recording, find_recordings, read_recording
from ingest.sources.replay import frames_of
from ingest.sources.scripts import ward
from ingest.sources.simulate import SimulatedPatient
from liteheart.clock import US_PER_S, SystemClock
from liteheart.errors import Misconfigured, Unreadable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame

log = logging.getLogger(__name__)

RECORDINGS = Path("../shared/ecg")  # beside a checkout, when there are any; LITEHEART_ECG or --records name others
_SHORTEST_S = 60.0  # a recording that is worth a bed
_MOST_REPLAYED = 0.25  # share of the ward


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--port, --data, --patients, --records, --no-browser, --sign-in, --since."""
    add_config_argument(parser)
    parser.add_argument("--port", type=int, help="dashboard and gateway on 127.0.0.1 (8080; 0 any)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="database and log (./data)")
    parser.add_argument("--patients", type=int, default=24, metavar="N", help="patients in all (24; 0 none of ours)")
    parser.add_argument("--records", type=Path, metavar="DIR", help="recordings that play some of the patients")
    parser.add_argument("--no-browser", action="store_true", help="do not open the dashboard")
    parser.add_argument("--sign-in", action="store_true", help="ask for accounts and device tokens as in production")
    parser.add_argument("--since", type=float, default=0.0, help=argparse.SUPPRESS)  # when `make up` was called


def run(args: argparse.Namespace) -> int:
    """Run until Ctrl-C."""
    settings = load(args.config, data_dir=args.data, http__port=args.port)
    if not settings.embedded:
        raise Misconfigured("broker", "`liteheart up` brings its own; unset LITEHEART_BROKER or start the roles")
    if args.patients < 0:
        raise Misconfigured("--patients", f"{args.patients} is negative")
    configure_logging(settings, "WARNING" if sys.stderr.isatty() else None)
    return asyncio.run(_up(settings, args))


async def _up(settings: Settings, args: argparse.Namespace) -> int:
    began = args.since or time.time()
    _say(f"starting, data in {settings.data_dir}")
    async with running(settings, set(ROLES), sign_in=args.sign_in) as system:
        _say(f"dashboard on {system.url} after {time.time() - began:.1f} s")
        if args.sign_in:
            await asyncio.to_thread(_first_account, system)
        if not args.no_browser and sys.stdout.isatty():
            await asyncio.to_thread(webbrowser.open, system.url)
        tasks = [asyncio.create_task(_milestones(system, began))]
        tasks += await _admit_all(system, args)
        try:
            return await stopped(system)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            _say("stopped")


def _say(text: str) -> None:
    print(f"liteheart: {text}", flush=True)


def _first_account(system: System) -> None:
    """An account to begin with, its password made now and shown once."""
    if not system.storage.people.all():
        password = secrets.token_urlsafe(12)
        system.storage.people.add("nurse", "nurse", password)
        _say(f"sign in as nurse with {password}")


async def _milestones(system: System, began: float) -> None:
    """Say when the first strip and the first alarm went out to the screens."""
    waited = {"frame": "first strips", "alarm": "first alarm"}
    async with system.feed.subscribe() as messages:
        async for message in messages:
            if (what := waited.pop(message.kind, None)) is not None:
                _say(f"{what} after {time.time() - began:.1f} s")
            if not waited:
                return


@dataclass(frozen=True, slots=True)
class _Bed:
    """A patient of ours: where, with which device, and what it sends."""

    patient: PatientId
    device: DeviceId
    bed: str
    frames: Iterable[Frame]


async def _admit_all(system: System, args: argparse.Namespace) -> list[asyncio.Task[None]]:
    beds = await asyncio.to_thread(lambda: list(_beds(args.patients, args.records)))
    return [asyncio.create_task(_wear(system, bed, args.sign_in)) for bed in beds]


async def _wear(system: System, bed: _Bed, sign_in: bool) -> None:
    """One device, from its registration on."""
    now_us = SystemClock().now_us()
    register = system.storage.devices.register
    token = await asyncio.to_thread(register, bed.device, bed.patient, now_us=now_us, bed=bed.bed)
    async with HttpSink(system.url, token if sign_in else None) as sink:
        await _play_for_ever(bed, sink)


async def _play_for_ever(bed: _Bed, sink: FrameSink) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        played = await play(bed.frames, sink)
        log.warning("device stopped: %s", played.reason, extra={"device": bed.device})


def _beds(patients: int, records: Path | None) -> Iterator[_Bed]:
    recordings = _recordings(records, math.floor(patients * _MOST_REPLAYED))
    now_us = SystemClock().now_us()
    scripts = ward(patients)
    for i, script in enumerate(scripts[: patients - len(recordings)]):
        start_us = now_us - (i * US_PER_S) // max(1, patients)  # spread over the second, as real devices are
        simulated = SimulatedPatient(
            script.patient, script.script, seed=script.seed, device=script.device, boot=now_us, t0_us=start_us
        )
        yield _Bed(script.patient, script.device, script.bed, simulated.frames())
    for script, recording in zip(scripts[patients - len(recordings) :], recordings, strict=True):
        name = pseudonym(recording.name)
        yield _Bed(PatientId(f"rec-{name}"), DeviceId(f"replay-{name}"), script.bed, _looped(recording, name, now_us))


def _recordings(folder: Path | None, most: int) -> list[Recording]:
    """The longest recordings there are; a folder that was asked for must be readable."""
    wanted = folder or Path(environment().get("LITEHEART_ECG", RECORDINGS))
    if folder is None and not wanted.is_dir():
        return []
    found = []
    for path in find_recordings(wanted) if folder else _or_none(wanted):
        with contextlib.suppress(Unreadable):
            recording = read_recording(path)
            if recording.duration_s >= _SHORTEST_S:
                found.append(recording)
    return sorted(found, key=lambda r: -r.duration_s)[:most]


def _or_none(folder: Path) -> list[Path]:
    try:
        return find_recordings(folder)
    except Unreadable:
        return []


def _looped(recording: Recording, name: str, start_us: int) -> Iterator[Frame]:
    """The recording again and again, each time as a device that was started anew."""
    lead = recording.lead_index()
    length_us = round(recording.duration_s * US_PER_S)
    patient, device = PatientId(f"rec-{name}"), DeviceId(f"replay-{name}")
    for again in itertools.count():
        t0_us = start_us + again * length_us
        yield from frames_of(recording, lead, patient=patient, device=device, boot=t0_us, t0_us=t0_us)
