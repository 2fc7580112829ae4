"""A simulated patient as a stream of frames: one a second, without end."""

from collections.abc import Iterator, Sequence

import numpy as np

from ingest.sources.simulate.episode import Episode
from ingest.sources.simulate.synth import GAIN, Synth, to_adc
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame

_BATTERY_HOURS = 72.0  # from full to empty


class SimulatedPatient:
    """One patient with one wearable. The script repeats; seed and script settle every sample.

    Frames of a drop-out are counted by the device but never arrive, so that their sequence numbers are missing.
    """

    def __init__(
        self,
        patient: PatientId,
        script: Sequence[Episode],
        fs_hz: float = 250.0,
        seed: int = 0,
        *,
        device: DeviceId,
        boot: int,
        t0_us: int,
        lead: str = "I",
    ) -> None:
        self._patient, self._device, self._boot, self._t0_us, self._lead = patient, device, boot, t0_us, lead
        self._synth = Synth(script, fs_hz, seed)
        self._battery = 100 - seed % 60

    def frames(self) -> Iterator[Frame]:
        """Frames in order, from `t0_us` on. One caller only: the patient goes on where it was."""
        fs_hz = self._synth.fs_hz
        adc, off, missing = np.zeros(0, np.int16), np.zeros(0, np.bool_), np.zeros(0, np.bool_)
        first, sequence = 0, 0  # number of adc[0] since the start, and of the frame
        while True:
            a, b = round(sequence * fs_hz) - first, round((sequence + 1) * fs_hz) - first
            if b > len(adc):
                block = self._synth.block()
                adc = np.concatenate([adc[a:], to_adc(block.mv)])
                off = np.concatenate([off[a:], block.lead_off])
                missing = np.concatenate([missing[a:], block.missing])
                first += a
                continue
            if not missing[a:b].any():
                yield Frame(
                    patient=self._patient,
                    device=self._device,
                    boot=self._boot,
                    sequence=sequence,
                    t0_us=self._t0_us + round((first + a) * US_PER_S / fs_hz),
                    fs_hz=fs_hz,
                    gain=GAIN,
                    lead=self._lead,
                    samples=adc[a:b].copy(),
                    lead_off=bool(off[a:b].any()),
                    battery_pct=self._charge(sequence),
                )
            sequence += 1

    def _charge(self, seconds: int) -> int:
        """Percent; a battery that runs low is changed."""
        return 5 + (self._battery - 5 - int(seconds / 3600 / _BATTERY_HOURS * 100)) % 96
