"""A tree of worlds in, a labelled dataset out; every file's first line is its question."""

from inference.arrays.cells import Cells
from inference.diagnostics.absolute_importance import absolute_importance
from inference.diagnostics.chaos_ladder import chaos_ladder
from inference.diagnostics.coarse_graining import coarse_graining
from inference.diagnostics.coarse_power import coarse_power
from inference.diagnostics.delegation import delegation
from inference.diagnostics.description_length import description_length
from inference.diagnostics.evidence_gradient import evidence_gradient
from inference.diagnostics.evidence_importance import evidence_importance
from inference.diagnostics.exact_impact import exact_impact, replacement_importance
from inference.diagnostics.fine_graining import fine_graining
from inference.diagnostics.joint_coarse_graining import joint_coarse_graining
from inference.diagnostics.leave_out import leave_out
from inference.diagnostics.motive_importance import motive_importance
from inference.diagnostics.optimization_power import optimization_power
from inference.diagnostics.peaks import peaks
from inference.diagnostics.power_chain import power_chain
from inference.diagnostics.power_gradient import power_gradient
from inference.diagnostics.relative_importance import relative_importance
from inference.diagnostics.shape import shape
from inference.diagnostics.twist import twist
from inference.diagnostics.two_sample import two_sample

__all__ = [
    "Cells",
    "absolute_importance",
    "chaos_ladder",
    "coarse_graining",
    "coarse_power",
    "delegation",
    "description_length",
    "evidence_gradient",
    "evidence_importance",
    "exact_impact",
    "fine_graining",
    "joint_coarse_graining",
    "leave_out",
    "motive_importance",
    "optimization_power",
    "peaks",
    "power_chain",
    "power_gradient",
    "relative_importance",
    "replacement_importance",
    "shape",
    "twist",
    "two_sample",
]
