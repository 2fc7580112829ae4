"""`liteheart evaluate`: the figures of a student on the development test fold, with intervals."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from inference.distill.ship import Course, ShipSettings, read_course
from inference.distill.stated import kernel_figures
from inference.model.card import Card
from inference.model.checkpoint import load_student
from inference.model.student import Student
from inference.settings import SHIPPED
from inference.train.calibrate import probabilities
from inference.train.measure import measure, measure_false, measure_handheld, measure_undecided, predict
from inference.train.rhythm_folds import cross_validate, figures, read_strips
from inference.train.rhythm_reader import RhythmSettings
from liteheart.errors import Misconfigured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --model, and what else to measure instead."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL and CinC-2017 packs")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED, metavar="DIR", help="another student than the shipped one"
    )
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--undecided", action="store_true", help="how often it says neither yes nor no, or AFIB wrongly")
    other.add_argument(
        "--kernel", action="store_true", help="no student: kernel machines on median beats, folds 7, 5, 3"
    )
    other.add_argument(
        "--handheld-folds", type=int, metavar="N", help="no student: readers of N, A, O and noise, N-fold, CinC-2017"
    )


def run(args: argparse.Namespace) -> int:
    """Print one JSON object."""
    if args.kernel:
        print(json.dumps(kernel_figures(args.packs)))
        return 0
    if args.handheld_folds is not None:
        print(json.dumps(_handheld(args.packs, args.handheld_folds)))
        return 0
    student, card = load_student(args.model)
    course = read_course(args.packs, ShipSettings())
    told = _undecided if args.undecided else _figures
    print(json.dumps({"model": card.version} | told(student, card, course)))
    return 0


def _handheld(packs: Path, folds: int) -> dict[str, Any]:
    """Every recording answered by readers that never saw it."""
    if folds < 2:
        raise Misconfigured("evaluate.handheld_folds", f"{folds} is fewer than two")
    strips = read_strips(packs)
    p = cross_validate(strips, folds, RhythmSettings(), progress=lambda line: print(line, file=sys.stderr, flush=True))
    return {"folds": folds} | figures(p, strips.labels)


def _figures(student: Student, card: Card, course: Course) -> dict[str, Any]:
    """Lead I, lead II, handheld."""
    temperature, test = card.temperature[card.classes[0]], course.material.test
    out: dict[str, Any] = {
        "fold8": {
            lead: measure(student, temperature, test, card.thresholds, lead=i) for i, lead in enumerate(("I", "II"))
        }
    }
    if course.handheld:
        out["handheld"] = measure_handheld(student, temperature, course.handheld[2], card.thresholds["AFIB"])
    return out


def _undecided(student: Student, card: Card, course: Course) -> dict[str, Any]:
    """Bands on fold 8, and false AFIB among the handheld windows that placed its threshold."""
    temperature, test = card.temperature[card.classes[0]], course.material.test
    p = probabilities(predict(student, test.x), temperature)
    out: dict[str, Any] = {"fold8": measure_undecided(p, test.y, card)}
    if course.handheld:
        wrong = measure_false(student, temperature, course.handheld[1], "AFIB", card.thresholds["AFIB"])
        out["handheld_validation_false_afib"] = wrong
    return out
