"""The overview of a day against the samples themselves, whatever their order and however often a monitor died."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, update

from liteheart.history import NOTHING_HIGH, NOTHING_LOW
from liteheart.signal import Frame
from storage.engine import open_engine, reading, writing
from storage.envelope import from_many, to_bytes
from storage.migrations import migrate
from storage.monitor_store import Batch, MonitorStore
from storage.overviews import Overviews
from storage.schema import overviews
from storage.settings import StorageSettings

S = 1_000_000
MINUTE = 60 * S
T0 = 1_700_000_040 * S  # a whole minute
_names = (f"p{i}" for i in itertools.count())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    found = StorageSettings(f"sqlite:///{tmp_path_factory.mktemp('overviews')}/ward.db")
    migrate(found)
    return found


@pytest.fixture(scope="module")
def engine(config):
    engine = open_engine(config)
    yield engine
    engine.dispose()


def frame(sequence, patient, t0_us, n=250, arrival_us=None, **changes):
    rng = np.random.default_rng([sequence, n])
    values = {
        "device": "d",
        "boot": 1,
        "fs_hz": 250.0,
        "gain": 200.0,
        "lead": "I",
        "samples": rng.integers(-32768, 32768, n).astype(np.int16),
        "arrival_us": t0_us + 1_100_000 if arrival_us is None else arrival_us,
    } | changes
    return Frame(patient=patient, sequence=sequence, t0_us=t0_us, **values)


def by_hand(frames, t0_us, length_us, columns):
    """Low and high of each column, a sample at a time; a sample's time is the nearest microsecond, later of two."""
    low, high = [NOTHING_LOW] * columns, [NOTHING_HIGH] * columns
    whole_seconds = length_us >= columns * S
    for f in {f.key: f for f in reversed(frames)}.values():
        a, b = f.fs_hz.as_integer_ratio()
        for i, value in enumerate(f.samples.tolist()):
            t_us = f.t0_us + (2 * i * S * b + a) // (2 * a)
            if whole_seconds:
                second_us = t_us // S * S
                if second_us + S <= t0_us:
                    continue
                t_us = max(second_us, t0_us)
            column = (t_us - t0_us) * columns // length_us
            if 0 <= column < columns:
                uv = int(np.rint(value * 1000.0 / f.gain))
                low[column], high[column] = min(low[column], uv), max(high[column], uv)
    return low, high


def assert_right(engine, frames, patient, t0_us, t1_us, columns):
    found = Overviews(engine).envelope(patient, t0_us, t1_us, columns)
    low, high = by_hand(frames, t0_us, t1_us - t0_us, columns)
    assert (found.low_uv.tolist(), found.high_uv.tolist()) == (low, high)


def rows_of(engine, patient):
    with reading(engine) as connection:
        statement = select(overviews.c.minute, overviews.c.frames).where(overviews.c.patient == patient)
        return {row.minute: row.frames for row in connection.execute(statement)}


@st.composite
def histories(draw):
    """Frames as a device may send them, cut into batches as they may arrive, and before which the monitor died."""
    at_us, frames = T0 + draw(st.integers(0, 2 * S)), []
    for i in range(draw(st.integers(5, 60))):
        fs_hz = draw(st.sampled_from((50.0, 77.3, 128.0, 250.0, 360.0)))
        n = draw(st.integers(1, 60)) if draw(st.booleans()) else draw(st.integers(100, 1500))
        gain = draw(st.sampled_from((1.0, 200.0, 1000.0)))
        frames.append(frame(i, "", at_us, n=n, fs_hz=fs_hz, gain=gain, device=draw(st.sampled_from("ab"))))
        at_us += round(n * S / fs_hz) + draw(st.sampled_from((0, 0, 0, -700_000, 1, 3 * S, 61 * S)))
    order = draw(st.permutations(range(len(frames)))) if draw(st.booleans()) else list(range(len(frames)))
    sent = [frames[i] for i in order] + [frames[i] for i in draw(st.lists(st.sampled_from(order), max_size=8))]
    clock, batches, batch = T0, [], []
    for f in sent:
        clock += draw(st.sampled_from((0, S, S, 20 * S, 70 * S)))
        batch.append(replace(f, arrival_us=clock))
        if draw(st.integers(0, 2)) == 0:
            batches.append((batch, draw(st.integers(0, 5)) == 0))
            batch = []
    return [*batches, (batch, False)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(batches=histories(), data=st.data())
def test_an_overview_is_what_the_samples_say_whatever_happened(engine, config, batches, data):
    patient, seen = next(_names), []
    store = MonitorStore(engine, config)
    for batch, died in batches:
        if died:
            store = MonitorStore(engine, config)
        batch = [replace(f, patient=patient, device=f"{f.device}-{patient}") for f in batch]
        store.commit(Batch(frames=batch))
        seen += batch
        if data.draw(st.integers(0, 9)) == 0:
            assert_right(engine, seen, patient, T0, T0 + 10 * MINUTE, 600)
    t0_us = T0 + data.draw(st.integers(-3 * S, 5 * S))
    for length_us, columns in ((10 * MINUTE, 7), (3 * MINUTE + 1, 100), (40 * S, 97), (1_500_000, 1000)):
        assert_right(engine, seen, patient, t0_us, t0_us + length_us, columns)


def test_minutes_that_are_over_are_rows_and_the_rest_is_read_from_the_frames(engine, config):
    patient = next(_names)
    frames = [frame(i, patient, T0 + i * S, device=patient) for i in range(400)]
    store = MonitorStore(engine, config)
    for f in frames:
        store.commit(Batch(frames=[f]))
    first = T0 // MINUTE
    assert rows_of(engine, patient) == dict.fromkeys(range(first, first + 5), 60)
    assert_right(engine, frames, patient, T0, T0 + 8 * MINUTE, 480)


def test_a_row_that_knows_of_fewer_frames_than_there_are_is_not_believed(engine, config):
    patient = next(_names)
    frames = [frame(i, patient, T0 + i * S, device=patient) for i in range(300) if i != 30]
    store = MonitorStore(engine, config)
    for f in frames:
        store.commit(Batch(frames=[f]))
    first = T0 // MINUTE
    with reading(engine) as connection:
        row = connection.execute(select(overviews).where(overviews.c.patient == patient)).first()
    (low,), (high,) = from_many([row.extremes])
    forged = to_bytes(low - 7, high)
    mine = (overviews.c.patient == patient) & (overviews.c.minute == first)
    with writing(engine) as connection:
        connection.execute(update(overviews).where(mine).values(extremes=forged))
    with pytest.raises(AssertionError):  # the row is what is read
        assert_right(engine, frames, patient, T0, T0 + 2 * MINUTE, 120)
    late = frame(30, patient, T0 + 30 * S, device=patient, arrival_us=T0 + 301 * S)
    MonitorStore(engine, config).commit(Batch(frames=[late]))
    assert_right(engine, [*frames, late], patient, T0, T0 + 2 * MINUTE, 120)


def test_what_comes_late_or_before_a_restart_makes_its_minute_anew(engine, config):
    patient = next(_names)
    frames = [frame(i, patient, T0 + i * S, device=patient) for i in range(240)]
    late = frames.pop(30)
    store = MonitorStore(engine, config)
    for f in frames[:150]:
        store.commit(Batch(frames=[f]))
    store = MonitorStore(engine, config)
    for f in [*frames[150:], replace(late, arrival_us=T0 + 242 * S)]:
        store.commit(Batch(frames=[f]))
    first = T0 // MINUTE
    assert rows_of(engine, patient)[first] == 59
    for i in range(320, 400):  # a minute later
        store.commit(Batch(frames=[frame(i, patient, T0 + i * S, device=patient)]))
    # the second minute was not a row yet when the monitor died, and nothing of it came again
    assert rows_of(engine, patient) == dict.fromkeys((first, first + 2, first + 3), 60)
    assert_right(engine, [*frames, late], patient, T0, T0 + 4 * MINUTE, 240)


def test_a_replay_at_full_speed_fills_no_memory(engine, config):
    patient = next(_names)
    store = MonitorStore(engine, config)
    for k in range(30):
        arrival_us = T0 + k * 70 * S
        some = [
            frame(i, patient, T0 + i * MINUTE, n=2, device=patient, arrival_us=arrival_us)
            for i in range(k * 100, k * 100 + 100)
        ]
        store.commit(Batch(frames=some))
    assert len(rows_of(engine, patient)) == 2800
    assert len(store._minutes._open) == 100


def test_a_batch_that_was_not_committed_leaves_nothing_behind(engine, config):
    patient = next(_names)
    store = MonitorStore(engine, config)
    ghost = frame(0, patient, T0, device=patient)
    store.commit(Batch(checkpoints={patient: {}}, epochs={patient: 5}))
    with pytest.raises(Exception, match="taken over"):
        store.commit(Batch(frames=[ghost], checkpoints={patient: {}}, epochs={patient: 1}))
    true = frame(1, patient, T0, device=patient)
    store.commit(Batch(frames=[true]))
    store.commit(Batch(frames=[frame(2, patient, T0 + 200 * S, device=patient)]))
    store.commit(Batch(frames=[frame(3, patient, T0 + 201 * S, device=patient)]))
    assert rows_of(engine, patient) == {T0 // MINUTE: 1}
    assert_right(engine, [true], patient, T0, T0 + MINUTE, 60)


def test_frames_of_a_patient_who_was_erased_are_not_shown(engine, config):
    from storage.schema import frames as table

    patient = next(_names)
    store = MonitorStore(engine, config)
    for i in range(180):
        store.commit(Batch(frames=[frame(i, patient, T0 + i * S, device=patient)]))
    with writing(engine) as connection:
        connection.execute(delete(table).where(table.c.patient == patient))
        assert connection.scalar(select(func.count()).select_from(overviews).where(overviews.c.patient == patient))
    assert_right(engine, [], patient, T0, T0 + 3 * MINUTE, 180)
