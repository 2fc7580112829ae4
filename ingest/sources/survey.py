"""A recording for the archive: first looked through, then given as frames, both piece by piece, so that a day of a
fast Holter takes no more memory than a minute.

The integers are the file's own less its baseline, as `Recording.zero_based` has them. Only where they leave int16
once the baseline is off are they halved as often as it takes; `dropped_bits` tells.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from ingest.settings import IngestSettings
from ingest.sources.channel import Lead, Signals, same_clock
from ingest.sources.facts import Facts
from ingest.sources.recording import lead_index, name_of, open_signals
from ingest.sources.replay import lead_on_wire, runs
from ingest.validate import check_frame
from liteheart.clock import US_PER_S
from liteheart.errors import Poison, Unreadable
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Mask
from liteheart.wire import MAX_SAMPLES

FRAME_S: Final = 10.0
_PIECE: Final = 1 << 19  # samples read together, about
_INT16 = np.iinfo(np.int16)
_FACTS_VERSION: Final = 1  # of what the digest covers


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of one lead of a file once it was looked through."""

    path: Path
    name: str
    lead: str  # as frames carry it
    index: int
    fs_hz: float
    gain: float  # ADC units per millivolt of the frames
    n: int  # samples, missing ones included
    valid: int  # samples that are there
    dropped_bits: int
    digest: bytes  # SHA-256 of the signal and of what a header says about it
    facts: Facts

    @property
    def seconds(self) -> float:
        """Length, gaps included."""
        return self.n / self.fs_hz


def survey(path: Path, lead: str | None, settings: IngestSettings) -> Survey:
    """Look through one lead, by default I, II, MLII, else the first. Raises Unreadable, also for what no device may
    send either: a rate or a gain outside of the settings.
    """
    with open_signals(path) as signals:
        kept = same_clock(signals.leads)
        chosen = kept[lead_index(path, [signals.leads[i].name for i in kept], lead)]
        of = signals.leads[chosen]
        wire = lead_on_wire(of.name)
        start_us = signals.facts.start_us
        said = [_FACTS_VERSION, wire, of.fs_hz, abs(of.gain), of.n, start_us]
        seen, low, high, valid = hashlib.sha256(json.dumps(said).encode()), 0, 0, 0
        for _, values, invalid in _pieces(path, signals, chosen):
            seen.update(np.ascontiguousarray(values, "<i8").data)
            seen.update(np.packbits(invalid).data)
            low, high = min(low, int(values.min())), max(high, int(values.max()))
            valid += len(invalid) - int(invalid.sum())
    if not valid:
        raise Unreadable(path, f"has no sample of lead {of.name}")
    shift = _shift(low, high)
    gain = abs(of.gain) / (1 << shift)
    _check(path, of.fs_hz, gain, wire, settings)
    return Survey(path, name_of(path), wire, chosen, of.fs_hz, gain, of.n, valid, shift, seen.digest(), signals.facts)


def frames_of_file(known: Survey, patient: PatientId, device: DeviceId, t0_us: int, arrival_us: int) -> Iterator[Frame]:
    """Frames of `FRAME_S`, in order, cut at invalid samples; boot is 0 and sequences count from 0. Raises Unreadable.

    The same survey gives the same frames, so that storing them again changes nothing.
    """
    step, sequence = _step(known.fs_hz), 0
    with open_signals(known.path) as signals:
        for first, values, invalid in _pieces(known.path, signals, known.index):
            samples = _fitted(values, known.dropped_bits)
            for a, b in runs(~invalid, step):
                yield Frame(
                    patient=patient,
                    device=device,
                    boot=0,
                    sequence=sequence,
                    t0_us=t0_us + round((first + a) * US_PER_S / known.fs_hz),
                    fs_hz=known.fs_hz,
                    gain=known.gain,
                    lead=known.lead,
                    samples=samples[a:b],
                    arrival_us=arrival_us,
                )
                sequence += 1


def _pieces(path: Path, signals: Signals, index: int) -> Iterator[tuple[int, npt.NDArray[np.int64], Mask]]:
    """First sample, integers with 0 at 0 mV (0 where invalid), and which are invalid; a whole number of frames each."""
    lead = signals.leads[index]
    step = _step(lead.fs_hz)
    size = max(1, _PIECE // step) * step
    for a in range(0, lead.n, size):
        b = min(a + size, lead.n)
        adc, invalid = signals.read([index], a, b)[0]
        if len(adc) != b - a:
            raise Unreadable(path, f"holds {a + len(adc)} of {lead.n} samples")
        yield a, _zeroed(lead, adc.astype(np.int64), invalid), invalid


def _zeroed(lead: Lead, adc: npt.NDArray[np.int64], invalid: Mask) -> npt.NDArray[np.int64]:
    shifted = adc - round(lead.baseline)
    if lead.gain < 0:
        shifted = -shifted
    shifted[invalid] = 0
    return shifted


def _fitted(values: npt.NDArray[np.int64], shift: int) -> npt.NDArray[np.int16]:
    if shift == 0:
        return values.astype(np.int16)
    return np.clip(np.rint(values / (1 << shift)), _INT16.min, _INT16.max).astype(np.int16)


def _shift(low: int, high: int) -> int:
    shift = 0
    while (high >> shift) > _INT16.max or (low >> shift) < _INT16.min:
        shift += 1
    return shift


def _step(fs_hz: float) -> int:
    return max(1, min(round(FRAME_S * fs_hz), MAX_SAMPLES))


def _check(path: Path, fs_hz: float, gain: float, lead: str, settings: IngestSettings) -> None:
    one = Frame(PatientId("p"), DeviceId("d"), 0, 0, 0, fs_hz, gain, lead, np.zeros(1, np.int16))
    try:
        check_frame(one, 0, settings)
    except Poison as poison:
        raise Unreadable(path, f"{poison.field}: {poison.reason}") from None
