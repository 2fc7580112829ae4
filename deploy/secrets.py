"""Secrets of notification targets: from a variable or a file of their own, never from the settings themselves.

A target NAME takes LITEHEART_SECRET_<NAME> (upper case, '_' for '-'), or the content of its `secret_file`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from liteheart.errors import Misconfigured

OWN_VARIABLE: Final = "LITEHEART_SECRET_"
_TABLES: Final = ("notify.webhook", "notify.email", "notify.apprise")


def with_secrets(values: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The settings with each target as a table that holds its secret. Raises Misconfigured naming the target."""
    found = dict(values)
    for key in _TABLES:
        if key in found:
            found[key] = [_with_secret(target, key, environ) for target in _targets(found[key], key)]
    return found


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
    elif key != "notify.email":  # a mail server on this machine asks for none
        raise Misconfigured(where, f"is not set: {variable} or secret_file")
    return target
