"""The seconds of signal that have become whole, all patients' at once, and what the rules say of each."""

from collections.abc import Sequence
from functools import partial

from alerts.quiet import Quiet, hear, quiet
from deploy.patients import Patient, Patients
from deploy.state import with_second
from deploy.work import Work
from inference.seconds import Seconds
from liteheart.signal import Chunk


def follow(patients: Patients, chunks: Sequence[Chunk], now_us: int, work: Work) -> None:
    """Events and states into `work`. Most seconds are quiet: for these nothing is made and no rule is asked."""
    seconds = patients.rhythms.follow(chunks)
    what = quiet(seconds, [patients.settings(chunks[k].patient) for k in seconds.chunk])
    for k, which in enumerate(seconds.of_chunks()):
        step = partial(_judge, k=k, which=which, seconds=seconds, what=what, now_us=now_us, work=work)
        patients.guard(chunks[k].patient, now_us, work, step)


def _judge(member: Patient, k: int, which: range, seconds: Seconds, what: Quiet, now_us: int, work: Work) -> None:
    """The seconds `which` of chunk number `k`."""
    if k in seconds.failed:
        raise seconds.failed[k]
    for i in which:
        work.events += hear(member.alarms, seconds, i, what, now_us)
    if which:
        member.state = with_second(member.state, *seconds.shown(which[-1]))
