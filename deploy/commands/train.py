"""`liteheart train`: the 12-lead teachers from the PTB-XL packs."""

import argparse
import json
from pathlib import Path

from inference.distill.figures import Scored, measure, thresholds
from inference.distill.ship import ShipSettings, read_course, train_teachers
from inference.distill.teachers import save_ensemble


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --out, --seed."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL packs")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the teachers are written (.npz)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Train, calibrate on fold 7, write, print the figures on fold 8."""
    settings = ShipSettings(handheld=False)
    course = read_course(args.packs, settings)
    teachers = train_teachers(course, settings, seed=args.seed)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_ensemble(args.out, teachers)
    validation, test = course.material.validation, course.material.test
    limits = thresholds(teachers.probabilities(validation.x), validation.y)
    scored = Scored(test.classes, teachers.probabilities(test.x), test.y, test.patients, *limits)
    print(json.dumps({"teachers": str(args.out), "fold8": measure(scored)}))
    return 0
