"""What does each draw expect of the evidence? Means and variances, or draws where there are none.

A distribution serves by its moments where its elements are independent and have a mean and a
variance each; of all others the evidence is drawn anew.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

import numpy as np
import torch

from counterfactual_models.handlers import derive_seed, isolated, seed_torch
from inference.passes import Message, Pass, Program
from inference.scores.programs import log_prob_of, looked_at, unchecked
from inference.scores.rows import Mapped, Rows, Task
from inference.scores.supports import unwrapped
from inference.scores.ways import OneByOne, Pins

__all__ = ["MomentKeeper", "fill_moments", "look_at"]

_MEAN, _VARIANCE, _DRAWN = "mean ", "variance ", "drawn "


class MomentKeeper(Protocol):
    """What is done with the moments of a site."""

    def take(self, part: slice, mean: np.ndarray, variance: np.ndarray | None) -> None:
        """Take in some rows; a part that begins with the first row begins anew."""

    def finite(self) -> bool:
        """Tell whether all that was taken in is finite."""

    def heavy(self) -> None:
        """Expect draws that have no variance."""


def fill_moments(
    program: Program,
    rows: Rows,
    names: Sequence[str],
    keepers: Mapping[str, MomentKeeper],
    *,
    fixed: Pins,
    seed: int,
    watch: Callable[[int], Any],
) -> None:
    """Give each keeper means and variances, or draws where there are none.

    Parameters
    ----------
    program, rows, fixed
        What is run, and what is pinned.
    names
        Evidence sites.
    keepers
        By site.
    seed
        For data that are drawn.
    watch
        Told how many rows are done.
    """
    exact, heavy = _with_moments(OneByOne(program, fixed), rows, names)
    if exact:

        def take(part: slice, found: dict[str, torch.Tensor]) -> None:
            for name in exact:
                keepers[name].take(
                    part, found[_MEAN + name].numpy(), found[_VARIANCE + name].numpy()
                )

        Mapped(program, fixed).over(_task(program, exact), rows, take, watch=watch)
    # A mean that overflows in some draw is no mean.
    heavy += [name for name in exact if not keepers[name].finite()]
    for name in heavy:
        keepers[name].heavy()
    drawn = [name for name in names if name not in exact or name in heavy]
    if drawn:

        def take_drawn(part: slice, found: dict[str, torch.Tensor]) -> None:
            for name in drawn:
                keepers[name].take(part, found[_DRAWN + name].numpy(), None)

        held = look_at({name: (name, log_prob_of) for name in drawn})
        Mapped(program, fixed).over(
            _drawing(drawn, seed), rows, take_drawn, watch=watch, held=held
        )


def _with_moments(way: OneByOne, rows: Rows, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Name the sites whose elements have two moments each and no others' company; and the heavy.

    Heavy tails have no variance, or no mean.
    """
    exact = list(names)
    heavy: list[str] = []
    for at in rows.few():
        pins = {name: value[0] for name, value in rows.at(np.array([at])).items()}
        with isolated(0), unchecked(), torch.no_grad():
            happened = way.run(pins, {})
        for name in list(exact):
            fn = looked_at(happened.sites[name]["fn"])
            try:
                finite = all(bool(v.isfinite().all()) for v in (fn.mean, fn.variance))
            except (NotImplementedError, AttributeError):
                exact.remove(name)
                continue
            if not finite:
                heavy.append(name)
            if not finite or unwrapped(fn).event_shape:
                exact.remove(name)
    return exact, heavy


def _task(program: Program, names: Sequence[str]) -> Task:
    shapes = {name: program.anatomy.sites[name].value.shape for name in names}

    def moment(kind: str, message: Message) -> torch.Tensor:
        fn = looked_at(message["fn"])
        value = fn.mean if kind == _MEAN else fn.variance
        own = shapes[message["name"]]
        # Under a plate there are draws in front.
        return value.expand(torch.Size([*value.shape[: max(0, value.ndim - len(own))], *own]))

    wanted = {
        kind + name: (name, lambda message, kind=kind: moment(kind, message))
        for name in names
        for kind in (_MEAN, _VARIANCE)
    }
    return look_at(wanted)


def look_at(
    wanted: Mapping[str, tuple[str, Callable[[Message], torch.Tensor]]],
) -> Task:
    """Make a task of reading off sites: key -> site, and what is read of it."""

    def extract(happened: Pass) -> dict[str, torch.Tensor]:
        return {key: read(happened.sites[site]) for key, (site, read) in wanted.items()}

    return lambda way, pins, rows: way.look(extract, pins, rows)


def _drawing(names: Sequence[str], seed: int) -> Task:
    numbers = count()

    def extract(happened: Pass) -> dict[str, torch.Tensor]:
        seed_torch(derive_seed(seed, "data", next(numbers)))
        return {_DRAWN + name: _draw(looked_at(happened.sites[name]["fn"])) for name in names}

    return lambda way, pins, rows: way.look(extract, pins, rows)


def _draw(fn: Any) -> torch.Tensor:
    """Draw, and own up where the distribution is beyond what its sampler can do."""
    value: torch.Tensor = fn.sample()
    try:
        fits = bool(fn.support.check(value).all())
    except NotImplementedError:
        fits = True
    return value if fits else torch.full_like(value, torch.nan)
