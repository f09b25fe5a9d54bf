r"""One repetition of a calibration: draw a past and its data, infer, and rank the truth.

.. math:: \mathrm{past}^* \sim p(\mathrm{past}), \quad e^* \sim p(e \mid \mathrm{past}^*), \quad
          \mathrm{past}_t \sim p(\mathrm{past} \mid e^*)

What is ranked: every element of every latent, and the joint log-likelihood of the data.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from counterfactual_models.errors import ImpactWarning
from counterfactual_models.handlers import derive_seed, isolated
from inference import schema
from inference.arrays.ranks import effective_draws, evenly_thinned, normalised_ranks
from inference.posterior import sample_posterior
from inference.posterior.engine import one_thread
from inference.posterior.question import ask
from inference.simulation import block_size, simulate

__all__ = ["OWN_LIKELIHOOD", "TRUE_LIKELIHOOD", "Repetition", "Study", "draw_past"]

OWN_LIKELIHOOD = "log_likelihood"
TRUE_LIKELIHOOD = "log_likelihood_truth"

_LONGEST = 300  # characters of a message
_nothing = partial(np.empty, 0)


@dataclass(frozen=True)
class Repetition:
    """What came of one repetition.

    Parameters
    ----------
    status
        ``ok``, ``warned`` (the engine doubts itself) or ``failed`` (there are no ranks).
    message
        The first warning, or the error.
    method
        The engine that drew.
    rank, ranked, tied
        For each quantity: normalised rank, draws it is among, and whether they all equal it.
    strange
        Warnings that are not the engine's own, to be given again where the user sees them.
    """

    status: str
    message: str = ""
    method: str = ""
    rank: np.ndarray = field(default_factory=_nothing)
    ranked: np.ndarray = field(default_factory=_nothing)
    tied: np.ndarray = field(default_factory=_nothing)
    strange: tuple[tuple[type[Warning], str], ...] = ()


@dataclass(frozen=True)
class Study:
    """What all repetitions share; called with the number of one, it runs that one.

    The numbers follow from `seed` and that number alone: repetition 7 is the same in a study of
    ten and of a thousand, in this process and in another.

    Parameters
    ----------
    world
        Infers.
    truth
        Draws past and data; the world itself when None.
    evidence, latents
        Names of the data, and of the latents whose truth is known.
    likelihoods
        Quantities that score the data: :data:`OWN_LIKELIHOOD`, :data:`TRUE_LIKELIHOOD`, or none.
    method, draws, chains, seed
        As in ``sample_posterior``.
    """

    world: Callable[..., Any]
    truth: Callable[..., Any] | None
    evidence: tuple[str, ...]
    latents: tuple[str, ...]
    likelihoods: tuple[str, ...]
    method: str
    draws: int
    chains: int
    seed: int

    def __call__(self, number: int) -> Repetition:
        """Run one repetition; an error is its result, except an interruption."""
        seed = derive_seed(self.seed, "repetition", number)
        with isolated(seed), one_thread(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ImpactWarning)
            try:
                method, rank, ranked, tied = self._rank(seed)
            except Exception as error:  # one failure is counted; that all fail is refused
                text = f"{type(error).__name__}: {error}"
                return Repetition("failed", _shortened(text), strange=_strange(caught))
        own = [str(w.message) for w in caught if issubclass(w.category, ImpactWarning)]
        status, message = ("warned", _shortened(own[0])) if own else ("ok", "")
        return Repetition(status, message, method, rank, ranked, tied, _strange(caught))

    def _rank(self, seed: int) -> tuple[str, np.ndarray, np.ndarray, np.ndarray]:
        true = draw_past(self.truth or self.world, seed)
        data = {name: true[name] for name in self.evidence}
        tree = sample_posterior(
            self.world,
            data,
            self.method,
            draws=self.draws,
            chains=self.chains,
            seed=derive_seed(seed, "posterior"),
            log_likelihood=False,
            progress=False,
        )
        attrs = schema.decode_attrs(tree.attrs)
        if attrs.get("interrupted"):  # an engine that keeps what it has must not swallow Ctrl-C
            raise KeyboardInterrupt
        posterior = tree["posterior"].to_dataset()
        drawn = {str(n): torch.as_tensor(np.array(v.values)) for n, v in posterior.items()}
        shape = (posterior.sizes[schema.CHAIN], posterior.sizes[schema.DRAW])
        columns = _Columns(shape)
        for name in self.latents:
            columns.add(true[name].numpy(), drawn[name].numpy(), 0.0)
        both = {
            n: torch.cat([true[n][None].to(v), v.flatten(0, 1)])
            for n, v in drawn.items()
            if n in true
        }
        for label in self.likelihoods:
            scorer = self.world if label == OWN_LIKELIHOOD else self.truth or self.world
            scores, rounding = _log_likelihood(scorer, data, both, seed)
            columns.add(scores[0], scores[1:].reshape(shape), rounding)
        rng = np.random.default_rng(derive_seed(seed, "ties"))
        return str(attrs["method"]), *columns.ranked(rng)


class _Columns:
    """Gathers what is ranked, one column per quantity."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._truths: list[np.ndarray] = []
        self._draws: list[np.ndarray] = []
        self._tolerances: list[np.ndarray] = []

    def add(self, truth: Any, draws: np.ndarray, tolerance: float) -> None:
        """Add the elements of a truth, and their draws (chain, draw, ...)."""
        flat = np.asarray(truth, np.float64).reshape(-1)
        self._truths.append(flat)
        self._draws.append(draws.astype(np.float64).reshape(*self._shape, flat.size))
        self._tolerances.append(np.full(flat.size, tolerance))

    def ranked(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rank each truth among draws thinned to as many as are worth independent ones."""
        truths, draws = np.concatenate(self._truths), np.concatenate(self._draws, axis=-1)
        tolerances = np.concatenate(self._tolerances)
        counts = np.floor(effective_draws(draws)).astype(int)
        fractions = rng.random(truths.size)
        ranks, tied = np.empty(truths.size), np.empty(truths.size, bool)
        for k, count in enumerate(counts):
            every = draws[..., k].reshape(-1)
            kept = evenly_thinned(every, count)
            ranks[k] = normalised_ranks(kept, truths[k], fractions[k], tolerance=tolerances[k])
            tied[k] = np.all(np.abs(every - truths[k]) <= tolerances[k])
        return ranks, counts, tied


def draw_past(world: Callable[..., Any], seed: int) -> dict[str, torch.Tensor]:
    """Draw all that a world samples before its switch, evidence too, from its prior.

    Examples
    --------
    >>> from counterfactual_models import zoo
    >>> drawn = draw_past(zoo.load("factory").world, 0)
    >>> {name: tuple(value.shape) for name, value in drawn.items()}
    {'demand': (), 'orders': (12,)}
    """
    question = ask(world, None)
    drawn = simulate(
        question.program,
        {},
        draws=1,
        key=(seed, "truth"),
        record=list(question.latents),
        size=1,
    )
    return {name: value[0] for name, value in drawn.values.items()}


def _log_likelihood(
    world: Callable[..., Any],
    data: Mapping[str, torch.Tensor],
    values: Mapping[str, torch.Tensor],
    seed: int,
) -> tuple[np.ndarray, float]:
    """Score the data in each row of `values`; say how far rounding may move that of the first.

    Truth and draws go through in one batch. Still, the same state need not get the same last bit
    in two rows, and a discrete truth would then never equal its own draws.
    """
    question = ask(world, data)
    anatomy = question.program.anatomy
    rows = len(next(iter(values.values())))
    scores = simulate(
        question.program,
        {name: values[name] for name in question.latents},
        draws=rows,
        key=(seed, "score"),
        record=(),
        score=[name for name in question.data if anatomy.sites[name].value.numel()],
        size=block_size(anatomy, scored=True),
    ).log_prob
    total, rounding = np.zeros(rows), 0.0
    for score in scores.values():
        terms = score.double().reshape(rows, -1)
        total += terms.sum(1).numpy()
        rounding += 4 * torch.finfo(score.dtype).eps * float(terms[0].abs().sum())
    return total, rounding


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"


def _strange(
    caught: Sequence[warnings.WarningMessage] | None,
) -> tuple[tuple[type[Warning], str], ...]:
    others = [w for w in caught or () if not issubclass(w.category, ImpactWarning)]
    return tuple(dict.fromkeys((w.category, str(w.message)) for w in others))
