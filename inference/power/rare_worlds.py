r"""Which erased worlds are as good as what a disciple achieved, where no draw of them is?

Two ways beyond the draws of P(e,S,0):

* *importance*: the worlds of the disciple itself, weighed by how much likelier they are in the
  erased world. Cheap, and right where the disciple changes what sites are drawn from, a little;
  k-hat tells. What nothing tells: erased worlds that are as good in a way the disciple never
  takes. Then the bits are too many, and splitting finds fewer.
* *splitting*: of many erased worlds the better half is kept and moved about until it is a sample
  again, then halved again: the number of halvings is the optimization power in bits. It needs to
  run the world a hundred thousand times, and four runs that know nothing of each other.

What is added to the tree:

`rare_ratios`
    ``log_ratio`` and ``erased_utility`` (disciple, chain, draw[, future]): the log of
    p(w | X=0) / p(w | S, X=1), and what the same sites are worth where it is erased.
`rare_worlds`
    ``utility`` and ``log_weight`` (rare_run, rare_draw): draws of P(e,S,0) from its middle up to
    the target, whose weights add up to one in each run; and ``run_bits``.
`rare_scores`
    After ``with_scores``: for each evidence site the mean score of the erased worlds that reach
    the target, (rare_run, ...).

References: S.-K. Au, J. L. Beck, "Estimation of small failure probabilities in high dimensions by
subset simulation", Probabilistic Engineering Mechanics 16 (2001). E. Hubinger et al., "Risks from
learned optimization" (2019), section 2.1: bits as "the number of times the optimizer is able to
divide the search space in half".
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.disciples import Disciple
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    WorldError,
    refuse_counts,
)
from inference import schema
from inference.arrays.order.own_draws import COUNTED, judged_draws
from inference.arrays.order.splitting import SplitTail, split_tail
from inference.drawn_plans import plans_of
from inference.posterior.engine import bar
from inference.power.noisy_world import NoisyWorld, drawn_singly
from inference.power.rare_scores import rare_scores
from inference.power.ratios import log_ratios
from inference.utility_values import fingerprint, utility_values
from inference.world_plans import WorldPlans

__all__ = ["with_rare_worlds"]

_METHODS = ("auto", "importance", "splitting")
_OFTEN = 0.95
"""Quantile of what a disciple achieves: if chance is as good often enough, it is counted."""


@dataclass(frozen=True)
class _Splitting:
    """How splitting is done."""

    particles: int
    steps: int
    runs: int
    most_bits: float
    seed: int


@dataclass(frozen=True)
class _Question:
    """Of which worlds rare ones are asked for, how good they must be, and how they are found."""

    plans: WorldPlans
    worlds: xr.DataTree
    utility: Callable[..., Any]
    values: xr.DataArray
    target: float
    method: str
    splitting: _Splitting
    progress: bool

    @property
    def attrs(self) -> dict[str, Any]:
        """Tell what every group is of."""
        names = self.plans.names
        told = {n: fingerprint(self.values.sel({schema.DISCIPLE: n})) for n in names}
        return {"utility": told, "target": self.target, "seed": int(self.splitting.seed)}

    def rare(self, target: float) -> bool:
        """Tell whether fewer erased draws are as good than can be counted."""
        return int((self.values.values[0] >= target).sum()) < COUNTED


def with_rare_worlds(
    world: Callable[..., Any],
    worlds: xr.DataTree,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    utility: Callable[[Mapping[str, Any]], Any],
    *,
    method: str = "auto",
    target: float | None = None,
    particles: int = 500,
    steps: int = 10,
    runs: int = 4,
    most_bits: float = 200.0,
    seed: int = 0,
    progress: bool = True,
) -> xr.DataTree:
    r"""Add to worlds the erased worlds that are as good as what disciples achieved.

    What :func:`inference.diagnostics.optimization_power` then reads instead of counting draws,
    where fewer than ten erased draws are as good. The groups are in the head of this module.

    Parameters
    ----------
    world, worlds, disciples
        The program, what ``sample_worlds`` returned for it, and the disciples given there.
    utility
        Called with {name: values} of all that was measured or drawn; gives a number per draw.
    method
        ``importance``, ``splitting``, or ``auto``: nothing where draws can be counted, else both,
        each held against the other; importance alone where its weights can be trusted for every
        disciple and the world runs one draw at a time, or its sites are made of no noise.
    target
        Utility up to which splitting goes; by default the best of any disciple's draws.
    particles, steps, runs
        Of splitting: worlds in a run, moves of each between two halvings, and independent runs.
        It runs the world some ``particles * steps * runs`` times a bit.
    most_bits
        Where splitting gives up: of better draws the bits are then a lower bound.
    seed
        Of splitting.
    progress
        Show a progress bar, if there is a terminal.

    Returns
    -------
    xr.DataTree
        A new tree, with all that was there.

    Raises
    ------
    CounterfactualError
        If the method is none of these, the target no finite number, or a count too small.
    WorldError, DiscipleError, MeasurementError
        If worlds, disciples and world do not belong together; if the method asked for cannot be
        used, and why.

    Warns
    -----
    ImpactWarning
        If splitting got stuck, gave up, or its runs do not agree.

    Examples
    --------
    >>> import inference
    >>> from counterfactual_models import zoo
    >>> ex = zoo.load("gaussian")
    >>> past = inference.sample_posterior(ex.world, ex.evidence, draws=100, progress=False)
    >>> worlds = inference.sample_worlds(ex.world, past, ex.disciples, progress=False)
    >>> high = lambda measured: measured["level"].sum("outcome")
    >>> "rare_ratios" in with_rare_worlds(ex.world, worlds, ex.disciples, high).children
    True
    """
    splitting = _Splitting(particles, steps, runs, most_bits, seed)
    _refuse_options(method, target, splitting)
    plans = plans_of(world, worlds, disciples)
    values = utility_values(schema.predictions(worlds), plans.names, utility)
    best = _best(values) if target is None else float(target)
    asked = _Question(plans, worlds, utility, values, best, method, splitting, progress)
    return _joined(worlds, _groups(asked))


def _groups(asked: _Question) -> dict[str, xr.Dataset]:
    """Weigh what may be weighed, and split what else is too rare to be counted."""
    groups: dict[str, xr.Dataset] = {}
    if asked.method == "auto" and not asked.rare(asked.target):
        return groups
    trusted = False
    if asked.method != "splitting":
        ratios, trusted = _ratios(asked)
        groups |= {} if ratios is None else {schema.RARE_RATIOS: ratios}
    if asked.method == "importance" or (trusted and drawn_singly(asked.plans)):
        return groups
    try:
        groups |= _split(asked)
    except WorldError as error:
        if not trusted:
            raise
        groups[schema.RARE_RATIOS].attrs["not_split"] = str(error)
    return groups


def _best(values: xr.DataArray) -> float:
    if len(values) < 2:
        raise DiscipleError(
            "there is no disciple whose draws could be the target; give target=, a utility."
        )
    return float(values.values[1:].max())


def _ratios(asked: _Question) -> tuple[xr.Dataset | None, bool]:
    """Weigh the draws of every disciple; and tell whether all their weights can be trusted."""
    plans, values = asked.plans, asked.values
    drawn = schema.predictions(asked.worlds)
    found, why, trusted = {}, {}, True
    with bar(
        2 * plans.draws * plans.futures * (len(plans.names) - 1), "ratios", asked.progress
    ) as shown:
        for name in plans.names[1:]:
            try:
                found[name] = log_ratios(plans, drawn, name, asked.utility, shown.update)
            except CounterfactualError as error:
                if asked.method == "importance":
                    reason = str(error).rstrip(".")
                    raise type(error)(
                        f"disciple {name!r} cannot be weighed: {reason}. Use method='splitting'."
                    ) from error
                why[name] = str(error)
    if not found:
        return None, False
    lead = [schema.DISCIPLE, *plans.lead]
    shape = len(found), *plans.shape
    for name, (ratio, erased_utility) in found.items():
        own = values.sel({schema.DISCIPLE: name}).values
        if asked.rare(float(np.quantile(own, _OFTEN))):
            shaped = ratio.reshape(plans.shape), erased_utility.reshape(plans.shape)
            trusted = trusted and judged_draws(*shaped, values.values[0], own).reliable
    variables = {
        kind: (lead, np.stack([pair[place] for pair in found.values()]).reshape(shape))
        for place, kind in enumerate(("log_ratio", "erased_utility"))
    }
    told = schema.encode_attrs({**asked.attrs, "not_weighed": why})
    return (
        xr.Dataset(variables, coords={schema.DISCIPLE: list(found)}, attrs=told),
        trusted and not why,
    )


def _split(asked: _Question) -> dict[str, xr.Dataset]:
    """Split the erased worlds, and score those that reach the target."""
    noisy = NoisyWorld(asked.plans, schema.predictions(asked.worlds), asked.utility)
    if noisy.looped:
        each = asked.splitting.particles * asked.splitting.steps * asked.splitting.runs
        warnings.warn(
            f"the erased world runs one draw at a time, and splitting runs it {each:,} times a "
            "bit: that takes long. Write it so that draws run at once (plates, no shapes of one "
            "draw), or take fewer particles.",
            ImpactWarning,
            stacklevel=4,
        )
    tail, attrs = _halved(noisy, asked), asdict(asked.splitting) | asked.attrs
    if tail.given_up:
        top = tail.common
        warnings.warn(
            f"splitting gave up at {asked.splitting.most_bits:g} bits, at utility {top:.6g} of "
            f"{asked.target:.6g}: of better draws the bits are a lower bound. Let most_bits be "
            "larger.",
            ImpactWarning,
            stacklevel=4,
        )
        attrs = attrs | {"target": top, "wanted": asked.target}
        tail = tail.up_to(top)
    if not tail.reliable:
        warnings.warn(
            f"splitting is not to be trusted: {'; '.join(tail.reasons)}. Take more steps, or more "
            "particles.",
            ImpactWarning,
            stacklevel=4,
        )
    groups = {schema.RARE_WORLDS: _labelled(tail, attrs)}
    scores = rare_scores(noisy, asked.worlds, tail)
    return groups | ({} if scores is None else {schema.RARE_SCORES: scores})


def _halved(noisy: NoisyWorld, asked: _Question) -> SplitTail:
    with bar(int(asked.splitting.most_bits), "halvings", asked.progress) as shown:
        return split_tail(
            noisy.start,
            noisy.evaluate,
            asked.target,
            progress=lambda bits: shown.update(max(0, int(bits) - shown.n)),
            **asdict(asked.splitting),
        )


def _labelled(tail: SplitTail, attrs: dict[str, Any]) -> xr.Dataset:
    dims = (schema.RARE_RUN, schema.RARE_DRAW)
    told = {
        "reliable": bool(tail.reliable),
        "reasons": list(tail.reasons),
        "evaluations": int(tail.evaluations),
        "stuck": int(tail.stuck),
        "lower": float(tail.lower),
        "sd_within": float(tail.sd_within),
    }
    return xr.Dataset(
        {
            "utility": (dims, tail.utility),
            "log_weight": (dims, tail.log_weight),
            "run_bits": (schema.RARE_RUN, tail.bits_runs),
        },
        attrs=schema.encode_attrs({**attrs, **told}),
    )


def _joined(worlds: xr.DataTree, groups: Mapping[str, xr.Dataset]) -> xr.DataTree:
    """Lay the new groups beside the old ones; those of an earlier call go."""
    tree = worlds.copy()
    for name in (schema.RARE_RATIOS, schema.RARE_WORLDS, schema.RARE_SCORES):
        if name in tree.children:
            del tree[name]
    for name, group in groups.items():
        tree[name] = xr.DataTree(group)
    return tree


def _refuse_options(method: str, target: float | None, splitting: _Splitting) -> None:
    if method not in _METHODS:
        raise CounterfactualError(f"got method={method!r}; expected one of {list(_METHODS)}.")
    if target is not None and not np.isfinite(target):
        raise CounterfactualError(f"got target={target}; expected a finite utility.")
    refuse_counts(0, seed=splitting.seed)
    refuse_counts(20, particles=splitting.particles)
    refuse_counts(1, steps=splitting.steps)
    refuse_counts(2, runs=splitting.runs)
    if not 1 <= splitting.most_bits < np.inf:
        raise CounterfactualError(
            f"got most_bits={splitting.most_bits}; expected a number of at least 1."
        )
