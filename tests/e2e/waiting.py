"""What every journey does: wait until something has become so."""

import time
from collections.abc import Callable
from typing import Any


def until(true: Callable[[], Any], timeout_s: float = 15.0) -> None:
    """Wait for `true` to become so; AssertionError when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
