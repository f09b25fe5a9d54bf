"""Inference over counterfactual worlds: posteriors, drawn worlds, diagnostics, plots, pages.

Nothing is imported until it is used: the command answers at once, and diagnostics of saved
worlds never load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Audit": "auditing",
    "Choice": "master",
    "as_models": "views",
    "audit": "auditing",
    "from_pyro": "pyro_runs",
    "calibrate": "calibration",
    "choose": "master",
    "enumerate_worlds": "exact_worlds",
    "extend_posterior": "posterior",
    "load": "store",
    "pair": "views",
    "regroup": "views",
    "revise": "revisions",
    "sample_posterior": "posterior",
    "sample_worlds": "worlds",
    "save": "store",
    "simplicity": "simple_worlds",
    "with_rare_worlds": "power",
    "with_scores": "scores",
}
_MODULES = ("arrays", "diagnostics", "peers", "penalties", "plots", "testbed", "training")

__all__ = [
    "Audit",
    "Choice",
    "arrays",
    "as_models",
    "audit",
    "calibrate",
    "choose",
    "diagnostics",
    "enumerate_worlds",
    "extend_posterior",
    "from_pyro",
    "load",
    "pair",
    "peers",
    "penalties",
    "plots",
    "regroup",
    "revise",
    "sample_posterior",
    "sample_worlds",
    "save",
    "simplicity",
    "testbed",
    "training",
    "with_rare_worlds",
    "with_scores",
]

if TYPE_CHECKING:
    from inference import arrays, diagnostics, peers, penalties, plots, testbed, training
    from inference.auditing import Audit, audit
    from inference.calibration import calibrate
    from inference.exact_worlds import enumerate_worlds
    from inference.master import Choice, choose
    from inference.posterior import extend_posterior, sample_posterior
    from inference.power import with_rare_worlds
    from inference.pyro_runs import from_pyro
    from inference.revisions import revise
    from inference.scores import with_scores
    from inference.simple_worlds import simplicity
    from inference.store import load, save
    from inference.views import as_models, pair, regroup
    from inference.worlds import sample_worlds


def __getattr__(name: str) -> Any:
    if name in _HOME:
        found = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    elif name in _MODULES:
        found = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found  # a function may share its module's name: the function wins
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
