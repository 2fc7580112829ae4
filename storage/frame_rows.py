"""Frames to rows of `frames` and back, their samples sealed with the patient's key where there is one."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from liteheart.errors import Conflict
from liteheart.ids import DeviceId, PatientId
from liteheart.signal import Frame, Samples
from storage.codec import Packer, Unpacker
from storage.keys import Keyring
from storage.rows import Row
from storage.vault import Cipher

SEALED: Final = 256  # added to the codec of a sealed payload


def frame_rows(frames: Iterable[Frame], ciphers: Mapping[str, Cipher]) -> list[Row]:
    """Rows of `frames`, in the order of their key; sealed for those patients of whom there is a cipher."""
    packer = Packer()
    return [frame_row(f, packer, ciphers.get(f.patient)) for f in sorted(frames, key=lambda f: f.key)]


def frame_row(frame: Frame, packer: Packer, cipher: Cipher | None = None) -> Row:
    """A row of `frames`."""
    codec, payload = packer.pack(frame.samples)
    if cipher is not None:
        codec, payload = codec | SEALED, cipher.seal(_bound(frame), payload)
    return {
        "device": frame.device,
        "boot": frame.boot,
        "sequence": frame.sequence,
        "patient": frame.patient,
        "t0_us": frame.t0_us,
        "t1_us": frame.t1_us,
        "arrival_us": frame.arrival_us,
        "fs_hz": float(frame.fs_hz),
        "gain": float(frame.gain),
        "lead": frame.lead,
        "lead_off": bool(frame.lead_off),
        "battery_pct": frame.battery_pct,
        "n": len(frame.samples),
        "codec": codec,
        "payload": payload,
    }


class Opener:
    """Unpacks stored samples. Not for two threads at once: make one for each reading."""

    def __init__(self, keys: Keyring | None) -> None:
        self._keys = keys
        self._unpacker: Unpacker | None = None  # made when there is something to unpack

    def samples(self, row: Any) -> Samples:
        """int16 [n] of a row of `frames`. Raises Poison when they are damaged, Conflict without their key."""
        codec, payload = row.codec, row.payload
        if codec & SEALED:
            codec, payload = codec & ~SEALED, self.cipher(row.patient).open(_bound(row), bytes(payload))
        if self._unpacker is None:
            self._unpacker = Unpacker()
        return self._unpacker.unpack(codec, payload, row.n)

    def cipher(self, patient: str) -> Cipher:
        """What opens what is sealed of a patient's. Raises Conflict without the key."""
        if self._keys is None:
            raise Conflict("key", f"the signal of {patient} is sealed, and no key is set")
        return self._keys.reading(patient)


def row_frame(row: Any, opener: Opener) -> Frame:
    """The frame that was stored. Raises Poison when its samples are damaged, Conflict without their key."""
    return Frame(
        patient=PatientId(row.patient),
        device=DeviceId(row.device),
        boot=row.boot,
        sequence=row.sequence,
        t0_us=row.t0_us,
        fs_hz=row.fs_hz,
        gain=row.gain,
        lead=row.lead,
        samples=opener.samples(row),
        arrival_us=row.arrival_us,
        lead_off=row.lead_off,
        battery_pct=row.battery_pct,
    )


def _bound(frame: Any) -> bytes:
    """What a sealed payload is bound to: whose it is and which frame. Identifiers hold no blank."""
    return f"frame {frame.patient} {frame.device} {frame.boot} {frame.sequence}".encode()
