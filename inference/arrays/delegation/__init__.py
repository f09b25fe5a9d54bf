"""Which level optimizes: a base optimizer in advance, or what it learned at run time?

| file | question |
|---|---|
| ``allocation`` | how many bits should be searched at run time, and how many tuned in advance? |
| ``any_cost`` | where does a cost that never falls leave most to gain? |
| ``biases`` | which program does a price on length or on time prefer, and from where on? |
| ``code_lengths`` | how few bits describe a text? |
| ``costs`` | what does a search of x bits cost the base optimizer? |
| ``guarantees`` | how many bits make all that remains good enough, or its average? |
| ``mazes`` | what is a path through a maze worth, written down or found? |
| ``phases`` | how diverse must an environment be for search to pay? |
| ``programs`` | what is the shortest text of a function as it stands? |
| ``reachability`` | how far down must a local search go to come to a target? |
| ``refusals`` | which numbers can be no bits, no instances and no performance? |
| ``simulated`` | do tables and searches drawn at random reach the bits that formulas promise? |
"""

from inference.arrays.delegation.allocation import (
    REGIMES,
    Allocation,
    Allocations,
    allocate,
    allocations,
)
from inference.arrays.delegation.biases import (
    MazePrograms,
    Program,
    critical_time_price,
    crossing_size,
    mazes_until_search,
    preferred,
    programs_for_maze,
)
from inference.arrays.delegation.code_lengths import (
    code_lengths,
    description_bits,
)
from inference.arrays.delegation.costs import (
    ExponentialCost,
    LinearCost,
    LogarithmicCost,
    QuadraticCost,
    SearchCost,
)
from inference.arrays.delegation.guarantees import (
    GuaranteedFloor,
    bits_for_average,
    bits_to_guarantee,
    guaranteed_floor,
    whole_halvings,
)
from inference.arrays.delegation.mazes import (
    MOVES,
    find_path,
    junction_bits,
    moves,
    perfect_maze,
)
from inference.arrays.delegation.phases import (
    CriticalDiversity,
    critical_diversity,
    services_without_search,
)
from inference.arrays.delegation.programs import (
    minified,
)
from inference.arrays.delegation.reachability import (
    Reachability,
    ThresholdSearch,
    algorithmic_range,
    drawdown,
    reachability,
)
from inference.arrays.delegation.simulated import (
    MeasuredBits,
    SearchedBits,
    best_table_tails,
    expected_table_bits,
    measured_bits,
    searched_bits,
    searched_tails,
)

__all__ = [
    "MOVES",
    "REGIMES",
    "Allocation",
    "Allocations",
    "CriticalDiversity",
    "ExponentialCost",
    "GuaranteedFloor",
    "LinearCost",
    "LogarithmicCost",
    "MazePrograms",
    "MeasuredBits",
    "Program",
    "QuadraticCost",
    "Reachability",
    "SearchCost",
    "SearchedBits",
    "ThresholdSearch",
    "algorithmic_range",
    "allocate",
    "allocations",
    "best_table_tails",
    "bits_for_average",
    "bits_to_guarantee",
    "code_lengths",
    "critical_diversity",
    "critical_time_price",
    "crossing_size",
    "description_bits",
    "drawdown",
    "expected_table_bits",
    "find_path",
    "guaranteed_floor",
    "junction_bits",
    "mazes_until_search",
    "measured_bits",
    "minified",
    "moves",
    "perfect_maze",
    "preferred",
    "programs_for_maze",
    "reachability",
    "searched_bits",
    "searched_tails",
    "services_without_search",
    "whole_halvings",
]
