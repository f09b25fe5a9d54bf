"""What is in a world: its sites, before and after the switch, their shapes and their names.

One run of the program tells it all. Everything that later runs a world for many draws holds the
shapes it gets against these.
"""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyro
import torch
from pyro import poutine

from counterfactual_models.deferred import Deferred
from counterfactual_models.errors import CounterfactualError, WorldError
from counterfactual_models.handlers import SeedSites, SetSwitch, Unedited, isolated
from counterfactual_models.primitives import ROLE

__all__ = ["Anatomy", "Site", "dissect", "is_site", "read_program", "role_of", "translated"]

_OURS = {Path(__file__).parent.name, "inference"}
_UNOBSERVED = "_unobserved"  # Pyro's own, for what `obs_mask` leaves open


@dataclass(frozen=True)
class Site:
    """One site of a world.

    Parameters
    ----------
    name
        As in the program.
    role
        ``past`` (a latent or a datum before the switch), ``future`` (a site after it),
        ``measurement``, or ``deterministic`` (before the switch).
    value
        What it was in the run that was looked at; gives shape and dtype.
    batch_ndim
        How many leading axes are batch axes of its distribution.
    dims
        A name per axis of `value`, None where the program names none.
    fn
        Its distribution.
    observed
        Whether the program itself fixes its value, by ``obs=`` or by computing it.
    computed
        Whether it is a function of other sites: a measurement, ``pyro.deterministic``, or a site
        that ``pyro.infer.reparam`` made one.
    auxiliary
        Whether the program asks not to keep it, by ``infer={"is_auxiliary": True}``.
    tempered
        Whether its density is scaled or masked (``poutine.scale``, ``poutine.mask``).
    mask
        Which places of its batch count, as the program said it; None where all do.
    subsampled
        Whether a plate around it takes only some of its places (``subsample_size``).
    """

    name: str
    role: str
    value: torch.Tensor
    batch_ndim: int
    dims: tuple[str | None, ...]
    fn: Any
    observed: bool
    computed: bool
    auxiliary: bool
    tempered: bool
    mask: Any = None
    subsampled: bool = False


@dataclass(frozen=True)
class Anatomy:
    """All sites of a world in the order they run.

    Parameters
    ----------
    sites
        By name, the switch excluded.
    switch
        Name of the switch; None when the world was cut before it, or the program has none.
    nesting
        Greatest number of batch axes of any site: an outer plate over draws goes beyond it.
    future
        Names of the sites after the switch.
    switch_probability
        P(X=1), to the seven digits of single precision; None where there is no switch.
    """

    sites: Mapping[str, Site]
    switch: str | None
    nesting: int
    future: frozenset[str] = frozenset()
    switch_probability: float | None = None

    def named(self, *roles: str) -> dict[str, Site]:
        """Pick the sites of the roles given, in order."""
        return {name: site for name, site in self.sites.items() if site.role in roles}

    @property
    def data(self) -> dict[str, torch.Tensor]:
        """What the program itself observes (``obs=``, ``pyro.factor``, ``condition``)."""
        return {n: s.value for n, s in self.sites.items() if s.observed and not s.computed}

    def __str__(self) -> str:
        def told(heading: str, names: list[str]) -> str:
            sites = [self.sites[name] for name in names]
            shown = [f"{s.name}{list(s.value.shape) if s.value.ndim else ''}" for s in sites]
            return f"{heading:<13}{', '.join(shown) or '-'}"

        measured = list(self.named("measurement"))
        before = [n for n in self.sites if n not in self.future and n not in measured]
        after = [n for n in self.sites if n in self.future and n not in measured]
        lines = [told("past", before), f"{'switch':<13}{self.switch or '-'}"]
        return "\n".join([*lines, told("future", after), told("measured", measured)])

    def numbers(self, *, scored: bool) -> int:
        """How many numbers one run holds; deferred likelihoods count if the run is scored."""
        held = [s for s in self.sites.values() if scored or not isinstance(s.fn, Deferred)]
        return max(1, sum(site.value.numel() for site in held))


def dissect(
    world: Callable[..., Any], disciple: Callable[..., Any], *, on: int = 0, seed: int = 0
) -> Anatomy:
    """Run a world once and read its anatomy from the trace.

    Parameters
    ----------
    world, disciple
        The program and the policy it is run with.
    on
        Value of the switch X, 0 or 1.
    seed
        For the numbers of this one run.

    Returns
    -------
    Anatomy

    Raises
    ------
    WorldError
        If the world has no switch or several, repeats a name, or fails; the site is named.

    Examples
    --------
    >>> from counterfactual_models import zoo
    >>> from counterfactual_models.disciples import erased
    >>> example = zoo.load("factory")
    >>> list(dissect(example.world, erased).named("past"))
    ['demand', 'orders']
    """
    if not callable(world):
        raise WorldError(
            f"got a world of type {type(world).__name__}; expected a function that takes the "
            "disciple."
        )
    trace = _run(SetSwitch(on)(partial(world, disciple)), "the world", seed)
    switches = [n for n, node in trace.nodes.items() if role_of(node) == "switch"]
    if len(switches) != 1:
        raise WorldError(
            f"the world has {len(switches)} switches{f' {switches}' * bool(switches)}; expected "
            "exactly one: act = wire(disciple, idle=...), or switch() where there is no policy."
        )
    if trace.nodes[switches[0]]["cond_indep_stack"] or trace.nodes[switches[0]]["value"].ndim:
        raise WorldError(
            f"the switch {switches[0]!r} sits inside a plate; expected one switch for the whole "
            "world: move wire(...) or switch(...) out of the plate."
        )
    for node in trace.nodes.values():
        _refuse_subsample(node)
    return _anatomy(trace, switches[0])


def read_program(
    program: Callable[[], Any], what: str = "the program", *, seed: int = 0
) -> Anatomy:
    """Run any Pyro program once, one without a switch too, and read its anatomy from the trace.

    Parameters
    ----------
    program
        Without arguments; bind them by ``functools.partial``.
    what
        How messages call it.
    seed
        For the numbers of this one run.

    Returns
    -------
    Anatomy
        Without a switch or a future. Plates may take only some of their places: `Site.subsampled`.

    Raises
    ------
    WorldError
        If the program repeats a name, edits a site in place, draws random numbers outside
        ``pyro.sample``, or fails; the site is named.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist
    >>> def model():
    ...     scale = pyro.sample("scale", dist.LogNormal(0.0, 1.0))
    ...     with pyro.plate("week", 3):
    ...         pyro.sample("orders", dist.Normal(0.0, scale))
    >>> read_program(model).sites["orders"].dims
    ('week',)
    """
    return _anatomy(_run(program, what, seed), None)


def _run(program: Callable[[], Any], what: str, seed: int) -> poutine.Trace:
    # Other threads (dask's event loop) may draw from `random` meanwhile; a world does so always.
    for patient in (True, True, False):
        try:
            with (
                isolated(seed),
                translated(what),
                SeedSites(seed, "anatomy", strict=True),
                Unedited(),
            ):
                return poutine.trace(program).get_trace()
        except WorldError as error:
            if not (patient and "outside pyro.sample" in str(error)):
                raise
    raise AssertionError("the last run returns or raises")


def _anatomy(trace: poutine.Trace, switch: str | None) -> Anatomy:
    """Read the sites off a trace; those after the switch are the future."""
    sites: dict[str, Site] = {}
    future: set[str] = set()
    after = False
    nesting = 0
    for name, node in trace.nodes.items():
        if not is_site(node):
            continue
        frames = [f for f in node["cond_indep_stack"] if f.vectorized]
        nesting = max([nesting, *(-f.dim for f in frames)])
        if name == switch:
            after = True
            continue
        sites[name] = _site(name, node, frames, after)
        future |= {name} if after else set()
        if sites[name].role in ("past", "future"):
            nesting = max(nesting, sites[name].batch_ndim)
    chance = None if switch is None else float(f"{trace.nodes[switch]['fn'].mean:.7g}")
    return Anatomy(sites, switch, nesting, frozenset(future), chance)


def is_site(node: Mapping[str, Any]) -> bool:
    """Tell a sample site from what else is in a trace: parameters, and the indices of plates."""
    return node["type"] == "sample" and type(node["fn"]).__name__ != "_Subsample"


def role_of(node: Mapping[str, Any]) -> str:
    """Tell what `switch` and `measure` said of a site; empty for all others."""
    return node.get("infer", {}).get(ROLE, "") if node["type"] == "sample" else ""


def _site(name: str, node: Mapping[str, Any], frames: list[Any], after: bool) -> Site:
    value = node["value"]
    if not isinstance(value, torch.Tensor):
        value = torch.as_tensor(value)
    fixed = bool(node["infer"].get("_deterministic")) or _is_reparametrised(node)
    if role_of(node) == "measurement":
        role = "measurement"
    elif after:
        role = "future"
    else:
        role = "deterministic" if fixed else "past"
    if not value.numel() and role == "measurement":
        raise WorldError(
            f"measurement {name!r} has shape {tuple(value.shape)}: there is nothing in it."
        )
    given = node["infer"].get("dims")
    if given is not None and len(given) != value.ndim:
        raise WorldError(
            f"measurement {name!r} has {value.ndim} axes, shape {tuple(value.shape)}, and dims "
            f"{list(given)}; expected a name for each axis."
        )
    batch_ndim = _batch_ndim(value, node, frames) if fixed else len(node["fn"].batch_shape)
    event = tuple(node["infer"].get("event_dims", ()))
    dims = tuple(given) if given is not None else _dims(value.ndim, batch_ndim, frames, event)
    return Site(
        name=name,
        role=role,
        value=value.detach(),
        batch_ndim=batch_ndim,
        dims=dims,
        fn=node["fn"],
        observed=node["is_observed"],
        computed=fixed,
        auxiliary=bool(node["infer"].get("is_auxiliary")),
        tempered=node["scale"] != 1
        or (node["mask"] is not None and not name.endswith(_UNOBSERVED)),
        mask=node["mask"],
        subsampled=any(f.full_size not in (None, f.size) for f in node["cond_indep_stack"]),
    )


def _dims(
    ndim: int, batch_ndim: int, frames: list[Any], event: tuple[str, ...]
) -> tuple[str | None, ...]:
    """Name axes by plates (counted from the right of the batch) and by `event_dims`."""
    names: list[str | None] = [None] * ndim
    for frame in frames:
        position = batch_ndim + frame.dim
        if 0 <= position < ndim:
            names[position] = frame.name
    for i, name in enumerate(event[: ndim - batch_ndim]):
        names[batch_ndim + i] = name
    return tuple(names)


def _batch_ndim(value: torch.Tensor, node: Mapping[str, Any], frames: list[Any]) -> int:
    """Find how many leading axes of a computed value belong to plates: what fits, if one does.

    When several fit, as for a plate of 3 and three numbers in each place, no axis is named: a
    wrong name is worse.
    """
    event = node["infer"].get("event_dim")
    if event is not None:
        return value.ndim - int(event)
    fits = [
        batch
        for batch in range(value.ndim + 1)
        if all(0 <= batch + f.dim < batch and value.shape[batch + f.dim] == f.size for f in frames)
    ]
    return fits[0] if frames and len(fits) == 1 else 0


def _is_reparametrised(node: Mapping[str, Any]) -> bool:
    """Recognise what ``pyro.infer.reparam`` leaves: an observed point mass, masked from density.

    A point mass with a density, as in ``sample(name, Delta(flag), obs=1.0)``, is evidence.
    """
    fn, masked = node["fn"], False
    while hasattr(fn, "base_dist"):
        masked = masked or getattr(fn, "_mask", None) is False
        fn = fn.base_dist
    return bool(node["is_observed"]) and masked and isinstance(fn, pyro.distributions.Delta)


def _refuse_subsample(node: Mapping[str, Any]) -> None:
    if node["type"] != "sample" or is_site(node):
        return
    fn: Any = node["fn"]
    if fn.subsample_size is not None and fn.subsample_size < fn.size:
        raise WorldError(
            f"plate {node['name']!r} takes {fn.subsample_size} of {fn.size} places at random; "
            "a world holds all of them: leave subsample_size out."
        )


class translated:
    """Turns what Pyro and torch say when a world fails into what its author can act on."""

    def __init__(self, what: str = "the world") -> None:
        self.what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, CounterfactualError):  # Pyro adds the shapes of all sites to it
            text = str(error).partition("Trace Shapes:")[0].strip()
            plain = "world" not in self.what
            error.args = (text.replace("the world", self.what) if plain else text,)
            return
        if not isinstance(error, Exception) or isinstance(error, Warning):
            return
        text = " ".join(str(error).partition("Trace Shapes:")[0].split())
        if "Multiple sample sites named" in text:
            name = text.split("'")[1]
            raise WorldError(
                f"{self.what} has two sites named {name!r}; give each site, measurement and "
                "plate a name of its own (a plate entered twice is made once: p = plate(...))."
            ) from error
        raise WorldError(
            f"{self.what} failed{_place(error)}: {type(error).__name__}: {text}"
        ) from error


def _place(error: Exception) -> str:
    """Say where in the user's own file it happened: the last frame outside the libraries."""
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename
        and not _OURS & set(Path(frame.filename).parts[-3:-1])
    ]
    return f" at {Path(own[-1].filename).name}, line {own[-1].lineno}" if own else ""
