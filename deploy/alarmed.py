"""`liteheart report --alarms` and `--cinc2015`: what the live path alarms on recordings, against what people said."""

import argparse
import json
from collections.abc import Sequence
from typing import Any, Final

from deploy import challenge
from deploy.annotated import T0_US, Source, open_source
from deploy.backtest.cases import Plan, of_source
from deploy.backtest.figures import Case, figures
from deploy.playback import Analysed, Score, analyse, judge
from deploy.settings import Settings, load
from deploy.sounded import Sounded, calls
from inference.report.markdown import table
from ingest.sources.recording import Recording
from ingest.sources.replay import frames_of
from liteheart.clock import US_PER_S
from liteheart.ids import DeviceId, PatientId

RESPONSE_S: Final = 60.0  # until somebody comes to an alarm
_NO_ECG: Final = ("pleth", "abp", "art", "cvp", "pap", "resp", "mcv")  # what else a bedside monitor records


def analyse_recording(recording: Recording, lead: int, settings: Settings, score: Score | None) -> Analysed:
    """A recording as a patient's stream whose first sample is at T0_US, each frame arriving when it is complete."""
    patient, device = PatientId("recording"), DeviceId("file")
    frames = frames_of(recording, lead, patient=patient, device=device, boot=1, t0_us=T0_US)
    return analyse(patient, (f.stamped(f.t1_us) for f in frames), settings.ingest, score)


def answer(source: Source, args: argparse.Namespace) -> challenge.Answer:
    """One recording of CinC-2015. The student has no part in lethal rhythms. Raises Unreadable."""
    claim, recording, settings = challenge.claim_of(source), open_source(source, None).recording, load()
    first = recording.lead_index(args.lead)
    ecg = [i for i, name in enumerate(recording.leads) if not name.lower().startswith(_NO_ECG)]
    end_us = T0_US + round(recording.duration_s * US_PER_S)
    told = []
    for lead in [first, *(i for i in ecg if i != first)][:2]:
        made = calls(judge(analyse_recording(recording, lead, settings, None), settings.alarms))
        told.append(challenge.told_at_the_end(made, end_us))
    return challenge.Answer(recording.name, claim, tuple(told))


def case(source: Source, args: argparse.Namespace) -> Case:
    """The alarms of one recording beside its annotations. Raises Unreadable."""
    before, _ = of_source(source, Plan((), args.model, not args.no_student, args.reference, args.lead))
    return before


def print_answers(answers: Sequence[challenge.Answer], form: str, provenance: dict[str, str]) -> None:
    """A JSON line a recording, then the scores."""
    if form != "markdown":
        for a in answers:
            said = {"alarm": a.claim.code, "true": a.claim.true, "told": [sorted(t) for t in a.told]}
            print(json.dumps({"kind": "record", "record": a.name, **said}))
    told = challenge.summary(answers)
    if form != "markdown":
        print(json.dumps({"kind": "cinc2015", **told, **provenance}))
    if form != "json":
        print(("" if form == "markdown" else "\n") + challenge.markdown(told), end="")


def print_burden(cases: Sequence[Case], form: str, provenance: dict[str, str]) -> None:
    """A JSON line a recording, then the burden of all."""
    if form != "markdown":
        for one in cases:
            told_of = [_call(c, one.first_us) for c in one.calls]
            print(json.dumps({"kind": "record", "record": one.name, "calls": told_of}))
    told = figures(cases, RESPONSE_S)
    if form != "markdown":
        print(json.dumps({"kind": "alarms", **told, **provenance}))
    if form != "json":
        print(("" if form == "markdown" else "\n") + _burden(told), end="")


def _call(c: Sounded, first_us: int) -> dict[str, Any]:
    raised_s, onset_s = ((t - first_us) / US_PER_S for t in (c.raised_us, c.onset_us))
    return {"code": c.code, "onset_s": round(onset_s, 1), "raised_s": round(raised_s, 1), "message": c.alarm.message}


def _burden(told: dict[str, Any]) -> str:
    wrong, found = told.get("wrong_by_rule", {}), told.get("sensitivity_by_rule", {})
    codes = list(dict.fromkeys([*told["by_rule"], *found]))
    rows = [
        [code, f"{told['by_rule'].get(code, 0.0):.1f}", str(wrong.get(code, "–")), _percent(found.get(code))]
        for code in codes
    ]
    rows.append(["**all**", f"{told['alarms_per_patient_day'] or 0.0:.1f}", str(told.get("wrong", "–")), ""])
    days = f"{told['patient_days']:.3f} patient-days, {told['alarms']} audible alarms"
    high = f"HIGH: {told.get('right_high', 0)} right, {told.get('wrong_high', 0)} false"
    share = f"({_percent(told.get('false_share_high'))} %)"
    head = ["rule", "audible a patient-day", "false", "episodes found %"]
    return f"### Alarms\n\n{days}. {high} {share}.\n\n" + table(head, rows) + "\n"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
