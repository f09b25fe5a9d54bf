"""NumPy and SciPy kernels on plain arrays: no labels, no torch, no pyro.

| file | question |
|---|---|
| ``blocks`` | which draws may be treated as independent of which? |
| ``cell_counts`` | how many draws of each block of draws lie in each cell? |
| ``cells`` | where do the cells of a measurement lie? |
| ``codes`` | how many bits describe one future, and how many when the other one is known? |
| ``compressed_evidence`` | which few numbers say all that the evidence says? |
| ``delegation`` | who optimizes: the base optimizer beforehand, or what it learned, at run time? |
| ``distribution_slopes`` | how fast does a distribution over cells move with a datum? |
| ``effective_counts`` | how many independent draws are counts of draws worth? |
| ``envelope`` | which of several lines is the highest, where, and how far does noise decide? |
| ``evidence_scales`` | in which units do all data together vary by one, before they are known? |
| ``features`` | which numbers of a draw have means that tell how its distribution moves? |
| ``fine_cells`` | what would two samples of a world show in cells finer than the draws? |
| ``float_keys`` | which whole numbers stand in the order of these floats? |
| ``generalised_pareto`` | how heavy is a tail, and how wide, by what exceeds a threshold? |
| ``halves`` | which draws learn, which choose, and which are judged? |
| ``held_out`` | how much likelier is an event, by draws that did not choose it? |
| ``held_out_labels`` | which disciple's world does a draw come from, as other draws have taught? |
| ``held_out_projectors`` | in which directions does one world look more, on other draws too? |
| ``information`` | how many bits does evidence tell of the past, and how many of the future? |
| ``jensen_shannon`` | how many bits does a coarse-grained world tell about who was let in? |
| ``joint_cells`` | in which cell of all measurements together does each draw of a world lie? |
| ``ladder`` | how much of the difference between two worlds is chaos that nobody steers? |
| ``multiplicity`` | what would the same world show, asked as many questions at once? |
| ``naive_bayes`` | which draws look like the let-in world, measurement by measurement? |
| ``order`` | how small a target is hit, against what chance does without the disciple? |
| ``ranks`` | are the truths spread evenly among their posterior draws? |
| ``redundancy`` | which data are important and not explained by the others? |
| ``relative_slopes`` | have slopes the same directions and proportions in two worlds? |
| ``reweighting`` | what would these draws say, had some of the evidence been other, or not seen? |
| ``score_covariance`` | by how much does the mean of an output move with each datum? |
| ``shape`` | in which way is the future uncertain, whatever it is about? |
| ``sign_flips`` | what distance would two samples of the same world show? |
| ``slope_products`` | what do products of blocks tell of squares, angles and their errors? |
| ``switch_readings`` | how many bits of the switch can be read off the future? |
| ``tails`` | how often does chance reach as high as this, even where no sample of it did? |
| ``total_variation`` | how differently likely are the cells of a measurement in two worlds? |
| ``twisting`` | what do two worlds look like once a measure reweighs both? |
| ``two_sample`` | how far apart are two worlds by the numbers that statisticians are used to? |
| ``verdicts`` | is the impact above the tolerance or below it, and how many draws would tell? |
| ``weights`` | how are draws reweighted, smoothed and made equal again? |
| ``whitening`` | in which units are many outputs alike and none said twice? |
| ``witnesses`` | which event is far likelier in one world than in the other? |
"""

__all__: list[str] = []
