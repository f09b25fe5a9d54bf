"""What can happen in a world? It is run down one path after the other, depth first.

A site's value may decide which sites come after it: each run makes the decisions that the last one
made, but for the last that has a value left, and goes on from there with first values.
"""

import math
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from pyro.poutine.messenger import Messenger

from counterfactual_models.anatomy import is_site, role_of
from counterfactual_models.errors import EvidenceError, WorldError
from inference.exact.finite_sites import (
    is_certain,
    law_of_latent,
    log_probability,
    refuse_density,
)
from inference.passes import Message, Program

__all__ = ["flat_numbers", "refuse_many", "walk"]

_LARGEST_WHOLE = 2**53


def walk(
    program: Program, measured: Sequence[str], *, limit: int
) -> Iterator[tuple[float, np.ndarray]]:
    """Run a program down every path; the caller isolates it.

    Parameters
    ----------
    program
        The world with its switch set, and the evidence.
    measured
        Measurements that are wanted, in order.
    limit
        Most paths.

    Yields
    ------
    tuple of float and np.ndarray
        Log of what the path and its evidence weigh, -inf if the evidence rules it out, and its
        measured numbers, one after the other.

    Raises
    ------
    WorldError
        If there are more paths, a latent site has no finite list of values, or the program is not
        a function of what it samples: it draws other random numbers, or keeps a state.
    """
    path = _Path(program)
    size = sum(program.anatomy.sites[name].value.numel() for name in measured)
    while True:
        before = _random_states()
        try:
            with torch.no_grad(), path:
                program.call()
        except _Impossible:
            yield -math.inf, np.zeros(size)
        else:
            if _random_states() != before:
                raise WorldError(
                    f"{program.what} draws random numbers outside pyro.sample (torch.rand, "
                    "dropout) on one of its paths: no list of values holds them. Draw them with "
                    "pyro.sample(name, distribution)."
                )
            numbers = [_measured(path.measured, name, program) for name in measured]
            yield path.log_weight, np.concatenate([np.empty(0), *numbers])
        if not path.turn():
            return
        path.taken += 1
        refuse_many(program, path.taken, limit, path.open)


def _random_states() -> tuple[Any, ...]:
    numbers = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 (the program's)
    of_torch = torch.get_rng_state().numpy().tobytes()
    return of_torch, numbers["key"].tobytes(), numbers["pos"], random.getstate()


class _Impossible(BaseException):
    """Unwinds a path that the evidence rules out; never leaves :func:`walk`.

    No ``Exception``, so that a program's own ``except Exception`` does not swallow it.
    """


class _Path(Messenger):
    """Gives every latent place the value that is its turn, and weighs what happens."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.taken = 1
        self.decisions: list[tuple[int, int, str]] = []  # value, values there are, site

    @property
    def open(self) -> Collection[str]:
        """Sites with a choice, on this path."""
        return dict.fromkeys(name for _, _, name in self.decisions)

    def turn(self) -> bool:
        """Go on to the next path; False after the last."""
        while self.decisions:
            value, ways, name = self.decisions.pop()
            if value + 1 < ways:
                self.decisions.append((value + 1, ways, name))
                return True
        return False

    def __enter__(self) -> Any:
        self.made, self.log_weight = 0, 0.0
        self.measured: dict[str, Any] = {}
        self.seen: set[str] = set()
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        if kind is not None:
            return
        missing = [name for name in self.program.evidence if name not in self.seen]
        if missing:
            raise EvidenceError(
                f"{self.program.what}: the evidence names {missing[0]!r}, which is there on one "
                "path and not on another; expected it on every path."
            )
        if self.made < len(self.decisions):
            self._refuse_another_run(self.decisions[self.made][2])

    def _pyro_sample(self, msg: Message) -> None:
        name = msg["name"]
        if not is_site(msg) or role_of(msg) == "switch" or msg["infer"].get("_deterministic"):
            return
        self._refuse_twin(name)
        if name in self.program.evidence:
            msg["value"] = self.program.evidence[name]
            msg["is_observed"] = True
        if msg["is_observed"]:
            self.log_weight += float(log_probability(msg).sum())
            if self.log_weight == -math.inf:
                raise _Impossible
            if math.isnan(self.log_weight):
                raise WorldError(
                    f"the log-probability of {name!r} is no number; check the parameters of its "
                    "distribution."
                )
        elif not msg["done"] and is_certain(msg["fn"]):
            refuse_density(msg)
        elif not msg["done"]:
            msg["value"] = self._decided(msg)
            msg["done"] = True

    def _pyro_post_sample(self, msg: Message) -> None:
        if role_of(msg) == "measurement":
            self._refuse_twin(msg["name"])
            self.measured[msg["name"]] = msg["value"]

    def _decided(self, msg: Message) -> torch.Tensor:
        kinds, table = law_of_latent(msg)
        places = table.shape[1:]
        chances = table.reshape(len(kinds), -1).numpy()
        ways = (chances > 0).sum(0)
        chosen = (chances > 0).argmax(0)
        for place in np.flatnonzero(ways > 1):
            turn = self._next(int(ways[place]), msg["name"])
            chosen[place] = np.flatnonzero(chances[:, place])[turn]
        taken = np.take_along_axis(chances, chosen[None], 0)
        self.log_weight += float(np.log(taken).sum())
        return kinds[torch.from_numpy(chosen)].reshape((*places, *kinds.shape[1:]))

    def _next(self, ways: int, name: str) -> int:
        if self.made == len(self.decisions):
            self.decisions.append((0, ways, name))
        value, before, who = self.decisions[self.made]
        if (before, who) != (ways, name):
            self._refuse_another_run(name)
        self.made += 1
        return value

    def _refuse_twin(self, name: str) -> None:
        if name in self.seen:
            raise RuntimeError(f"Multiple sample sites named '{name}'")
        self.seen.add(name)

    def _refuse_another_run(self, name: str) -> None:
        raise WorldError(
            f"site {name!r} is another in two runs with the same values before it: the world, or "
            "its disciple, keeps a state or random numbers of its own. Draw them with "
            "pyro.sample(name, distribution)."
        )


def refuse_many(program: Program, paths: float, limit: int, sites: Collection[str]) -> None:
    """Refuse a world with too many paths.

    Parameters
    ----------
    program
        What is run.
    paths
        How many there are, as far as they were counted.
    limit
        Most paths.
    sites
        Those that branch, in order.

    Raises
    ------
    WorldError
        If there are more paths than the limit.
    """
    if paths <= limit:
        return
    shown = ", ".join(map(repr, list(sites)[:8])) + ", ..." * (len(sites) > 8)
    raise WorldError(
        f"{program.what} has more than {limit} paths; its sites that branch are {shown}. Every "
        "value of every place counts, also of a site that no measurement depends on (a slip "
        "that is not taken): give such a site the one value that it needs, by a probability of "
        "1, or leave it out. Or give a larger limit=, or draw the world with sample_worlds."
    )


def _measured(values: Mapping[str, Any], name: str, program: Program) -> np.ndarray:
    if name not in values:
        raise WorldError(
            f"measurement {name!r} is there on one path of {program.what} and not on another; "
            "measure the same things on every path."
        )
    value = torch.as_tensor(values[name]).detach()
    expected = tuple(program.anatomy.sites[name].value.shape)
    if tuple(value.shape) != expected:
        raise WorldError(
            f"{program.what}: {name!r} has shape {tuple(value.shape)} on one path and {expected} "
            "on another; expected the same on every path."
        )
    return flat_numbers(value[None], name, program.what)[0]


def flat_numbers(values: torch.Tensor, name: str, what: str) -> np.ndarray:
    """Lay measured values (path, ...) out as float64 (path, number), or refuse them.

    Raises
    ------
    WorldError
        If a number is not finite, or a whole number that floating point cannot hold.
    """
    found: np.ndarray = values.double().numpy().reshape(len(values), -1)
    if not np.isfinite(found).all():
        worst = found[~np.isfinite(found)][0]
        raise WorldError(
            f"{what}: measurement {name!r} is {worst} on a path; expected finite numbers."
        )
    whole = not values.is_floating_point()
    if whole and found.size and abs(found).max() > _LARGEST_WHOLE:
        raise WorldError(
            f"{what}: measurement {name!r} has whole numbers beyond 2^53, which floating point "
            "cannot tell apart; measure them modulo 2^53, or a difference."
        )
    return found
