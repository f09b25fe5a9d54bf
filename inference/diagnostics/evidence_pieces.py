"""Which pieces of the evidence may be left out, and how likely is each in every draw?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from counterfactual_models.errors import EvidenceError, WorldError, nearest
from inference.arrays.blocks import block_bounds, effective_draws, widening
from inference.arrays.total_variation import FEWEST_EFFECTIVE
from inference.diagnostics.soundness import SLOWEST, refuse_few, slowest_latent
from inference.schema import (
    CHAIN,
    DATUM,
    DISCIPLE,
    DRAW,
    ERASED,
    EVIDENCE_DIRECT,
    EVIDENCE_SCORES,
    PAST_DRAW,
    decode_attrs,
    predictions,
)
from inference.stacking import labels_of

__all__ = ["LEFT_OUT", "Chunk", "Evidence", "Pieces", "gather_evidence"]

LEFT_OUT = "left_out"
SITE = "site"
WEIGHTS_AT_ONCE = 2**24
SAMPLED = 50
"""Pieces whose effective draws set the blocks."""


@dataclass(frozen=True)
class Pieces:
    """Pieces of evidence that are left out one after the other, of one site or of several.

    Parameters
    ----------
    labels
        Of the pieces.
    scores
        Site -> log-likelihood, shape (draw, piece, elements of a piece).
    """

    labels: list[str]
    scores: dict[str, np.ndarray]


@dataclass(frozen=True)
class Chunk:
    """Some pieces of evidence, and how the draws are weighed without them.

    Parameters
    ----------
    labels
        Of the pieces.
    log_ratios
        Minus their log-likelihoods, shape (piece, draw).
    readers
        Worlds that read them after the switch.
    """

    labels: list[str]
    log_ratios: np.ndarray
    readers: frozenset[str]


class Evidence:
    """Everything that may be left out, and the blocks of draws by which errors are judged.

    Parameters
    ----------
    pieces
        What may be left out.
    chains, draws
        Chains, and draws of each.
    readers
        Site -> worlds that read it after the switch.
    latents
        Effective draws of the slowest latent.

    Attributes
    ----------
    draws
        Draws of all chains together.
    typical
        Effective draws of the log-likelihoods: their 5 % quantile.
    bounds
        Blocks of draws.
    """

    def __init__(
        self,
        pieces: list[Pieces],
        chains: int,
        draws: int,
        readers: dict[str, set[str]],
        latents: float,
    ) -> None:
        self.pieces, self.chains, self.draws = pieces, chains, chains * draws
        self.readers, self.latents = readers, latents
        few = next(self.chunks(SAMPLED * self.draws)).log_ratios
        self.typical = float(np.quantile(self.effective(few), SLOWEST))
        self.bounds = block_bounds(chains, draws, effective=self.typical)

    def effective(self, log_ratios: np.ndarray) -> np.ndarray:
        """Tell how many independent draws each series is worth."""
        series = log_ratios.reshape(len(log_ratios), 1, self.chains, -1)
        return np.minimum(effective_draws(series, most=10)[:, 0], self.latents)

    def wider(self, sizes: np.ndarray) -> np.ndarray:
        """By how much the errors of series worth so many draws are widened."""
        return widening(np.maximum(sizes, FEWEST_EFFECTIVE), len(self.bounds) - 1)

    def chunks(self, numbers: int | None = None) -> Iterator[Chunk]:
        """Give the log ratios of some pieces after others, about so many numbers at a time."""
        room = max(1, (numbers or WEIGHTS_AT_ONCE) // self.draws)
        for some in self.pieces:
            readers = frozenset().union(*(self.readers.get(name, ()) for name in some.scores))
            for start in range(0, len(some.labels), room):
                chosen = [s[:, start : start + room] for s in some.scores.values()]
                log_ratios = -sum(s.sum(axis=2, dtype=float) for s in chosen).T
                labels = some.labels[start : start + room]
                yield Chunk(labels, np.ascontiguousarray(log_ratios), readers)


def gather_evidence(worlds: xr.DataTree, by: str | None) -> Evidence:
    """Cut the evidence of a tree of worlds into what is left out at a time.

    Parameters
    ----------
    worlds
        A tree of worlds with the group `log_likelihood`.
    by
        None for each datum, the name of a dim for each of its places, ``"site"`` for each site.

    Raises
    ------
    EvidenceError, WorldError
        If there is no such dim, or nothing to weigh by.
    """
    drawn = predictions(worlds)
    scored = _log_likelihood(worlds, drawn)
    chains, draws = scored.sizes[CHAIN], scored.sizes[DRAW]
    refuse_few(chains * draws)
    return Evidence(_pieces(scored, by), chains, draws, _readers(worlds), slowest_latent(worlds))


def _log_likelihood(worlds: xr.DataTree, drawn: xr.Dataset) -> xr.Dataset:
    """Take the log-likelihood of each datum, or say why there is none to weigh by."""
    if not isinstance(worlds, xr.DataTree) or "log_likelihood" not in worlds.children:
        raise WorldError(
            "these worlds have no group 'log_likelihood', whose inverse weighs draws; expected "
            "evidence on the past, and sample_posterior(..., log_likelihood=True)."
        )
    if PAST_DRAW in drawn:
        raise WorldError(
            "there is evidence after the switch, so every world has a posterior of its own and no "
            "weight serves them all; draw the worlds without that evidence, or revise them."
        )
    scored = worlds["log_likelihood"].to_dataset()
    if any(scored.sizes[dim] != drawn.sizes[dim] for dim in (CHAIN, DRAW)):
        raise WorldError(
            f"the log-likelihood has {dict(scored.sizes)} and the predictions {dict(drawn.sizes)}:"
            " expected the same chains and draws, as sample_worlds(...) returns them."
        )
    return scored.transpose(CHAIN, DRAW, ...)


def _pieces(scored: xr.Dataset, by: str | None) -> list[Pieces]:
    """Cut the evidence into what is left out at a time."""
    draws = scored.sizes[CHAIN] * scored.sizes[DRAW]
    values = {str(name): variable.values for name, variable in scored.data_vars.items()}
    for name, array in values.items():
        _refuse_infinite(name, array)
    if by is None or by == SITE:
        shape = (draws, -1, 1) if by is None else (draws, 1, -1)
        labels = {n: [n] if by else labels_of(scored[n], [CHAIN, DRAW]) for n in values}
        return [Pieces(labels[n], {n: v.reshape(shape)}) for n, v in values.items()]
    having = [name for name in values if by in scored[name].dims[2:]]
    if not having:
        dims = [SITE, *(str(dim) for dim in scored.dims if dim not in (CHAIN, DRAW))]
        raise EvidenceError(f"no site of the evidence has the dim {by!r}. {nearest(by, dims)}")
    places = scored[by].values if by in scored.coords else np.arange(scored.sizes[by])
    moved = {n: scored[n].transpose(CHAIN, DRAW, by, ...).values for n in having}
    scores = {n: v.reshape(draws, len(places), -1) for n, v in moved.items()}
    return [Pieces([f"{by}[{place}]" for place in places], scores)]


def _refuse_infinite(name: str, values: np.ndarray) -> None:
    bad = ~np.isfinite(values)
    if bad.any():
        where = tuple(int(at) for at in np.argwhere(bad)[0])
        raise WorldError(
            f"the log-likelihood of {name!r} is {values[where]} at {list(where)} (chain, draw, "
            "...): a draw of the posterior cannot be impossible; draw the posterior again."
        )


def _readers(worlds: xr.DataTree) -> dict[str, set[str]]:
    """Name the worlds that read each site after the switch, as far as the scores tell."""
    if EVIDENCE_SCORES not in worlds.children:
        return {}
    scores = worlds[EVIDENCE_SCORES].to_dataset()
    told = decode_attrs(scores.attrs).get("read_by_the_future")
    found = {
        str(name): set(told[name]) if isinstance(told, dict) else _by_scores(score, worlds)
        for name, score in scores.data_vars.items()
        if DISCIPLE in score.dims
    }
    if EVIDENCE_DIRECT in worlds.children:
        slopes = worlds[EVIDENCE_DIRECT].to_dataset()["direct"].transpose(DISCIPLE, DATUM, ...)
        moves = (slopes != 0).values.reshape(*slopes.shape[:2], -1).any(axis=2)
        for world, datum in np.argwhere(moves):
            site = str(slopes[DATUM].values[datum]).split("[")[0]
            found.setdefault(site, set()).add(str(slopes[DISCIPLE].values[world]))
    return found


def _by_scores(score: xr.DataArray, worlds: xr.DataTree) -> set[str]:
    """Tell who reads a site: worlds of independent futures with the same scores do not."""
    first = score.transpose(DISCIPLE, ...)
    names = [str(name) for name in first[DISCIPLE].values]
    flat = first.values.reshape(len(names), -1)
    alike = [np.array_equal(row, flat[names.index(ERASED)]) for row in flat]
    # Futures that share their noise may be read with the same slope by all.
    shared = decode_attrs(worlds.attrs).get("coupling") == "shared"
    if shared or sum(alike) < 2:
        return set(names)
    return {name for name, same in zip(names, alike, strict=True) if not same}
