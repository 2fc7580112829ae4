"""`liteheart distill`: the one-lead student that serves, from the teachers and all permitted recordings.

Beside it lies its world: what it saw when it was made, by which a ward is told that drifts from its first day.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference.distill.objective import ARMS, arm
from inference.distill.ship import ShipSettings, read_course, ship_student, train_teachers
from inference.distill.teachers import load_ensemble
from liteheart.conditions import SCORED
from liteheart.errors import Misconfigured


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --out, --teachers, --arm, --steps, --seeds, --world."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL and CinC-2017 packs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where weights and card are written")
    parser.add_argument(
        "--teachers", type=Path, metavar="FILE", help="of `liteheart train`; trained first if not given"
    )
    parser.add_argument("--arm", default=ShipSettings().arm, help=f"{', '.join(ARMS)}, ARM+u")
    parser.add_argument("--steps", type=int, default=ShipSettings().budget.steps)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one student each, the best is kept")
    parser.add_argument("--world", action="store_true", help="make nothing but the world of the student in --out")


def run(args: argparse.Namespace) -> int:
    """Train, calibrate, write, print the figures on fold 8."""
    if args.world:
        print(json.dumps(_world(args.packs, args.out)))
        return 0
    try:
        arm(args.arm)
    except ValueError as error:
        raise Misconfigured("--arm", str(error)) from None
    settings = ShipSettings(arm=args.arm)
    settings = replace(settings, budget=replace(settings.budget, steps=args.steps))
    course = read_course(args.packs, settings)
    if args.teachers:
        try:
            teachers = load_ensemble(args.teachers, settings.teachers, len(SCORED))
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            raise Misconfigured("--teachers", f"{args.teachers} does not hold the teachers: {error}") from None
    else:
        teachers = train_teachers(course, settings)
    card = ship_student(course, teachers, args.out, seeds=args.seeds, settings=settings)
    print(json.dumps({"model": card.version, "fold8": card.about["metrics"]} | _world(args.packs, args.out)))
    return 0


def _world(packs: Path, folder: Path) -> dict[str, Any]:
    """Of the recordings of folds 1 to 6, by the path of live scoring."""
    from inference.refresh.known import FILE, learn_known, looks_of, save_known
    from inference.serve.engine import load_engine

    looks = list(looks_of(packs, load_engine(model_dir=folder)))
    known = learn_known(folder, looks, f"{len(looks)} windows of PTB-XL, folds 1 to 6")
    save_known(folder, known)
    return {"world": str(folder / FILE), "windows": len(looks), "groups": list(known.groups)}
