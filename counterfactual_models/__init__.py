"""Worlds as Pyro programs with a switch: what a world may say, and what may be done to it.

Nothing is imported until it is used, so that `counterfactual_models.errors` stays free of torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "CounterfactualError": "errors",
    "Deferred": "deferred",
    "Disciple": "disciples",
    "DiscipleError": "errors",
    "EvidenceError": "errors",
    "ImpactWarning": "errors",
    "MeasurementError": "errors",
    "PosteriorError": "errors",
    "Utility": "utilities",
    "WorldError": "errors",
    "check_world": "checks",
    "from_gymnasium": "environments",
    "measure": "primitives",
    "switch": "primitives",
    "wire": "primitives",
}
_MODULES = ("disciples", "environments", "errors", "handlers", "utilities", "zoo")

__all__ = [
    "CounterfactualError",
    "Deferred",
    "Disciple",
    "DiscipleError",
    "EvidenceError",
    "ImpactWarning",
    "MeasurementError",
    "PosteriorError",
    "Utility",
    "WorldError",
    "check_world",
    "disciples",
    "environments",
    "errors",
    "from_gymnasium",
    "handlers",
    "measure",
    "switch",
    "utilities",
    "wire",
    "zoo",
]

if TYPE_CHECKING:
    from counterfactual_models import (
        disciples,
        environments,
        errors,
        handlers,
        utilities,
        zoo,
    )
    from counterfactual_models.checks import check_world
    from counterfactual_models.deferred import Deferred
    from counterfactual_models.disciples import Disciple
    from counterfactual_models.environments import from_gymnasium
    from counterfactual_models.errors import (
        CounterfactualError,
        DiscipleError,
        EvidenceError,
        ImpactWarning,
        MeasurementError,
        PosteriorError,
        WorldError,
    )
    from counterfactual_models.primitives import measure, switch, wire
    from counterfactual_models.utilities import Utility


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
