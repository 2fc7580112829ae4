"""`liteheart conditions`: the conditions that the shipped student and the beat path know."""

import argparse
import json
from pathlib import Path

from inference.serve.engine import load_engine
from liteheart.conditions import CONDITIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--model."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="another student than the shipped one")


def run(args: argparse.Namespace) -> int:
    """Print one JSON line a condition; `threshold` is null for those that rules find, not the student."""
    thresholds = load_engine(model_dir=args.model).thresholds
    for condition in CONDITIONS:
        print(
            json.dumps(
                {
                    "code": condition.code,
                    "name": condition.name,
                    "snomed": condition.snomed,
                    "scp": list(condition.scp),
                    "superclass": condition.superclass,
                    "lead_I_visible": condition.lead_i_visible,
                    "threshold": thresholds.get(condition.code),
                }
            )
        )
    return 0
