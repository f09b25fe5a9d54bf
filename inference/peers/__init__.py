"""Impact measures that others have published, as penalties: of drawn worlds, and exact.

Each compares the states that a disciple brings about with a baseline, step by step. They know the
states and moves of the world (`dynamics`), which the measures of this library need not; without,
worlds are taken to make one step into what is measured.
"""

from inference.peers.attainable import attainable_values, utilities_of
from inference.peers.attainable_utility import attainable_utility
from inference.peers.dynamics import Dynamics, Moves, moves_of
from inference.peers.impact_penalty import ImpactPenalty
from inference.peers.reachability import reachability
from inference.peers.relative_reachability import relative_reachability
from inference.peers.state_difference import state_difference
from inference.peers.unreachability import unreachability
from inference.peers.utility_preservation import utility_preservation

__all__ = [
    "Dynamics",
    "ImpactPenalty",
    "Moves",
    "attainable_utility",
    "attainable_values",
    "moves_of",
    "reachability",
    "relative_reachability",
    "state_difference",
    "unreachability",
    "utilities_of",
    "utility_preservation",
]
