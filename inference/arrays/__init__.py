"""NumPy and SciPy kernels on plain arrays: no labels, no torch, no pyro.

| file | question |
|---|---|
| ``blocks`` | which draws may be treated as independent of which? |
| ``cells`` | in which coarse cell does each draw of a measurement lie? |
| ``sign_flips`` | what distance would two samples of the same world show? |
| ``total_variation`` | how differently likely are the cells in two worlds? |
| ``verdicts`` | is the impact above or below the tolerance, and what would tell? |
"""

__all__: list[str] = []
