"""Secrets: from a variable or a file of their own, never from the settings themselves, and never logged.

A notification target NAME takes LITEHEART_SECRET_<NAME> (upper case, '_' for '-'), or the content of its `secret_file`.
The key that patients' keys are wrapped with comes from LITEHEART_IDENTITY_KEY or the content of `identity_key_file`: 32
random bytes as base64 or hex. The embedded system makes its own in the data folder when it first needs one.
"""

import base64
import binascii
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from liteheart.errors import Misconfigured

OWN_VARIABLE: Final = "LITEHEART_SECRET_"
KEY_BYTES: Final = 32
KEY_FILE: Final = "identity.key"
_TABLES: Final = ("notify.webhook", "notify.email", "notify.apprise", "notify.mllp")


def with_secrets(values: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings with each target as a table that holds its secret. Raises Misconfigured naming the target."""
    found = dict(values)
    for key in _TABLES:
        if key in found:
            found[key] = [_with_secret(target, key, environ) for target in _targets(found[key], key)]
    return _with_identity_key(found, environ)


def parse_key(text: str) -> bytes:
    """32 bytes from base64 or hex. Raises Misconfigured, which does not tell what it was given."""
    text = text.strip()
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise Misconfigured("identity_key", f"must be {KEY_BYTES} bytes in base64: openssl rand -base64 {KEY_BYTES}")
    return key


def master_key(folder: Path, key: str | None, *, embedded: bool) -> bytes | None:
    """The key that was set, else the embedded system's own in `folder`, else None."""
    if key is not None:
        return parse_key(key)
    return own_key(folder) if embedded else None


def own_key(folder: Path) -> bytes:
    """The key in `folder`, made there at the first call, for its owner's eyes alone. Raises Misconfigured."""
    path = folder / KEY_FILE
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            made = folder / f".{KEY_FILE}.{os.getpid()}.{secrets.token_hex(4)}"
            with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(made, path)  # of two that make one at once, one's holds, and it is never half a key
            except FileExistsError:
                pass
            finally:
                made.unlink()
        return parse_key(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured("identity_key_file", f"{path} cannot be used ({type(error).__name__})") from None


def _with_identity_key(values: dict[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    file = values.pop("identity_key_file", None)
    if "identity_key" in values and "LITEHEART_IDENTITY_KEY" not in environ:
        raise Misconfigured("identity_key", "does not belong into the settings: set the variable or identity_key_file")
    if file is not None and "identity_key" not in values:
        try:
            values["identity_key"] = Path(file).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured("identity_key_file", f"{file} cannot be read ({type(error).__name__})") from None
    if "identity_key" in values:
        parse_key(values["identity_key"])
    return values


def _targets(value: Any, key: str) -> list[dict[str, Any]]:
    """Tables of a TOML file, or a variable that holds JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except ValueError as error:
            raise Misconfigured(key, f"is not JSON: {error}") from None
    if not isinstance(value, list) or not all(isinstance(target, dict) for target in value):
        raise Misconfigured(key, f"must be a list of tables: [[{key}]], or JSON in a variable")
    return list(value)


def _with_secret(target: Mapping[str, Any], key: str, environ: Mapping[str, str]) -> dict[str, Any]:
    target = dict(target)
    name = str(target.get("name", ""))
    where = f"notify.{name or '?'}.secret"
    variable = OWN_VARIABLE + name.upper().replace("-", "_")
    if "secret" in target:
        raise Misconfigured(where, f"does not belong into the settings: set {variable} or secret_file")
    file = target.pop("secret_file", None)
    if variable in environ:
        target["secret"] = environ[variable]
    elif file is not None:
        try:
            target["secret"] = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"{where}_file", f"{file} cannot be read ({type(error).__name__})") from None
    elif key not in ("notify.email", "notify.mllp"):  # a mail server on this machine asks for none, MLLP knows none
        raise Misconfigured(where, f"is not set: {variable} or secret_file")
    return target
