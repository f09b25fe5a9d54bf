"""In which way is the future uncertain: by which numbers, with how many peaks, how heavy tails?

| file | question |
|---|---|
| ``power_sums`` | what do the powers of draws add up to, block by block? |
| ``k_statistics`` | which cumulants has the law that the draws come from? |
| ``order_statistics`` | how wide, skewed and peaked is a law that may have no moments? |
| ``quantiles`` | how far apart are quantiles, where values may be shared by many draws? |
| ``tail_index`` | how heavy are the tails, and which moments exist? |
| ``densities`` | what does the density of each block of draws look like? |
| ``peaks`` | which peaks of a density are no noise? (``looks``, ``crests``: how it is looked at) |
| ``lattice`` | how often is each of many equally wide cells visited, wherever they lie? |
| ``surprisal`` | how surprising are worlds, and how far apart are two once labels are forgotten? |
| ``jackknife`` | how far off may a number be, and how much would two of the same world differ? |
| ``comparison`` | how do two worlds differ, descriptor by descriptor? |
"""

from inference.arrays.shape.comparison import DESCRIPTORS, compared_shapes
from inference.arrays.shape.k_statistics import k_statistics
from inference.arrays.shape.peaks import Peaks, find_peaks
from inference.arrays.shape.power_sums import power_sums
from inference.arrays.shape.surprisal import rearranged_tv

__all__ = [
    "DESCRIPTORS",
    "Peaks",
    "compared_shapes",
    "find_peaks",
    "k_statistics",
    "power_sums",
    "rearranged_tv",
]
