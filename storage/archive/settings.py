"""Settings of the archive, validated at birth."""

from dataclasses import dataclass

from liteheart.errors import Misconfigured


@dataclass(frozen=True, slots=True)
class ArchiveSettings:
    """When frames become blocks, and where these lie. Raises Misconfigured naming the key that is wrong."""

    store: str | None = None  # payloads in the database; or a folder, or s3://BUCKET/PREFIX
    settle_s: float = 1800.0  # frames that arrived so long ago are compacted; what comes later makes a block of its own
    blocks: int = 16  # at most in one step, about 10 ms each
    orphan_s: float = 86_400.0  # an object that no row names is deleted when it is so old

    def __post_init__(self) -> None:
        if self.settle_s < 60:
            raise Misconfigured("archive.settle_s", "must be a minute or more: overviews are made from hot frames")
        if self.blocks < 1:
            raise Misconfigured("archive.blocks", "must be positive")
        if self.orphan_s < 3600:
            raise Misconfigured("archive.orphan_s", "must be an hour or more: a row may follow its object")
