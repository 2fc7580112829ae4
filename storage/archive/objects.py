"""Payloads of blocks as objects in a folder or an S3-compatible store, each under the SHA-256 of its bytes.

The object is written before the row that names it and deleted after it: a crash leaves an object that no row names,
never a row without its object. Such orphans are swept.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store

from liteheart.clock import US_PER_S
from liteheart.errors import Misconfigured, Poison, Retryable

if TYPE_CHECKING:
    from obstore.store import RetryConfig

PREFIX: Final = "blocks"
_NAME: Final = 64  # hex digits
_RETRY: "Final[RetryConfig]" = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}  # a screen waits


class Objects(Protocol):
    """Where payloads lie outside of the database."""

    def put(self, content: bytes) -> str:
        """Keep it durably; its name, which is that of its content."""
        ...

    def get(self, name: str) -> bytes:
        """What was kept. Raises Poison when it is gone or was changed, Retryable when the store does not answer."""
        ...

    def delete(self, name: str) -> None:
        """Let it go; nothing happens when it is gone."""
        ...

    def names(self, older_than_us: int) -> Iterator[str]:
        """Of objects that were written before that time."""
        ...


class ObjectShelf:
    """`Objects` through obstore. Thread-safe."""

    def __init__(self, store: ObjectStore, folder: str | None = None) -> None:
        """`folder` is where a local store lies, None for one over the network."""
        self._store, self._folder = store, folder

    def put(self, content: bytes) -> str:
        """Keep it; on disk on return where it is a folder."""
        name = hashlib.sha256(content).hexdigest()
        with _translating():
            self._store.put(_path(name), content)
        if self._folder is not None:
            _sync(os.path.join(self._folder, _path(name)))
        return name

    def get(self, name: str) -> bytes:
        """What was kept under the name."""
        try:
            with _translating():
                content = bytes(self._store.get(_path(name)).bytes())
        except FileNotFoundError:
            raise Poison("object", f"{name} is not in the object store") from None
        if hashlib.sha256(content).hexdigest() != name:
            raise Poison("object", f"{name} was changed in the object store")
        return content

    def delete(self, name: str) -> None:
        """Let it go."""
        try:
            with _translating():
                self._store.delete(_path(name))
        except FileNotFoundError:
            pass

    def names(self, older_than_us: int) -> Iterator[str]:
        """All that were written before that time, some at once."""
        with _translating():
            for some in self._store.list(PREFIX):
                for found in some:
                    name = found["path"].rpartition("/")[2]  # some stores list folders too
                    if len(name) == _NAME and found["last_modified"].timestamp() * US_PER_S < older_than_us:
                        yield name


def open_objects(where: str) -> ObjectShelf:
    """A folder, or s3://BUCKET[/PREFIX], whose credentials come from the usual AWS variables. Raises Misconfigured."""
    try:
        if where.startswith("s3://"):
            return ObjectShelf(S3Store.from_url(where, retry_config=_RETRY))
        if "://" in where:
            raise Misconfigured("archive.store", f"{where!r} is neither a folder nor s3://BUCKET/PREFIX")
        return ObjectShelf(LocalStore(where, mkdir=True), os.path.abspath(where))
    except BaseError as error:
        raise Misconfigured("archive.store", f"{where}: {error}") from None


def _path(name: str) -> str:
    return f"{PREFIX}/{name[:2]}/{name}"


def _sync(path: str) -> None:
    """Make a file and its name durable: the store writes and renames, and leaves the rest to the system."""
    for target in (path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
        fd = os.open(target, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def _translating() -> Iterator[None]:
    """Errors of the store as verbs; that something is not there stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except BaseError as error:
        raise Retryable(f"object store: {str(error).splitlines()[0][:200]}") from error
