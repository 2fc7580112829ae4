"""The course of a run: start, send, kill and kill again, let it come to rest, compare."""

import asyncio
import contextlib
import functools
import itertools
import random
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deploy import wiring
from deploy.chaos import judge
from deploy.chaos.roles import Role, supervised
from deploy.chaos.ward import Ward
from deploy.services.process import Service
from deploy.settings import Settings
from liteheart.clock import US_PER_S, SystemClock
from liteheart.errors import Retryable
from liteheart.ids import PatientId

_READY_S = 90.0  # for all roles, on a busy machine
_BEFORE_S = 6.0  # of undisturbed signal before the first kill
_AFTER_S = 10.0  # and after the last
_SETTLE_S = 120.0  # until everything sent is stored, at most
_LOOK_S = 0.2  # between two looks at storage
_LOOKS_A_LINE = 50  # on stderr
_FROZEN_S = 9.0  # longer than the session of the group and the rebalance after it
_WHILE_STARTING = 0.2  # share of the kills that may hit a role before it is ready


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"chaos {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for."""

    kills: int = 10
    patients: int = 20
    every_s: float = 5.0  # between two kills, on average
    seed: int = 0  # of the choice of victims
    broker: bool = False  # Kafka is among them
    database: bool = False  # PostgreSQL is among them
    freeze: bool = False  # monitors are also frozen for longer than their session, and wake up superseded


@dataclass(frozen=True, slots=True)
class Target:
    """What may be killed."""

    name: str
    kill: Callable[[], Awaitable[None]]  # and start again at once
    is_up: Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Watch:
    """How long after each kill the signal of all patients is stored again, from behind the kill on."""

    patients: Sequence[PatientId]
    newest_us: dict[PatientId, int] = field(default_factory=dict)
    worst_s: dict[str, float] = field(default_factory=dict)  # by victim
    alone_s: list[float] = field(default_factory=list)  # of kills with no other meanwhile
    _open: list[tuple[int, str, set[PatientId]]] = field(default_factory=list)
    _crowded: bool = False  # another kill is, or was since all was well, not over

    def killed(self, victim: str, at_us: int) -> None:
        """Begin to wait for signal of after `at_us`."""
        self._crowded |= bool(self._open)
        self._open.append((at_us, victim, set(self.patients)))

    def saw(self, newest_us: dict[PatientId, int], now_us: int) -> None:
        """Storage holds each patient's signal up to there."""
        self.newest_us = newest_us
        for at_us, victim, waiting in self._open:
            if not waiting:
                continue
            waiting -= {p for p in waiting if newest_us.get(p, 0) >= at_us}
            if not waiting:
                took_s = (now_us - at_us) / US_PER_S
                self.worst_s[victim] = max(self.worst_s.get(victim, 0.0), took_s)
                self.alone_s += [] if self._crowded else [took_s]
                say(f"{victim}: every patient is back {took_s:.1f} s after its end")
        self._open = [entry for entry in self._open if entry[2]]
        self._crowded &= bool(self._open)


async def run(
    plan: Plan, settings: Settings, roles: Sequence[Role], kafka: Service, postgres: Service
) -> dict[str, Any]:
    """Carry it out; the figures of the JSON line. `roles` are a gateway and the monitors."""
    storage = await asyncio.to_thread(wiring.open_storage, settings)
    ward = Ward(plan.patients)
    watch = Watch([patient for patient, _ in ward.members])
    began = time.monotonic()
    try:
        tokens = [await asyncio.to_thread(_register, storage, patient, device) for patient, device in ward.members]
        async with supervised(roles):
            await asyncio.gather(*(role.ready(_READY_S) for role in roles))
            say(f"{len(roles)} roles ready after {time.monotonic() - began:.0f} s, {plan.patients} patients")
            looking = asyncio.create_task(_look(storage, watch))
            try:
                await _play(plan, ward, tokens, watch, roles, kafka, postgres)
                settled = await _settle(ward, watch)
            finally:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)
        return await asyncio.to_thread(_figures, plan, ward, watch, storage, settings, roles, settled)
    finally:
        await asyncio.to_thread(storage.close)


def _register(storage: wiring.Storage, patient: PatientId, device: Any) -> str:
    return storage.devices.register(device, patient, now_us=SystemClock().now_us(), bed="")


async def _play(
    plan: Plan,
    ward: Ward,
    tokens: Sequence[str],
    watch: Watch,
    roles: Sequence[Role],
    kafka: Service,
    postgres: Service,
) -> None:
    """The devices send; meanwhile the kills."""
    gateway = next(role for role in roles if role.name == "gateway")
    playing = asyncio.create_task(ward.play(gateway.url, tokens))
    try:
        await _kill(plan, watch, _targets(plan, roles, kafka, postgres))
        await asyncio.sleep(_AFTER_S)
        ward.stop()
        for played in await asyncio.wait_for(playing, _SETTLE_S):
            if played.reason is not None:
                say(f"a device stopped: {played.reason}")
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


def _targets(plan: Plan, roles: Sequence[Role], kafka: Service, postgres: Service) -> list[Target]:
    services = [s for s, wanted in ((kafka, plan.broker), (postgres, plan.database)) if wanted]
    targets = [Target(role.name, role.kill, role.is_ready) for role in roles]
    targets += [Target(s.name, functools.partial(_restart, s), _always) for s in services]
    if plan.freeze:
        monitors = [role for role in roles if role.name != "gateway"]
        targets += [Target(f"{r.name} frozen", functools.partial(r.freeze, _FROZEN_S), r.is_ready) for r in monitors]
    return targets


async def _always() -> bool:
    return True


async def _restart(service: Service) -> None:
    await asyncio.to_thread(service.kill)
    await asyncio.to_thread(service.start)


async def _kill(plan: Plan, watch: Watch, targets: Sequence[Target]) -> None:
    chance = random.Random(plan.seed)  # noqa: S311 - no secret
    await asyncio.sleep(_BEFORE_S)
    for number in range(plan.kills):
        if number:
            await asyncio.sleep(chance.uniform(0.5, 1.5) * plan.every_s)
        victim = await _choose(chance, targets)
        say(f"kill {number + 1} of {plan.kills}: {victim.name}")
        watch.killed(victim.name, SystemClock().now_us())
        await victim.kill()


async def _choose(chance: random.Random, targets: Sequence[Target]) -> Target:
    """Mostly of those that are up: what dies while it starts, again and again, shows little. Now and then of all."""
    if chance.random() < _WHILE_STARTING:
        return chance.choice(targets)
    while not (up := [target for target in targets if await target.is_up()]):  # noqa: ASYNC110 - other processes
        await asyncio.sleep(_LOOK_S)
    return chance.choice(up)


async def _look(storage: wiring.Storage, watch: Watch) -> None:
    for look in itertools.count(1):
        if look % _LOOKS_A_LINE == 0 and watch.newest_us:
            behind = sorted((SystemClock().now_us() - t) / US_PER_S for t in watch.newest_us.values())
            say(f"stored signal is {behind[0]:.1f} to {behind[-1]:.1f} s old")
        with contextlib.suppress(Retryable):
            states = await asyncio.to_thread(storage.monitor.states)
            watch.saw({s.patient: s.last_sample_us for s in states}, SystemClock().now_us())
        await asyncio.sleep(_LOOK_S)


async def _settle(ward: Ward, watch: Watch) -> bool:
    """Wait until the newest accepted frame of everyone is stored, and a little longer."""
    wanted: dict[PatientId, int] = {}
    for frame in ward.diary.accepted.values():
        wanted[frame.patient] = max(wanted.get(frame.patient, 0), frame.t1_us)
    say(f"{len(ward.diary.accepted)} frames accepted, waiting for storage")
    try:
        async with asyncio.timeout(_SETTLE_S):
            while any(watch.newest_us.get(p, 0) < t for p, t in wanted.items()):  # noqa: ASYNC110 - another process
                await asyncio.sleep(_LOOK_S)
            await asyncio.sleep(2.0)
    except TimeoutError:
        say("storage did not settle")
        return False
    return True


def _figures(
    plan: Plan,
    ward: Ward,
    watch: Watch,
    storage: wiring.Storage,
    settings: Settings,
    roles: Sequence[Role],
    settled: bool,
) -> dict[str, Any]:
    say("comparing with an undisturbed monitor")
    found = judge.read(storage.board, [patient for patient, _ in ward.members])
    expected = judge.reference(found.frames, settings)
    verdict = judge.judge(ward.diary, found, expected)
    for line in judge.differences(expected, found):
        say(line)
    figures = asdict(verdict)
    first = ("lost", "duplicated", "alarms_lost", "alarms_doubled")
    return {
        "kills": plan.kills,
        **{name: figures.pop(name) for name in first},
        "worst_resume_s": round(max(watch.worst_s.values(), default=0.0), 2),
        "worst_alone_s": round(max(watch.alone_s, default=0.0), 2),
        "resume_s": {victim: round(s, 2) for victim, s in sorted(watch.worst_s.items())},
        **figures,
        "exits": sum(role.exits for role in roles),
        "settled": settled,
        "clean": verdict.clean and settled,
    }
