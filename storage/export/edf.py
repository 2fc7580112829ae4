"""EDF+C by `edfio`: the digital integers as they are, findings and alarms as annotations, one file a recording.

EDF has no number of samples, only whole data records, and eight characters for a number. So the record is made as long
as divides the recording, where nothing does (a large prime) the rest goes into a second file, and the exact gain and
rate stand in the header's field for the recording.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from liteheart.errors import Poison
from liteheart.signal import Samples
from storage.export.tape import Mark, Tape

if TYPE_CHECKING:
    from edfio import EdfSignal

MOST_SAMPLES: Final = 30_000  # of a data record: 61,440 bytes at most, less what annotations take
_FINE: Final = 1e-9  # a rate that is this near is exact
_DIGITAL: Final = (-32768, 32767)
_UNITS: Final = (("mV", 1.0), ("uV", 1e3), ("nV", 1e6))
_SEX: Final[dict[str, Literal["F", "M"]]] = {"female": "F", "male": "M"}
_DATES: Final = (1985, 2084)


def write_edf(folder: Path, name: str, tape: Tape) -> list[Path]:
    """NAME.edf, and NAME-rest.edf where the length has no fitting divisor."""
    samples, marks = tape.samples, tape.marks
    whole = len(samples)
    if record_samples(whole, tape.fs_hz) is None:
        whole -= whole % round(tape.fs_hz)
    path = folder / f"{name}.edf"
    _write(path, tape, samples[:whole], marks)
    if whole == len(samples):
        return [path]
    rest, seconds = folder / f"{name}-rest.edf", whole / tape.fs_hz
    begin = None if tape.begin is None else tape.begin + dt.timedelta(seconds=seconds)
    later = [replace(m, t_s=m.t_s - seconds) for m in marks if m.t_s >= seconds]
    _write(rest, replace(tape, begin=begin, offset_s=tape.offset_s + seconds), samples[whole:], later)
    return [path, rest]


def record_samples(count: int, fs_hz: float) -> int | None:
    """How many samples a data record takes so that records of equal length hold `count`; None: nothing fits.

    Of the divisors, the one whose duration eight characters hold best, and then the one nearest to a second.
    """
    fitting = [n for n in _divisors(count) if n <= MOST_SAMPLES and (n >= fs_hz / 4 or n == count)]
    if not fitting:
        return None
    return min(fitting, key=lambda n: (_rate_error(n, fs_hz), abs(np.log(n / fs_hz))))


def _divisors(count: int) -> set[int]:
    small = [k for k in range(1, int(count**0.5) + 1) if count % k == 0]
    return {*small, *(count // k for k in small)}


def _rate_error(n: int, fs_hz: float) -> float:
    error = abs(n / _duration(n, fs_hz) / fs_hz - 1)
    return 0.0 if error < _FINE else error


def _duration(n: int, fs_hz: float) -> float:
    """Seconds of a record as eight characters hold them."""
    return float(_eight(n / fs_hz))


def _eight(value: float) -> str:
    """The nearest number of at most eight characters."""
    whole = len(str(int(abs(value)))) + (value < 0)
    text = f"{value:.{max(0, 7 - whole)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _write(path: Path, tape: Tape, samples: Samples, marks: Sequence[Mark]) -> None:
    from edfio import Edf, EdfAnnotation, Patient, Recording  # slow to import, and most exports are others

    n = record_samples(len(samples), tape.fs_hz)
    if n is None:
        raise Poison("samples", f"EDF has no data record for {len(samples)} samples at {tape.fs_hz:g} Hz")
    begin = tape.begin if tape.begin is not None and _DATES[0] <= tape.begin.year <= _DATES[1] else None
    edf = Edf(
        [_signal(tape, samples, n)],
        patient=Patient(
            code=tape.subject,
            sex=_SEX.get(tape.sex, "X"),
            additional=() if tape.age is None else (f"age={tape.age}",),
        ),
        recording=Recording(
            startdate=None if begin is None else begin.date(),
            additional=(f"gain={tape.gain!r}", f"fs={tape.fs_hz!r}"),
        ),
        starttime=dt.time() if begin is None else begin.time(),
        data_record_duration=_duration(n, tape.fs_hz),
        annotations=[EdfAnnotation(round(m.t_s, 6), m.duration_s, m.text) for m in marks],
    )
    edf.write(path)


def _signal(tape: Tape, samples: Samples, n: int) -> "EdfSignal":
    """In the unit whose eight characters come nearest to gain and zero."""
    from edfio import EdfSignal

    def made(digital: Samples, unit: str, per_mv: float) -> EdfSignal:
        low, high = (float(_eight(d / tape.gain * per_mv)) for d in _DIGITAL)
        return EdfSignal.from_digital(
            digital,
            n / _duration(n, tape.fs_hz),
            label=f"ECG {tape.lead}"[:16],
            transducer_type=f"device {tape.device}",
            physical_dimension=unit,
            physical_range=(low, high),
            digital_range=_DIGITAL,
        )

    def error(choice: tuple[str, float]) -> float:
        """Of the worst sample, in ADC units."""
        signal = made(np.zeros(1, np.int16), *choice)
        per_unit = tape.gain / choice[1]
        ends = ((signal.physical_min, _DIGITAL[0]), (signal.physical_max, _DIGITAL[1]))
        return max(abs(physical * per_unit - digital) for physical, digital in ends)

    fitting = [choice for choice in _UNITS if max(map(abs, _DIGITAL)) / tape.gain * choice[1] < 9e6]
    if not fitting:
        raise Poison("gain", f"EDF cannot calibrate {tape.gain:g} units per mV")
    return made(np.ascontiguousarray(samples, np.int16), *min(fitting, key=error))
