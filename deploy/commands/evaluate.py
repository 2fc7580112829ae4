"""`liteheart evaluate`: the figures of a student on the development test fold, with intervals."""

import argparse
import json
from pathlib import Path

from inference.distill.ship import ShipSettings, read_course
from inference.model.checkpoint import load_student
from inference.settings import SHIPPED
from inference.train.measure import measure, measure_handheld


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --model."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL and CinC-2017 packs")
    parser.add_argument(
        "--model", type=Path, default=SHIPPED, metavar="DIR", help="another student than the shipped one"
    )


def run(args: argparse.Namespace) -> int:
    """Print one JSON object: lead I, lead II, handheld."""
    student, card = load_student(args.model)
    course = read_course(args.packs, ShipSettings())
    temperature, test = card.temperature[card.classes[0]], course.material.test
    figures = {lead: measure(student, temperature, test, card.thresholds, lead=i) for i, lead in enumerate(("I", "II"))}
    out = {"model": card.version, "fold8": figures}
    if course.handheld:
        out["handheld"] = measure_handheld(student, temperature, course.handheld[2], card.thresholds["AFIB"])
    print(json.dumps(out))
    return 0
