"""Pictures of worlds and of what the diagnostics say of them; one plot per file.

Each takes what a diagnostic (or ``sample_worlds``) returned, selects with ``disciples=`` and
``measurements=``, and returns ArviZ's ``PlotCollection``: ``.savefig(path)``, ``.viz`` for every
artist. matplotlib's global state is left as it was found.
"""

from inference.plots.calibration_plot import plot_calibration
from inference.plots.coarse_graining_plot import plot_coarse_graining
from inference.plots.worlds_plot import plot_worlds

__all__ = ["plot_calibration", "plot_coarse_graining", "plot_worlds"]
