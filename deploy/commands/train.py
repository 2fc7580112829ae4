"""`liteheart train`: a student from the PTB-XL packs."""

import argparse
from pathlib import Path

from inference.train.student import train_student


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """PACKS, --out, --epochs, --seeds."""
    parser.add_argument("packs", type=Path, help="folder that holds the PTB-XL and CinC-2017 packs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where weights and card are written")
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one student each, the best is kept")


def run(args: argparse.Namespace) -> int:
    """Train, calibrate, evaluate, write."""
    train_student(args.packs, args.out, seeds=args.seeds, epochs=args.epochs)
    return 0
