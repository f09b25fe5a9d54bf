"""Inference over counterfactual worlds: posteriors, drawn worlds, diagnostics, plots, pages.

Nothing is imported until it is used: the command answers at once, and diagnostics of saved
worlds never load torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME = {
    "Audit": "auditing",
    "as_models": "views",
    "audit": "auditing",
    "from_pyro": "pyro_runs",
    "calibrate": "calibration",
    "extend_posterior": "posterior",
    "load": "store",
    "pair": "views",
    "regroup": "views",
    "sample_posterior": "posterior",
    "sample_worlds": "worlds",
    "save": "store",
}
_MODULES = ("arrays", "diagnostics", "plots", "training")

__all__ = [
    "Audit",
    "arrays",
    "as_models",
    "audit",
    "calibrate",
    "diagnostics",
    "extend_posterior",
    "from_pyro",
    "load",
    "pair",
    "plots",
    "regroup",
    "sample_posterior",
    "sample_worlds",
    "save",
    "training",
]

if TYPE_CHECKING:
    from inference import arrays, diagnostics, plots, training
    from inference.auditing import Audit, audit
    from inference.calibration import calibrate
    from inference.posterior import extend_posterior, sample_posterior
    from inference.pyro_runs import from_pyro
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
