"""The process's environment: read and changed here and nowhere else. Light to import, so that it can come first."""

import os
from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """All variables."""
    return os.environ


def calm_threads() -> None:
    """Call before numpy or torch load. OpenMP's spinning threads slow scoring 16-fold beside one busy neighbour."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
