"""Signal played once more says what the live path said."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deploy import wiring
from deploy.commands import alarms as alarms_command
from deploy.commands.report import T0_US, analyse_recording, live_beats
from deploy.playback import analyse, judge
from deploy.settings import load
from deploy.sounded import calls, ringing, spans
from inference.serve.engine import load_engine
from ingest.settings import IngestSettings
from ingest.sources.recording import Recording
from ingest.sources.simulate import Episode, simulate
from liteheart.alarm import AlarmEvent
from liteheart.ids import PatientId
from liteheart.wire import decode_frame


def recording(*episodes: Episode) -> Recording:
    made = simulate(list(episodes), fs_hz=250.0, seed=4)
    none = np.zeros((1, len(made.adc)), np.bool_)
    one = np.ones(1)
    return Recording("made", 250.0, ("I",), made.adc[None], one * made.gain, 0 * one, none, Path("made"))


def test_the_same_events_as_the_monitor() -> None:
    """Vitals and findings in the same order, on the same clock, through the same engine."""
    found = recording(Episode("sinus", 25), Episode("asystole", 7), Episode("sinus", 20), Episode("vf", 12))
    settings, engine = load(), load_engine()
    analysed = analyse_recording(found, 0, settings, engine.score)
    mine = [
        (round((e.t_us - T0_US) / 1e6, 3), e.alarm.condition, e.action, round((e.alarm.onset_us - T0_US) / 1e6, 3))
        for e in judge(analysed, wiring.alarm_settings(settings, engine.thresholds))
    ]
    lines = alarms_command.alarms(found, 0, argparse.Namespace(model=None))
    assert mine == [(x["t_s"], x["condition"], x["action"], x["onset_s"]) for x in lines]
    assert {"ASYSTOLE", "VF"} <= {x[1] for x in mine}
    assert len(analysed.findings) >= 10
    assert analysed.signal_s == pytest.approx(64, abs=0.1)


def test_beats_of_the_live_path_are_those_that_were_made() -> None:
    made = simulate([Episode("sinus", 40, rate_bpm=70)], fs_hz=250.0, seed=2)
    found = recording(Episode("sinus", 40, rate_bpm=70))
    analysed = analyse_recording(found, 0, load(), None)
    live = np.array(live_beats(analysed.vitals))
    assert np.all(np.diff(live) > 0.4)
    assert len(live) >= 0.8 * len(made.r_peaks)


def test_silence_between_frames_is_told_and_ends(lab: Any) -> None:
    frames = [decode_frame(v) for v in lab.frames("p", lab.heart(40))]
    heard = [*frames[:10], *(f.stamped(f.arrival_us + 90_000_000) for f in frames[10:])]
    analysed = analyse(PatientId("p"), heard, IngestSettings(), None)
    told = [e for e in judge(analysed, load().alarms) if e.alarm.condition.startswith("NO_DATA")]
    assert [(e.alarm.condition, e.action) for e in told] == [
        ("NO_DATA", "raised"),
        ("NO_DATA", "ended"),
        ("NO_DATA_LONG", "raised"),
        ("NO_DATA_LONG", "ended"),
    ]
    assert told[-1].at_us == heard[10].arrival_us
    assert [e.at_us for e in told] == sorted(e.at_us for e in told)


def test_what_arrives_twice_or_late_changes_nothing(lab: Any) -> None:
    frames = [decode_frame(v) for v in lab.frames("p", lab.heart(40, stop_s=28))]
    shuffled = [
        *frames[:5],
        *frames[3:5],
        *(f.stamped(frames[7].arrival_us) for f in (frames[6], frames[5])),
        *frames[7:],
    ]
    plain, messy = (analyse(PatientId("p"), x, IngestSettings(), None) for x in (frames, shuffled))
    assert [e.alarm.alarm_id for e in judge(messy, load().alarms)] == [
        e.alarm.alarm_id for e in judge(plain, load().alarms)
    ]
    assert messy.signal_s == plain.signal_s == 40
    assert [v.t_us for v in messy.vitals] == [v.t_us for v in plain.vitals]


def test_a_patient_without_signal_has_no_alarms() -> None:
    nothing = analyse(PatientId("p"), [], IngestSettings(), None)
    assert (nothing.said, nothing.signal_s, judge(nothing, load().alarms)) == ((), 0.0, [])


def test_calls_and_for_how_long_they_ring(lab: Any) -> None:
    rig = lab.rig()
    signal = np.r_[lab.heart(40, stop_s=30), lab.heart(30)]
    frames = [decode_frame(v) for v in lab.frames("p", signal)]
    events: list[AlarmEvent] = judge(analyse(PatientId("p"), frames, IngestSettings(), None), load().alarms)
    made = calls(events)
    (asystole,) = [c for c in made if c.code == "ASYSTOLE"]
    assert asystole.audible
    assert asystole.ended_us is not None
    held = spans(made, "ASYSTOLE", rig.T0, rig.T0 + 70_000_000)
    assert held == pytest.approx(np.array([[30.0, 42.0]]), abs=2.0)
    heard = ringing([asystole], 60.0, 10**18)  # it latches: it rings until somebody comes, the heart long back
    assert float(heard[0, 1] - heard[0, 0]) == pytest.approx(60.0)
    assert float(heard[0, 0]) == pytest.approx(asystole.raised_us / 1e6)
