"""A cohort of the store as training material.

`ArchiveWindows(functools.partial(cohort_source, query), codes)` is the dataset; a loader's workers each load the
settings and open the store for themselves.
"""

from pathlib import Path

from deploy import wiring
from deploy.settings import load
from inference.datasets.archive import Source
from storage.cohort_query import Query


def cohort_source(query: Query, config: Path | None = None, data_dir: Path | None = None) -> Source:
    """Windows and samples of who agrees to what `query` asks for; close it after use."""
    storage = wiring.open_storage(load(config, data_dir=data_dir))
    return Source(storage.cohorts.select(query).windows, storage.archive, storage.close)
