"""NumPy and SciPy kernels on plain arrays: no labels, no torch, no pyro.

| file | question |
|---|---|
| ``blocks`` | which draws may be treated as independent of which? |
| ``cell_counts`` | how many draws of each block of draws lie in each cell? |
| ``cells`` | where do the cells of a measurement lie? |
| ``effective_counts`` | how many independent draws are counts of draws worth? |
| ``fine_cells`` | what would two samples of a world show in cells finer than the draws? |
| ``float_keys`` | which whole numbers stand in the order of these floats? |
| ``held_out`` | how much likelier is an event, by draws that did not choose it? |
| ``joint_cells`` | in which cell of all measurements together does each draw of a world lie? |
| ``ladder`` | how much of the difference between two worlds is chaos that nobody steers? |
| ``multiplicity`` | what would the same world show, asked as many questions at once? |
| ``naive_bayes`` | which draws look like the let-in world, measurement by measurement? |
| ``ranks`` | are the truths spread evenly among their posterior draws? |
| ``sign_flips`` | what distance would two samples of the same world show? |
| ``tails`` | how often does chance reach as high as this, even where no sample of it did? |
| ``total_variation`` | how differently likely are the cells of a measurement in two worlds? |
| ``two_sample`` | how far apart are two worlds by the numbers that statisticians are used to? |
| ``verdicts`` | is the impact above the tolerance or below it, and how many draws would tell? |
| ``weights`` | how are draws reweighted, smoothed and made equal again? |
| ``witnesses`` | which event is far likelier in one world than in the other? |
"""

__all__: list[str] = []
