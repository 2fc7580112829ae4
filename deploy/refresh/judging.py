"""The gate's numbers, and the bounds of the shadow."""

from collections.abc import Mapping
from pathlib import Path

from deploy.refresh.beside import Burden, Compared, latency_ratio
from inference.model.checkpoint import load_student
from inference.model.student import parameters
from inference.refresh.gate import Exam, Function, Verdict, judge
from inference.refresh.plan import Plan
from inference.settings import InferenceSettings


def judged(
    exam: Exam, burden: Burden, champion: Path, candidate: Path, settings: InferenceSettings, plan: Plan
) -> Verdict:
    """Every bound of the plan. A burden that nobody's signal could show is no number, and fails."""
    function = Function(
        parameters=parameters(load_student(candidate, folded=False)[0]),
        latency_ratio=latency_ratio(champion, candidate, settings),
        burden_ratio=burden.ratio if burden.patient_days else float("nan"),
        missed_lethal=burden.missed_lethal,
    )
    return judge(exam, function, plan)


def shadow_reason(compared: Compared, plan: Plan) -> str:
    """Which bound of the shadow does not hold; empty: all do."""
    for name, value, least in (
        ("agreement", compared.agreement, plan.shadow.least_agreement),
        ("agreement on what alarms", compared.alarming_agreement, plan.shadow.least_alarming_agreement),
    ):
        if not value >= least:
            changed = f"found anew: {_most(compared.appeared)}; no longer: {_most(compared.vanished)}"
            return f"{name} {value:.3f} beside the champion, bound {least:g} ({compared.windows} windows; {changed})"
    if compared.burden.ratio > plan.function.most_burden_ratio:
        return f"alarm burden ratio {compared.burden.ratio:.2f} beside it, bound {plan.function.most_burden_ratio:g}"
    if compared.burden.missed_lethal > plan.function.most_missed_lethal:
        return f"{compared.burden.missed_lethal} lethal alarms missed beside the champion"
    return ""


def _most(counts: Mapping[str, int]) -> str:
    """The five that changed most often."""
    most = sorted(counts.items(), key=lambda found: (-found[1], found[0]))[:5]
    return ", ".join(f"{code} {n}" for code, n in most) or "nothing"
