"""From when to when a patient's signal is kept, wherever it lies by now: the ends of two indexes, no sample read."""

from typing import Any, Final

from sqlalchemy import BindParameter, Connection, ScalarSelect, Table, and_, bindparam, func, select, true

from storage.archive.blocks import PERIOD_US
from storage.archive.read import LONGEST_FRAME_US
from storage.schema import blocks, frames

_whose: BindParameter[str] = bindparam("whose")


def _ends(table: Table, kept: Any, longest_us: int) -> tuple[ScalarSelect[int], ScalarSelect[int]]:
    """Begin of the oldest row and end of the newest.

    The last to begin need not be the last to end; but what ends later began at most `longest_us` before it.
    """
    mine = and_(table.c.patient == _whose, kept)
    first = select(table.c.t0_us).where(mine).order_by(table.c.t0_us).limit(1).scalar_subquery()
    last = select(table.c.t0_us).where(mine).order_by(table.c.t0_us.desc()).limit(1).scalar_subquery()
    end = select(func.max(table.c.t1_us)).where(mine, table.c.t0_us >= last - longest_us)
    return first, end.scalar_subquery()


_HOT: Final = _ends(frames, true(), LONGEST_FRAME_US)
_KEPT: Final = _ends(blocks, blocks.c.dropped_us.is_(None), PERIOD_US + LONGEST_FRAME_US)
EXTENT: Final = select(_HOT[0], _KEPT[0], _HOT[1], _KEPT[1])


def extent(connection: Connection, patient: str) -> tuple[int, int] | None:
    """Time of the first sample that is kept and just after the last, in microseconds; None without any."""
    hot, kept, hot_end, kept_end = connection.execute(EXTENT, {"whose": patient}).one()
    begins, ends = ([t for t in pair if t is not None] for pair in ((hot, kept), (hot_end, kept_end)))
    return (min(begins), max(ends)) if begins else None
