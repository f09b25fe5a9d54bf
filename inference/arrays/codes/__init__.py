"""How many bits describe one future, and how many when the other one is known?

| file | question |
|---|---|
| ``code`` | what does a code say of draws in cells? |
| ``flat_codes`` | how many bits describe draws in cells of which none is nearer to another? |
| ``tree_codes`` | how many describe a law as finely as its draws justify, given another? |
| ``two_worlds`` | how many bits describe each of two worlds, alone and given the other? |
| ``distortion`` | how near does a description of so many bits come to a law? |

Every length is that of a code: the probabilities 2^-bits of all sequences of draws add up to 1.
"""

from inference.arrays.codes.code import Code
from inference.arrays.codes.distortion import correction_bits, distortion_curve
from inference.arrays.codes.flat_codes import (
    dirichlet_bits,
    flat_code,
    flat_code_given,
    multinomial_bits,
    nml_regret,
)
from inference.arrays.codes.tree_codes import tree_code, tree_code_given
from inference.arrays.codes.two_worlds import Described, described

__all__ = [
    "Code",
    "Described",
    "correction_bits",
    "described",
    "dirichlet_bits",
    "distortion_curve",
    "flat_code",
    "flat_code_given",
    "multinomial_bits",
    "nml_regret",
    "tree_code",
    "tree_code_given",
]
