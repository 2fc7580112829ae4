"""Attacks on the refresh, and accidents: whatever happens, the champion serves on and the refusal says why.

Twenty cases on a ward of simulated patients, each with the real store, harvest, growing, gate and registry.
"""

import hashlib
import itertools
import json
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import update

from deploy import wiring
from deploy.playback import analyse
from deploy.refresh.held import Held
from deploy.refresh.learn import grow_phase, harvest_phase
from deploy.refresh.method import RefreshMethod
from deploy.refresh.run import Refresher
from deploy.settings import Settings, load
from deploy.succession import made_of
from inference.model.card import load_card
from inference.model.checkpoint import load_student, save_checkpoint
from inference.preprocess import preprocess
from inference.refresh.known import load_known
from inference.refresh.plan import SHIPPED_PLAN
from inference.serve.engine import Engine, load_engine
from inference.settings import SHIPPED
from ingest.sources.simulate import Episode, SimulatedPatient, simulate
from liteheart.alarm import Alarm, AlarmEvent, Kind, Priority
from liteheart.board import PatientState
from liteheart.clock import ManualClock
from liteheart.errors import Conflict
from liteheart.finding import Finding
from liteheart.ids import DeviceId, PatientId, alarm_id
from liteheart.signal import Frame
from storage.engine import writing
from storage.monitor_store import Batch
from storage.refreshes import Refresh
from storage.schema import model_files

S = 1_000_000
T0 = 1_790_000_000 * S
NOW = T0 + 120 * S
PATIENTS, SECONDS = 6, 90
CHAMPION = load_card(SHIPPED).version
Change = Callable[[Frame], Frame]


@dataclass(frozen=True)
class Lying:
    """One patient's signal and what the shipped student says of it."""

    patient: PatientId
    device: DeviceId
    frames: list[Frame]
    findings: list[Finding]

    @property
    def batch(self) -> Batch:
        last = self.frames[-1]
        state = PatientState(self.patient, self.device, "I", 250.0, last.arrival_us, last.t1_us, usable=True)
        return Batch(frames=self.frames, findings=self.findings, states=[state])


def lie(
    engine: Engine, i: int, *, seed: int | None = None, change: Change | None = None, seconds: int = SECONDS
) -> Lying:
    """Patient `i`; every other one fibrillates."""
    patient, device = PatientId(f"p-{i}"), DeviceId(f"d-{i}")
    script = (Episode("af" if i % 2 else "sinus", seconds, rate_bpm=None if i % 2 else 60 + 5 * i),)
    told = SimulatedPatient(patient, script, seed=i if seed is None else seed, device=device, boot=1, t0_us=T0).frames()
    frames = [f.stamped(f.t1_us) for f in itertools.takewhile(lambda f: f.t0_us < T0 + seconds * S, told)]
    frames = [change(f) for f in frames] if change else frames
    return Lying(patient, device, frames, analyse(patient, frames, load(environ={}).ingest, engine.score).findings)


class Ward:
    """A data folder with its store, and refreshers on it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self.storage = wiring.open_storage(settings)
        self.clock = ManualClock(NOW)

    def admit(self, *all_: Lying, consent: bool = True) -> None:
        for one in all_:
            self.storage.devices.register(one.device, one.patient, now_us=T0)
            self.storage.consents.say(one.patient, "training", consent, by="nurse", now_us=T0)
            self.storage.monitor.commit(one.batch)

    def refresher(self, host: str = "host", **changed: Any) -> Refresher:
        settings = replace(self.settings, refresh=replace(self.settings.refresh, **changed))
        return Refresher(settings, self.storage, RefreshMethod(settings.refresh), self.clock, host)

    def refused(self, **changed: Any) -> str:
        """Run an attempt to its end, and say why it ended; whoever served before serves."""
        found = self.refresher(**changed).step()
        assert found.outcome in ("refused", "failed"), found
        return self.told(found)

    def told(self, found: Refresh) -> str:
        assert self.storage.models.champion() in (CHAMPION, None)
        deeds = [d for d in self.storage.audit.latest(50) if d.action == f"refresh-{found.outcome}"]
        assert deeds[0].detail["reason"] == found.reason
        if found.candidate is not None:
            version = self.storage.models.get(found.candidate)
            assert version is not None
            assert (version.status, version.steps[-1].reason) == ("refused", found.reason)
        assert not list((self.folder / "refresh").glob("[0-9]*")), "windows lie about"
        return found.reason

    def close(self) -> None:
        self.storage.close()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return load_engine()


@pytest.fixture(scope="module")
def everybody(engine: Engine) -> list[Lying]:
    return [lie(engine, i) for i in range(PATIENTS)]


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A test set of simulated patients whom nobody learns from, and the plan that names it."""
    folder = tmp_path_factory.mktemp("exam")
    x, y, patients = [], [], []
    for i in range(40):
        mv = simulate([Episode("af" if i % 2 else "sinus", 30, rate_bpm=None if i % 2 else 55 + i)], 250, 100 + i).mv
        for k in range(2):
            x.append(preprocess(np.asarray(mv)[None, k * 2500 : (k + 1) * 2500], 250.0)[0])
            y.append([bool(i % 2)])
            patients.append(f"e{i}")
    np.savez(folder / "exam.npz", x=np.array(x), y=np.array(y), classes=np.array(["AFIB"]), patients=np.array(patients))
    write_plan(folder, folder / "plan.toml")
    return folder


def write_plan(exam: Path, path: Path) -> None:
    """The shipped one on the test set above; a simulated one tells less of calibration."""
    digest = hashlib.sha256((exam / "exam.npz").read_bytes()).hexdigest()
    text = re.sub(r"(?m)^sha256 *=.*\n", "", SHIPPED_PLAN.read_text())
    text = text.replace("[exam]", f'[exam]\nsha256 = "{digest}"\n#', 1).replace("resamples = 500", "resamples = 50")
    text = text.replace("least_windows = 200", "least_windows = 20")
    text = text.replace("most = 0.05 ", "most = 0.5 ").replace("most_latency_ratio = 1.2", "most_latency_ratio = 9.9")
    path.write_text(text)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, everybody: list[Lying]) -> Path:
    """A data folder in which everybody lies, made once."""
    folder = tmp_path_factory.mktemp("ward")
    ward = Ward(folder, load(environ={}, data_dir=folder))
    ward.admit(*everybody)
    ward.close()
    return folder


@pytest.fixture
def settings(tmp_path: Path, exam: Path) -> Settings:
    shutil.copytree(exam, tmp_path / "exam")
    return load(
        environ={},
        data_dir=tmp_path / "data",
        inference__backend="torch",
        refresh__exam=tmp_path / "exam",
        refresh__plan=tmp_path / "exam" / "plan.toml",
        refresh__steps=1,
        refresh__state_every=1,
        refresh__least_windows=40,
        refresh__least_patients=4,
        refresh__backtest_patients=1,
        refresh__backtest_h=0.01,
    )


@pytest.fixture
def empty(settings: Settings) -> Iterator[Ward]:
    ward = Ward(settings.data_dir, settings)
    yield ward
    ward.close()


@pytest.fixture
def ward(settings: Settings, ready: Path) -> Iterator[Ward]:
    shutil.copytree(ready, settings.data_dir)
    ward = Ward(settings.data_dir, settings)
    yield ward
    ward.close()


# Poisoned pools


def words(ward: Ward, everybody: list[Lying], by: dict[str, Callable[[bool], bool]]) -> None:
    """Three alarms of each patient, on each of which everybody in `by` has a word in turn; True: it was AF."""
    turn = itertools.cycle(by.items())
    for one in everybody:
        af = one.patient in {f"p-{i}" for i in range(1, PATIENTS, 2)}
        for k in range(12):
            nurse, says = next(turn)
            onset_us = T0 + (20 + k) * S
            name = alarm_id(one.patient, "AFIB", onset_us)
            alarm = Alarm(
                name,
                one.patient,
                "AFIB",
                "AF",
                Kind.PHYSIOLOGICAL,
                Priority.MEDIUM,
                False,
                onset_us,
                onset_us,
                "",
                False,
            )
            ward.storage.monitor.commit(Batch(alarms=[AlarmEvent(alarm, "raised", onset_us, onset_us)]))
            reason = "true-actioned" if says(af) else "false-algorithm"
            ward.storage.board.acknowledge(name, nurse, reason, onset_us + S)


def test_01_flipped_verdicts_are_found_out_and_the_pool_is_refused(ward: Ward, everybody: list[Lying]) -> None:
    words(ward, everybody, {"liar": lambda af: not af})
    assert "words of 1 of 1 people contradict" in ward.refused(most_ignored=0.4)


def test_02_adversarial_noise_is_unusable_or_foreign(empty: Ward, engine: Engine) -> None:
    rng = np.random.default_rng(1)

    def noise(frame: Frame) -> Frame:
        return replace(frame, samples=rng.normal(0, 400, len(frame.samples)).astype(np.int16))

    empty.admit(*(lie(engine, i, change=noise) for i in range(PATIENTS)))
    reason = empty.refused()
    assert "left to learn from" in reason
    assert "unusable" in reason or "foreign" in reason


def test_03_one_patient_who_floods_is_a_small_part(empty: Ward, engine: Engine) -> None:
    empty.admit(lie(engine, 1, seconds=600))
    reason = empty.refused()
    assert "windows of 1 patients" in reason
    assert "surplus" in reason


def test_04_the_same_data_under_many_names_counts_once(empty: Ward, engine: Engine) -> None:
    one = lie(engine, 1)
    for i in range(PATIENTS):
        patient, device = PatientId(f"p-{i}"), DeviceId(f"d-{i}")
        frames = [replace(f, patient=patient, device=device) for f in one.frames]
        empty.admit(Lying(patient, device, frames, [replace(f, patient=patient, device=device) for f in one.findings]))
    assert "duplicate" in empty.refused()


def test_05_without_consent_nobody_is_learned_from(empty: Ward, everybody: list[Lying]) -> None:
    empty.admit(*everybody, consent=False)
    reason = empty.refused()
    assert "0 windows of 0 patients" in reason
    assert f"{PATIENTS} no consent" in reason


def test_06_consent_withdrawn_after_the_harvest_takes_the_windows_along(ward: Ward, everybody: list[Lying]) -> None:
    refresher = stopped_before(ward, "grow")
    for one in everybody[:4]:
        ward.storage.consents.say(one.patient, "training", False, by="nurse", now_us=NOW)
    found = refresher.step()
    assert found.outcome == "refused"
    assert "was withdrawn" in ward.told(found)


# Students that must not serve


def candidate(ward: Ward, change: Callable[[dict[str, Any]], None]) -> Refresher:
    """An attempt that stands before the gate with a candidate whose weights `change` has had its hands on."""
    folder = ward.folder / "made"
    student, card = load_student(SHIPPED, folded=False)
    change(student.state_dict())
    save_checkpoint(folder, student, card)
    return standing_at_the_gate(ward, folder)


def standing_at_the_gate(ward: Ward, folder: Path) -> Refresher:
    ward.storage.models.ship(made_of(SHIPPED), NOW)
    made = replace(made_of(folder), parent=CHAMPION)
    ward.storage.models.register(made, "refresh", NOW)
    attempt = ward.storage.refreshes.begin("host", NOW, 60 * S)
    ward.storage.refreshes.tell(attempt, "gate", 0.0, NOW, 60 * S, candidate=made.version, champion=CHAMPION)
    return ward.refresher()


def stopped_before(ward: Ward, phase: str) -> Refresher:
    """An attempt that has broken off just before it came to `phase`."""
    refresher = ward.refresher()
    found = ward.storage.refreshes.begin("host", NOW, 60 * S)
    held = Held(found, ward.storage.refreshes, ward.clock, 60 * S)
    refresher._unchanged(held)
    for name, step in (("harvest", harvest_phase), ("grow", grow_phase)):
        if held.refresh.phase != phase:
            assert held.refresh.phase == name
            step(refresher._house, held)
    assert held.refresh.phase == phase
    return refresher


def test_07_weights_that_are_no_numbers(ward: Ward) -> None:
    def spoil(weights: dict[str, Any]) -> None:
        weights["head.bias"][:] = float("nan")

    assert "no number" in ward.told(candidate(ward, spoil).step())


def test_08_a_student_that_forgot_fails_the_gate_with_the_figures(ward: Ward) -> None:
    def spoil(weights: dict[str, Any]) -> None:
        for name in ("head.weight", "beats.out.weight", "beats.head.weight"):
            if name in weights:
                weights[name].mul_(-1)
        weights["head.bias"].mul_(-1)

    reason = ward.told(candidate(ward, spoil).step())
    assert "AUROC" in reason
    assert "failed" in reason


def test_09_a_file_that_was_cut_off(ward: Ward) -> None:
    refresher = candidate(ward, lambda weights: weights["head.bias"].add_(0.01))
    with writing(ward.storage.models._engine) as connection:
        row = (model_files.c.version != CHAMPION) & (model_files.c.file == "student.npz")
        connection.execute(update(model_files).where(row).values(content=b"PK\x03\x04"))
    assert "not what was registered" in ward.told(refresher.step())


def test_10_a_card_of_another_student(ward: Ward) -> None:
    refresher = candidate(ward, lambda weights: weights["head.bias"].add_(0.01))
    with writing(ward.storage.models._engine) as connection:
        row = (model_files.c.version != CHAMPION) & (model_files.c.file == "student.json")
        content = (SHIPPED / "student.json").read_bytes()
        connection.execute(update(model_files).where(row).values(content=content))
    assert "names another student" in ward.told(refresher.step())


def test_11_the_champion_was_changed_meanwhile(ward: Ward) -> None:
    refresher = candidate(ward, lambda weights: weights["head.bias"].add_(0.01))
    attempt = ward.storage.refreshes.latest()[0]
    ward.storage.refreshes.tell(attempt, "gate", 0.0, NOW, 60 * S, champion="somebody-else")
    assert "was grown from another one" in ward.told(refresher.step())


# Plan and test set


def test_12_without_a_test_set_nothing_is_grown(ward: Ward, tmp_path: Path) -> None:
    assert "refresh.exam" in ward.refused(exam=tmp_path / "nowhere")
    assert "refresh.exam" in ward.refused(exam=None)


def test_13_another_test_set_than_the_plan_names(ward: Ward) -> None:
    path = ward.settings.refresh.exam / "exam.npz"  # type: ignore[operator]  # set above
    with np.load(path) as found:
        arrays = dict(found)
    arrays["y"] = ~arrays["y"]
    np.savez(path, **arrays)
    assert "not the test set that the plan names" in ward.refused()


def test_14_a_plan_that_is_another_one_meanwhile(ward: Ward) -> None:
    refresher = stopped_before(ward, "grow")
    plan = ward.settings.refresh.plan
    plan.write_text(plan.read_text().replace("macro = 0.012", "macro = 0.5"))
    found = refresher.step()
    assert "plan was changed while" in ward.told(found)


def test_15_a_plan_that_makes_no_sense(ward: Ward) -> None:
    plan = ward.settings.refresh.plan
    plan.write_text(plan.read_text().replace("macro = 0.012", "macro = -1"))
    assert "margins.macro" in ward.refused()


# Accidents


SCRIPT = """
import os, signal, sys
from pathlib import Path
from deploy import wiring
from deploy.refresh.method import RefreshMethod
from deploy.refresh.run import Refresher
from deploy.settings import load
from liteheart.clock import ManualClock
import deploy.refresh.held as held
settings = load(Path(sys.argv[1]), environ={})
storage = wiring.open_storage(settings)
tell = held.Held.now
def now(self, phase, share=0.0, **detail):
    tell(self, phase, share, **detail)
    if (phase, share >= float(sys.argv[3])) == (sys.argv[2], True):
        os.kill(os.getpid(), signal.SIGKILL)
held.Held.now = now
held.Held.progress = lambda self, share: self.now(self.refresh.phase, share)
Refresher(settings, storage, RefreshMethod(settings.refresh), ManualClock(int(sys.argv[4])), "killed").step()
"""


def config(ward: Ward) -> Path:
    """The ward's settings as a file."""
    path, refresh = ward.folder.parent / "config.toml", ward.settings.refresh
    names = (
        "exam",
        "plan",
        "steps",
        "state_every",
        "least_windows",
        "least_patients",
        "backtest_patients",
        "backtest_h",
    )
    lines = [
        f"{n} = {json.dumps(v if isinstance(v, int | float) else str(v))}" for n in names for v in [getattr(refresh, n)]
    ]
    head = [f'data_dir = "{ward.folder}"', "[inference]", 'backend = "torch"', "[refresh]"]
    path.write_text("\n".join([*head, *lines]) + "\n")
    return path


@pytest.mark.parametrize(("phase", "share"), [("harvest", 0.9), ("grow", 0.5), ("gate", 0.2)])
def test_16_killed_in_the_middle_and_gone_on_with(ward: Ward, phase: str, share: float) -> None:
    run = [sys.executable, "-c", SCRIPT, str(config(ward)), phase, str(share), str(NOW)]
    done = subprocess.run(run, timeout=300, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ward.storage.models.champion() in (CHAMPION, None)
    (left,) = ward.storage.refreshes.latest()
    assert (left.phase, left.ended_us) == (phase, None)
    with pytest.raises(Conflict, match=f"killed is at it \\({phase}"):
        ward.refresher("other").step()
    ward.clock.advance(120)
    found = ward.refresher("other", least_windows=10_000 if phase != "gate" else 40).step()
    if phase == "gate":
        assert found.phase in ("gate", "shadow"), "what was grown is not grown again"
    else:
        assert "are needed" in ward.told(found)
    assert len(ward.storage.refreshes.latest(5)) == 1


def test_17_two_refreshers_at_once(ward: Ward) -> None:
    ward.storage.refreshes.begin("first", NOW, 60 * S)
    with pytest.raises(Conflict, match="first is at it"):
        ward.refresher("second").step()
    assert len(ward.storage.refreshes.latest(5)) == 1
    assert ward.storage.models.champion() is None


def test_18_whoever_lost_the_lease_writes_nothing_more(ward: Ward) -> None:
    first = ward.storage.refreshes.begin("first", NOW, 60 * S)
    ward.clock.advance(61)
    second = ward.storage.refreshes.begin("second", ward.clock.now_us(), 60 * S)
    assert second.refresh_id == first.refresh_id
    for write in (
        lambda: ward.storage.refreshes.tell(first, "gate", 0.0, NOW, S, candidate="evil"),
        lambda: ward.storage.refreshes.end(first, "candidate", "", NOW),
        lambda: ward.storage.refreshes.renew(first, NOW, S),
    ):
        with pytest.raises(Conflict, match="second has gone on with it"):
            write()
    assert ward.storage.refreshes.latest()[0].candidate is None


def test_19_the_disk_is_full(ward: Ward) -> None:
    """For what is larger than the student, that is: the database goes on writing its few pages."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ward.storage.models.ship(made_of(SHIPPED), NOW)
    ward.close()
    ward.storage = wiring.open_storage(ward.settings)
    refresher = ward.refresher()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        found = refresher.step()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be written" in ward.told(found)


def test_20_a_clock_that_jumps(ward: Ward) -> None:
    ahead = ManualClock(NOW + 400 * 86_400 * S)
    lost = Refresher(ward.settings, ward.storage, RefreshMethod(ward.settings.refresh), ahead, "ahead")
    found = ward.storage.refreshes.begin("ahead", ahead.now_us(), 60 * S)
    assert lost.due()
    refresher = ward.refresher("right", least_windows=10_000)  # the lease seems to hold for a year
    reason = ward.told(refresher.step())
    assert "are needed" in reason
    assert found.refresh_id == ward.storage.refreshes.latest()[0].refresh_id
    assert refresher.due(), "what seems to have begun in a year does not hold up the next one"


def test_a_host_without_the_test_set_leaves_what_goes_on_to_the_others(ward: Ward) -> None:
    stopped_before(ward, "grow")
    ward.clock.advance(61)
    with pytest.raises(Conflict, match=r"not for this host to go on with \(grow\): refresh.exam: names no test set"):
        ward.refresher("other", exam=None).step()
    (left,) = ward.storage.refreshes.latest(5)
    assert (left.phase, left.ended_us, left.outcome) == ("grow", None, None)
    assert ward.refresher("third", least_windows=10_000).step().outcome == "refused", "nobody has to wait for a lease"


# The control: without any of that, a candidate comes through


@pytest.mark.parametrize("automatic", [False, True])
def test_an_honest_ward_gets_a_candidate_and_the_plan_says_who_lets_it_serve(
    ward: Ward, engine: Engine, everybody: list[Lying], automatic: bool
) -> None:
    if automatic:
        plan = ward.settings.refresh.plan
        plan.write_text(plan.read_text().replace("automatic = false", "automatic = true"))
    words(ward, everybody, {"ada": lambda af: af, "ben": lambda af: af})
    found = ward.refresher().step()
    assert (found.phase, found.ended_us) == ("shadow", None), found.reason
    assert found.detail["waiting"] == "0 of 20 windows beside the champion"
    assert found.detail["labelled"] > 0
    assert all(check["ok"] or not check["judged"] for check in found.detail["checks"])
    assert found.candidate is not None
    it_has_a_world_of_its_own(ward, found)
    for i in range(3):
        longer = lie(engine, i, seconds=240)
        later = [f for f in longer.frames if f.t0_us >= NOW]
        read = [replace(f, model=CHAMPION) for f in longer.findings if f.t0_us >= NOW]
        ward.storage.monitor.commit(replace(longer, frames=later, findings=read).batch)
    ward.clock.advance(130)
    found = ward.refresher("another host").step()
    assert found.outcome == "candidate", found.reason
    assert found.detail["shadow"]["windows"] >= 20
    assert found.detail["shadow"]["agreement"] >= 0.9
    version = ward.storage.models.get(found.candidate)
    assert version is not None
    assert version.parent == CHAMPION
    steps = [s.step for s in version.steps]
    if automatic:
        assert steps == ["registered", "passed", "shadowed", "approved", "promoted"]
        assert ward.storage.models.champion() == found.candidate
    else:
        assert found.reason == "waits for a signature: physician or administrator"
        assert steps == ["registered", "passed", "shadowed"]
        assert ward.storage.models.champion() == CHAMPION
    for file in (ward.folder / "refresh").rglob("*"):
        assert not file.is_file() or b"p-1" not in file.read_bytes()[:100_000], "a pseudonym lies about"
    assert not ward.refresher().due()
    ward.clock.advance(169 * 3600)
    assert ward.refresher().due()


def it_has_a_world_of_its_own(ward: Ward, found: Refresh) -> None:
    """The champion's, of PTB-XL, is what the ward was compared with; the candidate's is of the ward."""
    assert found.candidate is not None
    assert found.detail["drift_against"].startswith("5010 windows of PTB-XL")
    (group, profile), *others = ward.storage.refreshes.reference(CHAMPION, replace(found, refresh_id=99)).items()
    assert (group, others) == ("ward, lead I, 250 Hz, 400/mV", [])
    assert profile["student"] == CHAMPION
    assert {"distance", "AFIB", "noise_mv", "abstained"} < profile["counts"].keys()
    folder = ward.folder / "refresh" / "students" / found.candidate
    for name, content in ward.storage.models.files(found.candidate).items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    known = load_known(folder)
    assert known is not None
    assert list(known.groups) == [group]
    assert known.groups[group]["distance"].patients == PATIENTS
