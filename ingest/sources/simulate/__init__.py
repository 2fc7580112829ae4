"""Lead I ECG with known truth, for the demo, the tests and the load: a heart, a body, and what goes wrong with both."""

from ingest.sources.simulate.episode import Condition, Episode
from ingest.sources.simulate.morphology import Morphology
from ingest.sources.simulate.patient import SimulatedPatient
from ingest.sources.simulate.synth import Simulated, Truth, simulate

__all__ = ["Condition", "Episode", "Morphology", "Simulated", "SimulatedPatient", "Truth", "simulate"]
