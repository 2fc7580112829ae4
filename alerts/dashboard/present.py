"""Everybody who is on the wall: those who are heard, and those who are here and of whom nothing has come yet."""

from alerts.ports import Board
from liteheart.board import Awaited, PatientState


def everybody(board: Board) -> list[PatientState | Awaited]:
    """One entry each, by patient. Whoever is heard for the first time meanwhile is in it: states are asked for last."""
    found: dict[str, PatientState | Awaited] = {one.patient: one for one in board.awaited()}
    found |= {state.patient: state for state in board.patients()}
    return [found[patient] for patient in sorted(found)]
