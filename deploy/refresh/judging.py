"""The gate's numbers, and the bounds of the shadow."""

from pathlib import Path

import numpy as np

from deploy.refresh.beside import Burden, Compared, latency_ratio
from inference.refresh.gate import Exam, Function, Verdict, judge
from inference.refresh.plan import Plan
from inference.settings import InferenceSettings


def judged(
    exam: Exam, burden: Burden, champion: Path, candidate: Path, settings: InferenceSettings, plan: Plan
) -> Verdict:
    """Every bound of the plan. A burden that nobody's signal could show is no number, and fails."""
    function = Function(
        parameters=_parameters(candidate),
        latency_ratio=latency_ratio(champion, candidate, settings),
        burden_ratio=burden.ratio if burden.patient_days else float("nan"),
        missed_lethal=burden.missed_lethal,
    )
    return judge(exam, function, plan)


def shadow_reason(compared: Compared, plan: Plan) -> str:
    """Which bound of the shadow does not hold; empty: all do."""
    if not compared.agreement >= plan.shadow.least_agreement:
        return f"agreement {compared.agreement:.3f} beside the champion, bound {plan.shadow.least_agreement:g}"
    if compared.burden.ratio > plan.function.most_burden_ratio:
        return f"alarm burden ratio {compared.burden.ratio:.2f} beside it, bound {plan.function.most_burden_ratio:g}"
    if compared.burden.missed_lethal > plan.function.most_missed_lethal:
        return f"{compared.burden.missed_lethal} lethal alarms missed beside the champion"
    return ""


def _parameters(folder: Path) -> int:
    """Numbers in the weights."""
    with np.load(folder / "student.npz", allow_pickle=False) as arrays:
        return sum(int(arrays[name].size) for name in arrays.files)
