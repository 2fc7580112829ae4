"""Errors are verbs: what the caller should do about them. The docstring is what an operator reads."""


class LiteHeartError(Exception):
    """Something went wrong that the program itself can name."""


class Retryable(LiteHeartError):
    """A service did not answer; the same work is tried again after `delay_s`."""

    def __init__(self, message: str, *, delay_s: float = 1.0) -> None:
        super().__init__(message)
        self.delay_s = delay_s


class Poison(LiteHeartError):
    """This input can never be processed; it is set aside with `field` and `reason`, and the worker goes on."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Conflict(LiteHeartError):
    """As things stand this cannot be done; change what `field` and `reason` name, then ask again."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Misconfigured(LiteHeartError):
    """A setting is missing or wrong; the program stops and names the key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class Unreadable(LiteHeartError):
    """A recording cannot be read; the message names the file and the reason."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
