"""`liteheart up`: the whole system in this process, with simulated and replayed patients on its own gateway."""

import argparse
import asyncio
import contextlib
import itertools
import json
import logging
import math
import os
import secrets
import signal
import sys
import time
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from deploy.commands.replay import pseudonym
from deploy.environment import environment
from deploy.refresh.child import refreshing
from deploy.role import add_config_argument, configure_logging, stopped
from deploy.settings import Settings, load
from deploy.system import ROLES, System, running
from ingest.sources.device import HttpSink, play
from ingest.sources.recording import Recording, find_recordings, read_recording
from ingest.sources.replay import frames_of
from ingest.sources.scripts import PatientScript, ward
from ingest.sources.simulate import SimulatedPatient
from liteheart.clock import US_PER_S, SystemClock
from liteheart.errors import Conflict, Misconfigured, Unreadable
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
    paths = _recordings(args.records)
    configure_logging(settings, "WARNING" if sys.stderr.isatty() else None)
    return asyncio.run(_up(settings, args, paths))


async def _up(settings: Settings, args: argparse.Namespace, paths: Sequence[Path]) -> int:
    if starting := asyncio.current_task():
        for number in (signal.SIGINT, signal.SIGTERM):  # until `stopped` takes over
            asyncio.get_running_loop().add_signal_handler(number, starting.cancel)
    _say(f"starting, data in {settings.data_dir}")
    try:
        guests = partial(_guests, args=args, paths=paths)
        roles = {*ROLES, "bridge"} if settings.mqtt.url else set(ROLES)
        async with running(settings, roles, sign_in=args.sign_in, guests=guests) as system:
            return await stopped(system)
    except asyncio.CancelledError:  # a signal before everything ran
        return 0
    finally:
        _say("stopped")


@contextlib.asynccontextmanager
async def _guests(system: System, args: argparse.Namespace, paths: Sequence[Path]) -> AsyncIterator[None]:
    """Our devices, the browser, and who looks at the clock meanwhile."""
    began = args.since or _process_began()
    _say(f"dashboard on {system.url} after {time.time() - began:.1f} s")
    guests = [_milestones(system, began), _welcome(system, args), _admit_all(system, args, paths)]
    if system.settings.refresh.exam is not None:  # else nothing could be judged; the page of models says so
        guests.append(_refreshing(system, args))
    tasks = [asyncio.create_task(_loudly(guest, system)) for guest in guests]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _refreshing(system: System, args: argparse.Namespace) -> None:
    """When the monitor runs: what wants to be seen first is strips."""
    await _ready(system)
    _say(
        f"students are refreshed every {system.settings.refresh.every_h:g} h, judged by {system.settings.refresh.exam}"
    )
    await refreshing(system.settings, args.config)


async def _ready(system: System) -> None:
    while system.waiting_for():  # noqa: ASYNC110 - nothing to wait on: consumers come and go
        await asyncio.sleep(0.2)


async def _loudly(guest: Awaitable[None], system: System) -> None:
    """What goes wrong with a guest ends the whole."""
    try:
        await guest
    except Exception as error:
        if not system.failed.done():
            system.failed.set_exception(error)


def _process_began() -> float:
    """When this process began, in seconds since the epoch: the imports before `run` are part of the wait."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):  # not Linux; imports are all computing
        return time.time() - time.process_time()


def _say(text: str) -> None:
    print(f"liteheart: {text}", flush=True)


async def _welcome(system: System, args: argparse.Namespace) -> None:
    """The first account, and the page in the browser of whoever sits at a terminal."""
    if args.sign_in:
        await asyncio.to_thread(_first_account, system)
    if not args.no_browser and sys.stdout.isatty():
        await asyncio.to_thread(webbrowser.open, system.url)


def _first_account(system: System) -> None:
    """An account to begin with, its password made now and shown once."""
    if not system.storage.people.all():
        password = secrets.token_urlsafe(12)
        system.storage.people.add("nurse", "nurse", password)
        _say(f"sign in as nurse with {password}")


async def _milestones(system: System, began: float) -> None:
    """Say when the first strip and the first alarm went out to the screens."""
    waited = {"frame", "alarm"}
    async with system.feed.subscribe() as messages:
        async for message in messages:
            if message.kind not in waited:
                continue
            after = f"after {time.time() - began:.1f} s"
            if message.kind == "frame":
                _say(f"first strips {after}")
            elif (alarm := json.loads(message.payload))["active"]:
                beds = {s.patient: s.bed for s in await asyncio.to_thread(system.storage.board.patients)}
                _say(f"first alarm {after}: {alarm['label']} {beds.get(message.patient) or message.patient}")
            else:
                continue
            waited.discard(message.kind)
            if not waited:
                return


@dataclass(frozen=True, slots=True)
class _Bed:
    """A patient of ours: where, with which device, and what it sends from a given time on."""

    patient: PatientId
    device: DeviceId
    bed: str
    frames: Callable[[int], Iterable[Frame]]  # of the time at which the device is started, microseconds


async def _admit_all(system: System, args: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Simulated patients at once, replayed ones when the monitor runs: reading recordings takes its time."""
    most = math.floor(args.patients * _MOST_REPLAYED) if paths else 0
    async with asyncio.TaskGroup() as group:
        await _admit(group, system, args, [_simulated(script) for script in _ward(args.patients - most)])
        if most:
            await _ready(system)
            recordings = await asyncio.to_thread(_read, paths, most)
            if not recordings:
                log.warning("no recording of %g s or more can be read: all patients are simulated", _SHORTEST_S)
            places = _ward(args.patients)[args.patients - most :]
            beds = [_replayed(recording, place.bed) for recording, place in zip(recordings, places, strict=False)]
            beds += [_simulated(script) for script in places[len(recordings) :]]
            await _admit(group, system, args, beds)


async def _admit(group: asyncio.TaskGroup, system: System, args: argparse.Namespace, beds: Sequence[_Bed]) -> None:
    """Register the devices and start them, spread over a second as real ones are."""
    now_us = SystemClock().now_us()
    tokens = await asyncio.to_thread(lambda: [_register(system, bed, now_us) for bed in beds])
    for i, (bed, token) in enumerate(zip(beds, tokens, strict=True)):
        group.create_task(_wear(system, bed, token if args.sign_in else None, delay_s=i / len(beds)))


def _register(system: System, bed: _Bed, now_us: int) -> str:
    """The device's token. In a bed of ours someone may lie who was admitted, or played here before."""
    register = system.storage.devices.register
    try:
        return register(bed.device, bed.patient, now_us=now_us, bed=bed.bed)
    except Conflict as conflict:
        log.warning("a patient of ours is without a bed: %s", conflict, extra={"patient": bed.patient})
        return register(bed.device, bed.patient, now_us=now_us)


async def _wear(system: System, bed: _Bed, token: str | None, *, delay_s: float) -> None:
    """One device, for ever."""
    await asyncio.sleep(delay_s)
    async with HttpSink(system.url, token) as sink:
        played = await play(bed.frames(SystemClock().now_us()), sink)
    log.warning("device stopped: %s", played.reason, extra={"device": bed.device})


def _ward(patients: int) -> list[PatientScript]:
    return ward(patients) if patients else []


def _simulated(script: PatientScript) -> _Bed:
    def frames(start_us: int) -> Iterator[Frame]:
        who, seed, device = script.patient, script.seed, script.device
        return SimulatedPatient(who, script.script, seed=seed, device=device, boot=start_us, t0_us=start_us).frames()

    return _Bed(script.patient, script.device, script.bed, frames)


def _replayed(recording: Recording, bed: str) -> _Bed:
    """The recording again and again, each time as a device that was started anew."""
    name = pseudonym(recording.name)
    patient, device = PatientId(f"rec-{name}"), DeviceId(f"replay-{name}")
    lead = recording.lead_index()
    length_us = round(recording.duration_s * US_PER_S)

    def frames(start_us: int) -> Iterator[Frame]:
        for t0_us in itertools.count(start_us, length_us):
            yield from frames_of(recording, lead, patient=patient, device=device, boot=t0_us, t0_us=t0_us)

    return _Bed(patient, device, bed, frames)


def _recordings(folder: Path | None) -> list[Path]:
    """Where they are; a folder that was asked for must hold some, the usual one need not be there."""
    if folder is not None:
        if not folder.is_dir():
            raise Misconfigured("--records", f"{folder} is not a folder")
        return find_recordings(folder)
    with contextlib.suppress(Unreadable):
        usual = Path(environment().get("LITEHEART_ECG", RECORDINGS))
        return find_recordings(usual) if usual.is_dir() else []
    return []


def _read(paths: Iterable[Path], most: int) -> list[Recording]:
    """The first of those that are long enough."""
    found: list[Recording] = []
    for path in paths:
        if len(found) == most:
            break
        with contextlib.suppress(Unreadable):
            recording = read_recording(path)
            if recording.duration_s >= _SHORTEST_S:
                found.append(recording)
    return found
