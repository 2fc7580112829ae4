"""A token as Mosquitto's password file wants it, so that the broker can tell devices without asking us."""

import base64
import hashlib
import secrets
from typing import Final

_ROUNDS: Final = 101  # Mosquitto's own; it checks every sign-in with as many, and 256 random bits need no slow hash
_SALT_BYTES: Final = 12  # Mosquitto 2.0 refuses any other length


def mosquitto_hash(token: str, salt: bytes | None = None) -> str:
    """`$7$rounds$salt$hash`: PBKDF2-HMAC-SHA512 of the UTF-8 token, salt and 64-byte hash in base64.

    The layout of `mosquitto_passwd` 2.0 (mosquitto_passwd(1), -H sha512-pbkdf2). `salt` of 12 bytes; None draws one.
    """
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    if len(salt) != _SALT_BYTES:
        raise ValueError(f"salt: {len(salt)} bytes, not {_SALT_BYTES}")
    digest = hashlib.pbkdf2_hmac("sha512", token.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
