"""In which way is the future uncertain: by which numbers, with how many peaks, how heavy tails?

| file | question |
|---|---|
| ``power_sums`` | what do the powers of draws add up to, block by block? |
| ``k_statistics`` | which cumulants has the law that the draws come from? |
| ``order_statistics`` | how wide, skewed and peaked is a law by its sorted draws? |
| ``quantiles`` | how far apart are quantiles, where values may be shared by many draws? |
| ``halves`` | how much narrower is the shortest interval that holds half of a world? |
| ``carried`` | how is the error of a share read on the axis of a measurement? |
| ``tail_index`` | how heavy are the tails, and which moments exist? |
| ``densities`` | what does each block of draws add to a density? |
| ``crests`` | which peaks stand out of their saddles by more than blocks disagree about? |
| ``looks`` | where are the peaks, if some are a million times as wide as others? |
| ``peaks`` | how many futures are there, that is, how many peaks has a density? |
| ``lattice`` | how often is each of many equally wide cells visited, wherever they lie? |
| ``surprisal`` | is the future as uncertain as before, whatever it is that has become likely? |
| ``jackknife`` | how far off may a number be, and how much would two of the same world differ? |
| ``comparison`` | how do two worlds differ, descriptor by descriptor? |
"""

from inference.arrays.shape.comparison import DESCRIPTORS, compared_shapes
from inference.arrays.shape.peaks import Peaks, find_peaks
from inference.arrays.shape.surprisal import rearranged_tv

__all__ = [
    "DESCRIPTORS",
    "Peaks",
    "compared_shapes",
    "find_peaks",
    "rearranged_tv",
]
