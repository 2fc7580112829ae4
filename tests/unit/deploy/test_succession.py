"""One student follows another while signal comes in: no window is left out, none is read twice, nothing bad serves."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy.explainer import LateExplainer
from deploy.students import student_of
from deploy.succession import Succession, made_of, probe
from inference.model.card import load_card
from inference.model.checkpoint import load_student, save_checkpoint
from inference.serve.engine import Engine, load_engine
from inference.settings import SHIPPED, InferenceSettings
from ingest.sources.simulate import Episode, simulate
from liteheart.clock import SystemClock
from liteheart.errors import Misconfigured
from liteheart.ids import DeviceId, ModelVersion, PatientId
from liteheart.metrics import NullMetrics
from liteheart.signal import Window
from storage.engine import open_engine
from storage.migrations import upgrade
from storage.models import Made, Models
from storage.settings import StorageSettings

CLOCK = SystemClock()


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Models]:
    engine = open_engine(StorageSettings(f"sqlite:///{tmp_path}/ward.db"))
    upgrade(engine)
    yield Models(engine)
    engine.dispose()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped student, one number of it changed."""
    return changed(tmp_path_factory.mktemp("other"), 0.25)


def changed(folder: Path, by: float) -> Path:
    student, card = load_student(SHIPPED, folded=False)
    for parameter in list(student.parameters())[-1:]:
        parameter.data += by
    save_checkpoint(folder, student, card)
    return folder


def approved(models: Models, made: Made) -> ModelVersion:
    """Through the gate, beside the champion, signed."""
    models.register(made, "refresh", CLOCK.now_us())
    for step in ("passed", "shadowed"):
        models.take_step(made.version, step, "refresh", "", CLOCK.now_us())
    found = models.get(made.version)
    assert found is not None
    models.approve(made.version, found.weights_digest.hex(), "dr", "", CLOCK.now_us())
    return made.version


class Ward:
    """Takes what is to serve."""

    def __init__(self) -> None:
        self.served: list[Engine] = []

    def serve(self, scorer: Engine, thresholds: Mapping[str, float]) -> None:
        assert thresholds == scorer.thresholds
        self.served.append(scorer)


def succession(models: Models, folder: Path, settings: InferenceSettings | None = None) -> Succession:
    return Succession(models, settings or InferenceSettings(), folder / "models", NullMetrics())


def test_the_champion_is_taken_up_and_given_back(models: Models, other: Path, tmp_path: Path) -> None:
    looks, ward = succession(models, tmp_path), Ward()
    assert looks.begin(CLOCK).model_dir == SHIPPED
    assert not looks.step(ward)
    version = approved(models, made_of(other))
    assert not looks.step(ward)
    models.promote(version, "dr", CLOCK.now_us())
    assert looks.step(ward)
    assert [e.model for e in ward.served] == [version]
    assert not looks.step(ward)
    models.roll_back("dr", "too many calls", CLOCK.now_us())
    assert looks.step(ward)
    assert ward.served[-1].model == load_card(SHIPPED).version == looks.version


def test_a_worker_that_starts_later_begins_with_the_champion(models: Models, other: Path, tmp_path: Path) -> None:
    succession(models, tmp_path).begin(CLOCK)
    models.promote(approved(models, made_of(other)), "dr", CLOCK.now_us())
    late = succession(models, tmp_path)
    assert load_card(late.begin(CLOCK).model_dir).version == load_card(other).version == late.version
    assert not late.step(Ward())


@pytest.mark.parametrize("damage", ["nan", "cut", "card"])
def test_what_cannot_serve_does_not_and_the_one_before_goes_on(
    models: Models, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    looks, ward = succession(models, tmp_path), Ward()
    looks.begin(CLOCK)
    folder = changed(tmp_path / "bad", float("nan") if damage == "nan" else 0.5)
    made = made_of(folder)
    files = dict(made.files)
    if damage == "cut":
        files["student.npz"] = files["student.npz"][:1000]
    elif damage == "card":
        files["student.json"] = json.dumps({"format": 1}).encode()
    models.promote(approved(models, dataclasses.replace(made, files=files)), "dr", CLOCK.now_us())
    for _ in range(3):
        assert not looks.step(ward)
    assert ward.served == []
    assert looks.version == load_card(SHIPPED).version
    assert caplog.text.count("cannot serve") == 1, "told once, not every two seconds"
    again = succession(models, tmp_path)
    assert again.begin(CLOCK).model_dir == SHIPPED, "nor after a restart"


def test_a_network_without_sense_is_known_by_its_answers() -> None:
    probe(lambda x: np.zeros((len(x), 3), np.float32))
    for wrong in (np.nan, np.inf, 1e6):
        with pytest.raises(Misconfigured, match="number"):
            probe(lambda x, wrong=wrong: np.full((len(x), 3), wrong, np.float32))
    with pytest.raises(Misconfigured, match="does not answer"):
        probe(lambda x: 1 / 0)


def test_windows_are_read_once_whoever_serves_and_alarms_go_on(lab: Any) -> None:
    """Asystole from 30 s on; the student changes every seven frames."""
    smooth, rig = lab.rig(), lab.rig()
    values = lab.frames("p", lab.heart(60, stop_s=30))
    smooth.play(values)
    scorers = [rig.scorer]
    for at in range(0, 60, 7):
        rig.play(values[at : at + 7])
        scorers.append(type(rig.scorer)())
        rig.monitor.serve(scorers[-1], {"AFIB": 0.5 + at / 1000})
    asked = [window for scorer in scorers for window in scorer.asked]
    assert asked == smooth.scorer.asked
    assert len(rig.windows("p")) == len(smooth.windows("p"))
    assert rig.alarms() == smooth.alarms()
    assert sum(bool(s.asked) for s in scorers) >= 5


def test_a_map_is_asked_of_the_student_that_made_the_finding(models: Models, other: Path, tmp_path: Path) -> None:
    """Two students of the same classes; one that nobody knows any more is answered for by the shipped one."""
    models.register(made_of(other), "refresh", CLOCK.now_us())
    asked = LateExplainer(InferenceSettings(), lambda own, v: student_of(models, own, tmp_path / "asked", v))
    shipped, fresh = load_engine(InferenceSettings(device="cpu")), load_engine(InferenceSettings(device="cpu"), other)
    mv = simulate([Episode("sinus", 12.0, pvc_per_min=20.0)], seed=3).mv[:2500]
    window = Window(PatientId("p"), DeviceId("d"), "I", 0, 250.0, mv, np.ones(len(mv), np.bool_))
    for engine in (fresh, shipped, fresh):
        finding = dataclasses.replace(engine.score([window])[0], codes=("PVC",), abstained=False)
        assert asked.explain(window, finding) == engine.explain(window, finding)
        loaded = asked._loaded
        assert loaded is not None
        assert loaded[1].model == engine.model
    gone = dataclasses.replace(finding, model=ModelVersion("gone-1"))
    assert asked.explain(window, gone) == shipped.explain(window, gone)
