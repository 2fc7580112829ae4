"""A simulated patient in twelve leads, for pictures: the heart of `ingest.sources.simulate`, seen from eight places."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from ingest.sources.simulate import Episode, Morphology, simulate

FS_HZ: Final = 250.0
SECONDS: Final = 10
# Heights of a healthy adult's P, Q, R, S and T waves and of a ventricular beat from the right, as shares of lead I's
# P, R, R, R, T and main deflection; order and signs as in any textbook's normal ECG.
_SEEN: Final = {
    "I": (1.0, -0.07, 1.0, -0.08, 1.0, 1.0),
    "II": (1.5, -0.1, 1.5, -0.2, 1.4, -0.5),
    "V1": (0.6, 0.0, 0.35, -1.3, -0.3, -1.4),
    "V2": (0.7, 0.0, 0.7, -1.9, 2.0, -1.6),
    "V3": (0.8, 0.0, 1.2, -1.2, 2.0, -0.9),
    "V4": (0.9, -0.08, 2.0, -0.6, 1.7, 0.5),
    "V5": (0.9, -0.12, 1.9, -0.25, 1.4, 1.1),
    "V6": (0.8, -0.12, 1.5, -0.1, 1.1, 1.2),
}


def simulate_twelve(script: list[Episode], seed: int) -> npt.NDArray[np.float32]:
    """float32 [12, 2500] mV at 250 Hz, I II III aVR aVL aVF V1-V6: the last 10 s of `script`, at least as long.

    The same beats in every lead; muscle noise is each lead's own.
    """
    base = Morphology.drawn(np.random.default_rng(seed).spawn(1)[0])
    rng = np.random.default_rng(seed + 1)
    seen = {}
    for lead, (p, q, r, s, t, v) in _SEEN.items():
        own = replace(
            base,
            p_mv=p * base.p_mv,
            q_mv=q * base.r_mv,
            r_mv=r * base.r_mv,
            s_mv=s * base.r_mv,
            slur_mv=r * base.slur_mv,
            t_mv=t * base.t_mv,
            v_mv=v * abs(base.v_mv),
        )
        mv = simulate(script, FS_HZ, seed, morphology=own).mv[-round(SECONDS * FS_HZ) :]
        seen[lead] = mv + rng.normal(0, 0.008, len(mv)).astype(np.float32)
    one, two = seen["I"], seen["II"]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.stack([*limbs, *(seen[f"V{i}"] for i in range(1, 7))]).astype(np.float32)
