"""What seals and opens: a patient's key as a cipher, and the master key that wraps such keys: AES-256-GCM."""

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from liteheart.errors import Conflict, Poison

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12


class Cipher:
    """Seals and opens with one patient's key. Thread-safe."""

    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, bound: bytes, plain: bytes) -> bytes:
        """A nonce, then the sealed bytes and their tag: 28 more than `plain`. `bound` is needed to open them."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, bound)

    def open(self, bound: bytes, sealed: bytes) -> bytes:
        """The inverse of `seal`. Raises Poison for bytes that were changed, or sealed elsewhere."""
        try:
            return self._aead.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
        except (InvalidTag, ValueError):
            raise Poison("sealed", "was changed, or sealed with another key or for another row") from None


class Vault:
    """Wraps keys with the master key, which it asks for when it first needs it."""

    def __init__(self, master: Callable[[], bytes | None]) -> None:
        """`master` gives 32 bytes, or None where no key is set."""
        self._source = master
        self._master: bytes | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a master key."""
        if self._master is None:
            self._master = self._source()
        return self._master is not None

    @property
    def fingerprint(self) -> str:
        """Tells keys apart, tells nothing of the key. Raises Conflict without one."""
        return hashlib.sha256(b"liteheart master" + self._key()).hexdigest()[:16]

    def wrap(self, patient: str, data_key: bytes) -> bytes:
        """The data key, for keeping."""
        return Cipher(self._key()).seal(b"key " + patient.encode(), data_key)

    def unwrap(self, patient: str, wrapped: bytes) -> bytes:
        """The data key. Raises Conflict for one that another master key wrapped."""
        try:
            return Cipher(self._key()).open(b"key " + patient.encode(), wrapped)
        except Poison:
            raise Conflict("identity", "was wrapped with another key than the one that is set") from None

    def _key(self) -> bytes:
        if not self.is_set or self._master is None:
            raise Conflict("identity", "no key is set: what is sealed can neither be kept nor read")
        return self._master
