"""Small folders of WFDB records in the layouts of the published databases, with hearts we made ourselves."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
Floats = npt.NDArray[np.float64]


def heart(seed: int = 0, *, fs_hz: float = 500, seconds: float = 10) -> Floats:
    """Twelve leads [12, n] of about 1 mV from three electrodes and six of the chest, 70 beats a minute."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(fs_hz * seconds)) / fs_hz
    phase = (t + rng.random()) % 0.857

    def wave(at: float, width: float) -> Floats:
        return np.asarray(np.exp(-(((phase - at) / width) ** 2)), np.float64)

    p, q, r, s, w = wave(0.2, 0.03), wave(0.33, 0.01), wave(0.36, 0.012), wave(0.39, 0.012), wave(0.6, 0.05)
    one = 0.1 * p - 0.1 * q + 0.8 * r - 0.15 * s + 0.2 * w
    two = 0.15 * p - 0.05 * q + 1.1 * r - 0.3 * s + 0.3 * w
    chest = [0.1 * p + a * r - b * s + 0.2 * w for a, b in ((0.2, 0.9), (0.4, 1.3), (0.8, 1), (1.2, 0.6), (1.2, 0.3))]
    six = 0.1 * p - 0.1 * q + 0.9 * r - 0.1 * s + 0.2 * w
    noise = 0.01 * rng.standard_normal((8, len(t)))
    one, two = one + noise[0], two + noise[1]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limbs, *(c + n for c, n in zip([*chest, six], noise[2:], strict=True))])


class Bench:
    """Writes records of the Challenge's kind into a folder: a MATLAB 4 matrix behind a text header."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(
        self,
        name: str,
        mv: Floats,
        *,
        fs_hz: float = 500,
        header_gain: float = 1000,
        written_gain: float = 1000,
        leads: Sequence[str] = TWELVE,
        dx: str | None = "426783006",
        age: str = "57",
        sex: str = "Male",
        spaced: bool = False,
        under: str = "",
    ) -> Path:
        """The header's path. `written_gain` scales the integers, `header_gain` is what the header claims."""
        folder = self.folder / under
        folder.mkdir(parents=True, exist_ok=True)
        adc = np.where(np.isfinite(mv), np.rint(np.nan_to_num(mv) * written_gain), -32768).astype("<i2")
        matrix = np.array([30, *adc.shape, 0, 4], "<i4").tobytes() + b"val\0"
        (folder / f"{name}.mat").write_bytes(matrix + adc.T.tobytes())
        hash_ = "# " if spaced else "#"
        lines = [f"{name} {len(adc)} {fs_hz:g} {adc.shape[1]}"]
        lines += [
            f"{name}.mat 16+24 {header_gain:g}/mV 16 0 {row[0]} 0 0 {lead}"
            for row, lead in zip(adc, leads, strict=True)
        ]
        lines += [f"{hash_}Age: {age}", f"{hash_}Sex: {sex}"]
        if dx is not None:
            lines.append(f"{hash_}Dx: {dx}")
        header = folder / f"{name}.hea"
        header.write_text("\n".join([*lines, f"{hash_}Rx: Unknown", ""]), encoding="ascii")
        return header

    def ptbxl_table(self, rows: Sequence[tuple[int, int, int, str]], under: str = "") -> Path:
        """`ptbxl_database.csv` with (ecg, patient, fold, statements); men of 300 years, as the set writes over 89."""
        text = ["ecg_id,patient_id,age,sex,height,scp_codes,strat_fold"]
        text += [f'{ecg},{patient}.0,300.0,0,,"{codes}",{fold}' for ecg, patient, fold, codes in rows]
        (self.folder / under).mkdir(parents=True, exist_ok=True)
        path = self.folder / under / "ptbxl_database.csv"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A writer of records in an empty folder."""
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def hearts() -> list[Floats]:
    """Four different ten-second hearts at 500 Hz."""
    return [heart(seed) for seed in range(4)]
