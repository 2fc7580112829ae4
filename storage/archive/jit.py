"""How the codec's loops are compiled: once a machine, kept on disk where a folder can be written.

Numba keys its cache by the file of each function alone: none calls one of another file, so none goes stale.
"""

import logging
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import config, njit

log = logging.getLogger(__name__)
_config: Any = config  # numba declares neither its settings nor functions that keep their type
_njit: Any = njit

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """`function` as machine code that needs no interpreter lock. Integers only: the same bits on every machine."""
    before = _config.CACHE_DIR
    _config.CACHE_DIR = _folder()
    try:
        return cast("F", _njit(function, cache=bool(_config.CACHE_DIR), nogil=True, error_model="numpy"))
    finally:
        _config.CACHE_DIR = before


@lru_cache(maxsize=1)
def _folder() -> str:
    """Where the code is kept, empty when nowhere."""
    for folder in (Path(__file__).parent / "__pycache__", Path.home() / ".cache" / "liteheart"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder / "numba")
        except OSError:
            continue
    log.warning("compiled code cannot be kept: each start compiles anew")
    return ""
