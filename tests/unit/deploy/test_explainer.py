"""The student that is asked afterwards answers as the monitor's own would."""

from dataclasses import replace

import numpy as np
import pytest

from deploy.explainer import LateExplainer
from inference.serve.engine import load_engine
from inference.settings import InferenceSettings
from ingest.sources.simulate import Episode, simulate
from liteheart.signal import Window


@pytest.fixture(scope="module")
def engine():
    return load_engine(InferenceSettings(device="cpu"))


@pytest.fixture(scope="module")
def explainer():
    return LateExplainer(InferenceSettings())


@pytest.fixture(scope="module")
def window():
    mv = simulate([Episode("sinus", 12.0, pvc_per_min=20.0)], seed=3).mv[:2500]
    return Window("p1", "d", "I", 0, 250.0, mv, np.ones(len(mv), np.bool_))


def test_a_map_is_that_of_the_engine(engine, explainer, window):
    finding = replace(engine.score([window])[0], codes=("AFIB", "PVC"), abstained=False)
    maps = explainer.explain(window, finding)
    assert maps == engine.explain(window, finding)
    assert list(maps) == ["AFIB", "PVC"]
    assert {len(values) for values in maps.values()} == {50}
    assert max(max(values) for values in maps.values()) == 1.0


def test_codes_of_an_older_student_are_left_out(engine, explainer, window):
    finding = replace(engine.score([window])[0], codes=("GONE", "AFIB"), abstained=False)
    assert list(explainer.explain(window, finding)) == ["AFIB"]


def test_of_an_abstention_there_is_nothing_to_show(engine, explainer, window):
    finding = replace(engine.score([window])[0], codes=(), scores={}, abstained=True)
    assert explainer.explain(window, finding) == {}
