"""What may not enter, and the field that is named."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.settings import IngestSettings, KafkaSettings
from ingest.validate import check_frame, frame_from_json
from liteheart.errors import Misconfigured, Poison
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame

S = 1_000_000
NOW = 1_700_000_000 * S
SETTINGS = IngestSettings()
GOOD: dict[str, Any] = {
    "patient": "p-1",
    "device": "d-1",
    "boot": 3,
    "sequence": 7,
    "t0_us": NOW,
    "fs_hz": 250,
    "gain": 1000.0,
    "lead": "I",
    "samples": [0, -32768, 32767],
}


def frame(**change: Any) -> Frame:
    values: dict[str, Any] = {
        "patient": PatientId("p-1"),
        "device": DeviceId("d-1"),
        "boot": 1,
        "sequence": 1,
        "t0_us": NOW,
        "fs_hz": 250.0,
        "gain": 1000.0,
        "lead": "I",
        "samples": np.ones(250, np.int16),
    }
    return Frame(**(values | change))


def test_a_sound_frame_passes() -> None:
    for good in (
        frame(),
        frame(battery_pct=100),
        frame(samples=np.ones(60 * 250, np.int16)),
        frame(t0_us=NOW + 300 * S),
        frame(t0_us=NOW - 7 * 86_400 * S),
        frame(fs_hz=50.0),
        frame(fs_hz=2000.0),
    ):
        check_frame(good, NOW, SETTINGS)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        *(("fs_hz", {"fs_hz": v}) for v in (math.nan, math.inf, -math.inf, 0.0, -250.0, 49.9, 2000.1)),
        *(("gain", {"gain": v}) for v in (math.nan, math.inf, 0.0, -1000.0, 0.5, 1e9)),
        ("samples", {"samples": np.zeros(0, np.int16)}),
        ("samples", {"samples": np.zeros(60 * 250 + 1, np.int16)}),
        ("battery_pct", {"battery_pct": 101}),
        ("battery_pct", {"battery_pct": 254}),
        ("t0_us", {"t0_us": NOW + 300 * S + 1}),
        ("t0_us", {"t0_us": NOW - 7 * 86_400 * S - 1}),
        ("t0_us", {"t0_us": 0}),
        ("t0_us", {"t0_us": (1 << 63) - 1}),
        ("t0_us", {"t0_us": -(1 << 63)}),
    ],
)
def test_an_unsound_frame_is_refused_by_field(field: str, change: dict[str, Any]) -> None:
    with pytest.raises(Poison) as caught:
        check_frame(frame(**change), NOW, SETTINGS)
    assert caught.value.field == field


def test_json_units_and_millivolts() -> None:
    units = frame_from_json(GOOD | {"battery_pct": 255, "lead_off": True, "firmware": "9"})
    assert units.samples.dtype == np.int16
    assert units.samples.tolist() == [0, -32768, 32767]
    assert (units.battery_pct, units.lead_off, units.arrival_us) == (None, True, 0)
    without = {k: v for k, v in GOOD.items() if k not in {"samples", "gain"}}
    volts = frame_from_json(without | {"mv": [0.0, 1, -1.2345, 0.0004]})
    assert volts.gain == 1000.0
    assert volts.samples.tolist() == [0, 1000, -1234, 0]
    assert frame_from_json(without | {"mv": [0.5], "gain": 200}).samples.tolist() == [100]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        *((name, {name: ...}) for name in GOOD if name != "samples"),
        *(("patient", {"patient": v}) for v in (None, 5, "", "a b", "x" * 65, "Jörg", ["p"])),
        *(("boot", {"boot": v}) for v in (-1, 1 << 63, True, 1.0, "1", None)),
        *(("sequence", {"sequence": v}) for v in (-1, 1 << 63, False)),
        *(("t0_us", {"t0_us": v}) for v in (1 << 70, 1.5e15, "now")),
        *(("fs_hz", {"fs_hz": v}) for v in (math.nan, math.inf, "250", True, None, 10**400)),
        *(("gain", {"gain": v}) for v in (math.nan, "1", True)),
        *(("samples", {"samples": v}) for v in ([1.0], [True], ["1"], [None], [32768], [-32769], [10**30], "ab", {})),
        *(("battery_pct", {"battery_pct": v}) for v in (101, -1, "50", 5.0, True)),
        ("lead_off", {"lead_off": 1}),
        ("samples", {"mv": [1.0]}),
        ("samples", {"samples": ...}),
    ],
)
def test_json_is_refused_by_field(field: str, change: dict[str, Any]) -> None:
    document = {k: v for k, v in (GOOD | change).items() if v is not ...}
    with pytest.raises(Poison) as caught:
        frame_from_json(document)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "values", [[math.nan], [math.inf], ["0.1"], [True], [None], [32.768], [-40.0], [1e308], [10**400], 1.0, [[1.0]]]
)
def test_millivolts_that_cannot_be_kept_are_refused(values: object) -> None:
    with pytest.raises(Poison) as caught:
        frame_from_json({k: v for k, v in GOOD.items() if k not in {"samples", "gain"}} | {"mv": values})
    assert caught.value.field == "mv"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(document=JSON | st.dictionaries(st.sampled_from([*GOOD, "mv", "battery_pct", "lead_off"]), JSON))
def test_no_json_whatever_raises_anything_but_poison(document: object) -> None:
    for candidate in (document, GOOD | document if isinstance(document, dict) else document):
        try:
            made = frame_from_json(candidate)
        except Poison:
            continue
        assert made.samples.dtype == np.int16
        assert json.dumps(made.patient)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("reorder_s", -1.0),
        ("ring_s", 12.0),
        ("window_s", 0.0),
        ("window_s", math.nan),
        ("hop_s", 0.33),
        ("hop_s", 11.0),
        ("fs_min_hz", 3000.0),
        ("gain_min", math.inf),
        ("max_body_bytes", 0),
        ("max_body_bytes", 10.5),
        ("max_frames_per_body", True),
        ("max_ahead_s", "300"),
    ],
)
def test_a_bad_setting_is_named(key: str, value: Any) -> None:
    with pytest.raises(Misconfigured) as caught:
        IngestSettings(**{key: value})
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("bootstrap", " "),
        ("compression", "lzma"),
        ("linger_ms", -1),
        ("max_pending_bytes", 0),
        ("security_protocol", "TLS"),
    ],
)
def test_a_bad_kafka_setting_is_named(key: str, value: Any) -> None:
    with pytest.raises(Misconfigured) as caught:
        KafkaSettings(**{key: value})
    assert caught.value.key == key


def test_sasl_needs_a_user() -> None:
    with pytest.raises(Misconfigured, match="sasl_mechanism"):
        KafkaSettings(security_protocol="SASL_SSL")
