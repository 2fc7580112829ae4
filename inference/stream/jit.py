"""How the beat path is compiled: once a machine, kept on disk, and never stale.

Numba keys its cache by the file of each function alone, so a change in a function that another file calls would go
unseen. Here the folder is named after the digest of all files of this package.
"""

import hashlib
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
_HERE = Path(__file__).parent
_MATH = {"reassoc", "contract", "nsz", "arcp", "nnan"}  # sums may be reordered; no kernel but `strict` ones meets a NaN


def compiled(function: F) -> F:
    """`function` as machine code that needs no interpreter lock; kept on disk where a folder can be written."""
    return _compiled(function, _MATH)


def strict(function: F) -> F:
    """The same for a function that looks at samples as they come, NaN and infinite ones too."""
    return _compiled(function, set())


def _compiled(function: F, math: set[str]) -> F:
    before = _config.CACHE_DIR
    _config.CACHE_DIR = _folder()
    try:
        return cast("F", _njit(function, cache=bool(_config.CACHE_DIR), nogil=True, fastmath=math, error_model="numpy"))
    finally:
        _config.CACHE_DIR = before


@lru_cache(maxsize=1)
def _folder() -> str:
    """Where the code is kept, empty when nowhere."""
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(_HERE.glob("*.py")))).hexdigest()[:16]
    for folder in (_HERE / "__pycache__", Path.home() / ".cache" / "liteheart"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return str(folder / digest)
        except OSError:
            continue
    log.warning("compiled code cannot be kept: each start compiles anew")
    return ""
