"""How the student's readings went over hours, added up by the database, and the reading of one window."""

from typing import Any, Final

import numpy as np
from sqlalchemy import BigInteger, Engine, Integer, bindparam, case, cast, func, select

from liteheart.finding import Finding
from liteheart.history import Floats, Trend
from liteheart.ids import PatientId
from storage import queries
from storage.engine import reading
from storage.rows import row_finding, split
from storage.schema import findings, patient_state

_SUMS: Final = ("windows", "abstained", "usable", "sqi", "rated", "rate")


def _flag(column: Any) -> Any:
    return func.sum(cast(column, Integer))


def _sums(of: Any) -> Any:
    """By step, model and codes, sums over readings: a table or a subquery that looks like `findings`."""
    step = (of.c.t0_us - bindparam("since", type_=BigInteger)) // bindparam("step", type_=BigInteger)
    columns = (
        step.label("step"),
        of.c.model,
        of.c.codes,
        func.count().label("windows"),
        _flag(of.c.abstained).label("abstained"),
        _flag(of.c.usable).label("usable"),
        func.sum(of.c.sqi).label("sqi"),
        func.count(of.c.heart_rate_bpm).label("rated"),
        func.sum(of.c.heart_rate_bpm).label("rate"),
        func.min(of.c.heart_rate_bpm).label("low"),
        func.max(of.c.heart_rate_bpm).label("high"),
    )
    return select(*columns).group_by("step", of.c.model, of.c.codes)


_SPAN = (
    findings.c.patient == bindparam("whose"),
    findings.c.t0_us >= bindparam("since"),
    findings.c.t0_us < bindparam("until"),
)
_SERVING = select(patient_state.c.model).where(patient_state.c.patient == bindparam("whose")).scalar_subquery()
# Of a window that several models read: first the one that serves, then the one that read it when it was new.
_FIRST = (case((findings.c.model == _SERVING, 0), else_=1), findings.c.arrival_us, findings.c.model)
_RANKED = (
    select(findings, func.row_number().over(partition_by=findings.c.t0_us, order_by=_FIRST).label("place"))
    .where(*_SPAN)
    .subquery()
)
_ALL = _sums(findings).where(*_SPAN)
_ONE_EACH = _sums(_RANKED).where(_RANKED.c.place == 1)


class Trends:
    """Over SQL. Every method raises Retryable when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def trend(self, patient: PatientId, t0_us: int, t1_us: int, step_us: int) -> Trend:
        """Readings of windows that begin in [t0_us, t1_us), by steps from `t0_us` on; the last may be cut short.

        A window counts once: as the model that serves has read it, else the one that read it first.
        """
        n = -(-(t1_us - t0_us) // step_us)
        sums = {name: np.zeros(n) for name in _SUMS}
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        codes: dict[str, Any] = {}
        with reading(self._engine) as connection:
            span = {"whose": patient, "since": t0_us, "until": t1_us, "step": step_us}
            rows = connection.execute(_ALL, span).all()
            if len({row.model for row in rows}) > 1:  # rare, and twice the time
                rows = connection.execute(_ONE_EACH, span).all()
        for row in rows:
            for name in _SUMS:
                sums[name][row.step] += getattr(row, name) or 0
            if row.rated:
                low[row.step], high[row.step] = min(low[row.step], row.low), max(high[row.step], row.high)
            for code in split(row.codes):
                codes.setdefault(code, np.zeros(n, np.int64))[row.step] += row.windows
        nobody = sums["rated"] == 0
        return Trend(
            t0_us=t0_us,
            step_us=step_us,
            windows=sums["windows"].astype(np.int64),
            answered=(sums["windows"] - sums["abstained"]).astype(np.int64),
            usable=_share(sums["usable"], sums["windows"]),
            sqi=_share(sums["sqi"], sums["windows"]),
            heart_rate=_share(sums["rate"], sums["rated"]),
            heart_rate_low=np.where(nobody, np.nan, low),
            heart_rate_high=np.where(nobody, np.nan, high),
            codes=dict(sorted(codes.items())),
        )

    def finding(self, patient: PatientId, t0_us: int) -> Finding | None:
        """The reading of the window that begins at `t0_us`, by the model that serves; None when there is none."""
        statement = (
            select(findings).where(findings.c.patient == patient, findings.c.t0_us == t0_us).order_by(*_FIRST).limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(statement, {"whose": patient}).one_or_none()
            return None if row is None else row_finding(row, queries.layouts(connection))


def _share(part: Floats, whole: Floats) -> Floats:
    out: Floats = np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
    return out
