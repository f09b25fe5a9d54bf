"""Pictures of worlds and of what the diagnostics say of them; one plot per file.

Each takes what a diagnostic (or ``sample_worlds``) returned, selects with ``disciples=``,
``measurements=`` and ``data=``, and returns ArviZ's ``PlotCollection``: ``.savefig(path)``,
``.viz`` for every artist. matplotlib's global state is left as it was found.
"""

from inference.plots.absolute_importance_plot import plot_absolute_importance
from inference.plots.calibration_plot import plot_calibration
from inference.plots.coarse_graining_plot import plot_coarse_graining
from inference.plots.delegation_plot import plot_delegation
from inference.plots.description_length_plot import plot_description_length
from inference.plots.evidence_gradient_plot import plot_evidence_gradient
from inference.plots.evidence_importance_plot import plot_evidence_importance
from inference.plots.optimization_power_plot import plot_optimization_power
from inference.plots.peaks_plot import plot_peaks
from inference.plots.power_chain_plot import plot_power_chain
from inference.plots.relative_importance_plot import plot_relative_importance
from inference.plots.shape_plot import plot_shape
from inference.plots.testbed_plot import plot_testbed
from inference.plots.tradeoff_plot import plot_tradeoff
from inference.plots.worlds_plot import plot_worlds

__all__ = [
    "plot_absolute_importance",
    "plot_calibration",
    "plot_coarse_graining",
    "plot_delegation",
    "plot_description_length",
    "plot_evidence_gradient",
    "plot_evidence_importance",
    "plot_optimization_power",
    "plot_peaks",
    "plot_power_chain",
    "plot_relative_importance",
    "plot_shape",
    "plot_testbed",
    "plot_tradeoff",
    "plot_worlds",
]
