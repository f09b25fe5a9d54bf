"""A tree of worlds in, a labelled dataset out; every file's first line is its question."""

from inference.arrays.cells import Cells
from inference.diagnostics.chaos_ladder import chaos_ladder
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.fine_graining import fine_graining
from inference.diagnostics.joint_coarse_graining import joint_coarse_graining
from inference.diagnostics.two_sample import two_sample

__all__ = [
    "Cells",
    "chaos_ladder",
    "coarse_graining",
    "fine_graining",
    "joint_coarse_graining",
    "two_sample",
]
