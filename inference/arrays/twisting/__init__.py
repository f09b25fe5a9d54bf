r"""How different are two worlds once both are reweighed by a measure M on worlds?

.. math:: P_M(w) = \frac{M(w)\,P(w)}{Z}, \qquad Z = \mathrm{E}_P[M]

| file | question |
|---|---|
| ``weighed_worlds`` | what weights does M give to draws, and how much of M do they support? |
| ``weighed_variation`` | how differently likely are the cells of the reweighed worlds? |
| ``world_bits`` | how many bits describe each drawn world? |
"""

from inference.arrays.twisting.weighed_variation import (
    weighed_cells,
    weighed_variation,
    weighed_variations,
)
from inference.arrays.twisting.weighed_worlds import (
    FEWEST_KEPT,
    WeighedWorld,
    largest_power,
    log_ratio,
    weighed_world,
)
from inference.arrays.twisting.world_bits import serialised, shortest_code_bits

__all__ = [
    "FEWEST_KEPT",
    "WeighedWorld",
    "largest_power",
    "log_ratio",
    "serialised",
    "shortest_code_bits",
    "weighed_cells",
    "weighed_variation",
    "weighed_variations",
    "weighed_world",
]
