"""A folder that is there whole or not at all: written beside its place, with sums of every file, then renamed.

    OUT.part/  files, manifest.json, SHA256SUMS  --all on disk--> OUT/

What broke off stays as OUT.part and is thrown away by the next export to OUT: the numbers of its patients are gone
with the process that drew them, and half an export must not be finished under other ones.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from liteheart.errors import Conflict, Misconfigured

MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"


class Folder:
    """The folder while it is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sums: dict[str, tuple[int, str]] = {}  # relative name: bytes, SHA-256

    def keep(self, *paths: Path) -> None:
        """These files are complete: bring them to the disk and sum them up."""
        for path in paths:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            self.sums[path.relative_to(self.path).as_posix()] = (path.stat().st_size, digest)

    def finish(self, manifest: Mapping[str, Any]) -> str:
        """Write the manifest with all files, and the sums; the manifest's own SHA-256."""
        files = [{"path": name, "bytes": n, "sha256": digest} for name, (n, digest) in sorted(self.sums.items())]
        listed = self.path / MANIFEST
        listed.write_text(json.dumps(dict(manifest) | {"files": files}, indent=1) + "\n", encoding="utf-8")
        self.keep(listed)
        sums = self.path / SUMS
        sums.write_text("".join(f"{d}  {name}\n" for name, (_, d) in sorted(self.sums.items())), encoding="utf-8")
        with sums.open("rb") as file:
            os.fsync(file.fileno())
        return self.sums[MANIFEST][1]


@contextmanager
def new_folder(out: Path) -> Iterator[Folder]:
    """A folder that becomes `out` when the block ends well, and vanishes when it does not.

    Raises Misconfigured when `out` is there already or cannot be made, Conflict when another export is writing it.
    """
    part = out.with_name(out.name + ".part")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Misconfigured("--out", f"{out} is there already and not empty")
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(part.with_name(f".{part.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Misconfigured("--out", f"{out} cannot be made ({error.strerror})") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("--out", f"another export is writing {out}") from None
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        try:
            yield Folder(part)
            part.rename(out)
            _settle(out.absolute().parent)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            part.with_name(f".{part.name}.lock").unlink(missing_ok=True)
    finally:
        os.close(lock)


@contextmanager
def new_file(out: Path, mode: int = 0o600) -> Iterator[Path]:
    """A file to write that takes the place of `out` when the block ends well. Raises Misconfigured if `out` exists."""
    if out.exists():
        raise Misconfigured("--out", f"{out} is there already")
    part = out.with_name(out.name + ".part")
    try:
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode))
    except OSError as error:
        raise Misconfigured("--out", f"{out} cannot be made ({error.strerror})") from error
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.rename(out)
        _settle(out.absolute().parent)
    finally:
        part.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """A rename survives a power cut only when its folder is on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
