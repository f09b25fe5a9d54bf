"""Pictures of worlds and of what the diagnostics say of them; one plot per file.

Each takes what a diagnostic (or ``sample_worlds``) returned, selects with ``disciples=``,
``measurements=`` and ``data=``, and returns ArviZ's ``PlotCollection``: ``.savefig(path)``,
``.viz`` for every artist. matplotlib's global state is left as it was found.
"""

from inference.plots.absolute_importance_plot import plot_absolute_importance
from inference.plots.calibration_plot import plot_calibration
from inference.plots.coarse_graining_plot import plot_coarse_graining
from inference.plots.evidence_gradient_plot import plot_evidence_gradient
from inference.plots.evidence_importance_plot import plot_evidence_importance
from inference.plots.relative_importance_plot import plot_relative_importance
from inference.plots.tradeoff_plot import plot_tradeoff
from inference.plots.worlds_plot import plot_worlds

__all__ = [
    "plot_absolute_importance",
    "plot_calibration",
    "plot_coarse_graining",
    "plot_evidence_gradient",
    "plot_evidence_importance",
    "plot_relative_importance",
    "plot_tradeoff",
    "plot_worlds",
]
