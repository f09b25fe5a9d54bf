"""A block of draws, run all at once under a plate, or one by one.

At once is some hundred times faster, and right only where the program lets draws alone:
:mod:`inference.agreement` holds what comes out against single draws.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from pyro.distributions.util import scale_and_mask

from counterfactual_models.anatomy import Site
from counterfactual_models.errors import WorldError
from inference.mixing import DrawsMixed
from inference.passes import Message, Pass, Program, run_once

__all__ = ["Batch", "Block", "NotVectorisable", "run_abreast", "run_singly", "score_sites"]


class NotVectorisable(Exception):
    """A batch of draws gives something else than single draws do."""


@dataclass(frozen=True)
class Block:
    """Which draws to run, and what of them is wanted.

    Parameters
    ----------
    program
        What to run.
    pins
        Site name -> values, first axis = draws; all other sites are drawn.
    draws
        How many.
    key
        What the random numbers are derived from, beside each site's name.
    record, score
        Sites whose values, and evidence sites whose log-probabilities, are wanted.
    noise
        Site name -> standard normal numbers that its value is made of, first axis = draws.
    """

    program: Program
    pins: Mapping[str, torch.Tensor]
    draws: int
    key: Sequence[Any]
    record: Sequence[str]
    score: Sequence[str]
    noise: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @property
    def drawn(self) -> list[str]:
        """Sites that are no evidence and not computed; with them given, nothing is random."""
        sites, evidence = self.program.anatomy.sites, self.program.evidence
        return [name for name, site in sites.items() if not site.observed and name not in evidence]

    @property
    def computed(self) -> list[str]:
        """Sites that are functions of others."""
        return [name for name, site in self.program.anatomy.sites.items() if site.computed]

    @property
    def density(self) -> list[str]:
        """Sites whose distributions matter: those drawn here, and those scored."""
        return [*(name for name in self.drawn if name not in self.pins), *self.score]


@dataclass(frozen=True)
class Batch:
    """A block of draws as one pass under a plate left it.

    Parameters
    ----------
    happened
        The pass.
    values
        Name -> (draws, own shape) of all sites drawn or computed.
    log_prob
        Name -> (draws, own batch shape) of the sites scored.
    """

    happened: Pass
    values: dict[str, torch.Tensor]
    log_prob: dict[str, torch.Tensor]


def run_abreast(block: Block) -> Batch:
    """Run all draws under a plate, and bring what comes out to (draws, own shape).

    Raises
    ------
    NotVectorisable
        If a value has another shape than single draws have.
    """
    program, sites = block.program, block.program.anatomy.sites
    nesting = program.anatomy.nesting
    wide, noise = (
        {name: _spread(value, sites[name], nesting) for name, value in given.items()}
        for given in (block.pins, block.noise)
    )
    names = [*block.drawn, *block.computed]
    wanted = [*names, *block.score]
    with _judged_by_single_draws():
        happened = run_once(
            program,
            wide,
            block.key,
            wanted=wanted,
            compared=block.density,
            draws=block.draws,
            noise=noise,
        )
    values = {
        name: _narrowed(happened.sites[name]["value"], sites[name], nesting, block.draws)
        for name in names
    }
    return Batch(happened, values, score_sites(block, happened, block.score))


def score_sites(block: Block, happened: Pass, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """Log-probabilities of sites in a batch: name -> (draws, own batch shape).

    Raises
    ------
    NotVectorisable
        If a density has another shape than single draws have.
    """
    sites, nesting = block.program.anatomy.sites, block.program.anatomy.nesting
    found = {}
    for name in names:
        own = tuple(sites[name].value.shape[: sites[name].batch_ndim])
        shape = (block.draws, *_ones(nesting - len(own)), *own)
        with _judged_by_single_draws():
            log_prob = _log_prob(happened.sites[name])
        found[name] = _expanded(log_prob, shape, name).reshape(block.draws, *own)
    return found


def run_singly(
    block: Block,
    pins: Mapping[str, torch.Tensor],
    draws: int,
    record: Sequence[str],
    score: Sequence[str],
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Run draws one by one.

    Returns
    -------
    tuple
        Name -> (draws, ...) of the values, and of the log-probabilities.

    Raises
    ------
    WorldError
        If a site is not there in some draw, or has another shape.
    """
    program = block.program
    values: dict[str, list[torch.Tensor]] = {name: [] for name in record}
    log_prob: dict[str, list[torch.Tensor]] = {name: [] for name in score}
    for i in range(draws):
        one = {name: value[i] for name, value in pins.items()}
        key = (*block.key, "draw", i)
        noise = {name: value[i] for name, value in block.noise.items() if name not in pins}
        happened = run_once(program, one, key, wanted=[*record, *score], noise=noise)
        for name in record:
            value = torch.as_tensor(happened.sites[name]["value"]).detach()
            expected = program.anatomy.sites[name].value.shape
            if value.shape != expected:
                raise WorldError(
                    f"{program.what}: {name!r} has shape {tuple(value.shape)} in one "
                    f"draw and {tuple(expected)} in another; expected the same in every draw."
                )
            values[name].append(value)
        for name in score:
            log_prob[name].append(_log_prob(happened.sites[name]))
    return (
        {name: torch.stack(rows) for name, rows in values.items()},
        {name: torch.stack(rows) for name, rows in log_prob.items()},
    )


@contextmanager
def _judged_by_single_draws() -> Iterator[None]:
    """Whatever a program says to a batch, single draws decide whether it is an error."""
    try:
        yield
    except DrawsMixed as error:
        raise NotVectorisable(str(error)) from error
    except Exception as error:
        text = " ".join(str(error).split())[:160]
        raise NotVectorisable(f"{type(error).__name__}: {text}") from error


def _log_prob(site: Message) -> torch.Tensor:
    with torch.no_grad():
        log_prob = site["fn"].log_prob(site["value"], *site["args"], **site["kwargs"])
        return scale_and_mask(log_prob, site["scale"], site["mask"])


def _ones(count: int) -> tuple[int, ...]:
    return (1,) * max(0, count)


def _spread(value: torch.Tensor, site: Site, nesting: int) -> torch.Tensor:
    """Put draws (first axis) to the left of all plates."""
    return value.reshape(len(value), *_ones(nesting - site.batch_ndim), *value.shape[1:])


def _narrowed(value: Any, site: Site, nesting: int, draws: int) -> torch.Tensor:
    """Bring a value of a batch of draws to (draws, own shape), or refuse it."""
    value = torch.as_tensor(value)
    own = tuple(site.value.shape)
    if not site.computed:
        shape = (draws, *_ones(nesting - site.batch_ndim), *own)
        return _expanded(value, shape, site.name).reshape(draws, *own)
    rest = tuple(value.shape[1:])
    while len(rest) > len(own) and rest[0] == 1:
        rest = rest[1:]
    if value.ndim and len(value) == draws and rest == own:
        return value.reshape(draws, *own)
    if value.ndim <= len(own) or len(value) == 1:  # the same for every draw, unless checks object
        one = value.reshape(value.shape[-len(own) :] if own else ())
        return _expanded(one, own, site.name)[None].expand(draws, *own)
    raise NotVectorisable(
        f"{site.name!r} has shape {tuple(value.shape)} for a batch of {draws} draws and {own} "
        "for one"
    )


def _expanded(value: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    try:
        return value.expand(shape)
    except RuntimeError:
        raise NotVectorisable(
            f"{name!r} has shape {tuple(value.shape)} for a batch of draws, not {shape}"
        ) from None
