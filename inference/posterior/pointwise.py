r"""How likely is each site in each draw? Its log density, by a graph where there is no plate.

A program written for one draw (``X @ beta``) cannot be run for a batch of draws under a plate;
its traced graph can be mapped over them. It is believed where it gives what single runs give.
"""

from collections.abc import Mapping

import torch
from pyro import poutine

from counterfactual_models.handlers import Pin
from inference.posterior.question import Question
from inference.posterior.tracing import Untraceable, mapped, traced
from inference.simulation import block_size, simulate

__all__ = ["log_densities"]

_NUMBERS_PER_BLOCK = 500_000
_CHECKED = 4


def log_densities(
    question: Question, values: Mapping[str, torch.Tensor], names: list[str], seed: int
) -> dict[str, torch.Tensor]:
    """Score data and latents in draws of the past, first axis = draws.

    Parameters
    ----------
    question
        The past and its evidence.
    values
        Latent -> values, first axis = draws.
    names
        Sites to score.
    seed
        For what the program may sample beside.

    Returns
    -------
    dict
        Site -> log-probability of each of its elements, shape (draws, ...).
    """
    draws = len(next(iter(values.values())))
    few = {name: v[torch.linspace(0, draws - 1, _CHECKED).long()] for name, v in values.items()}
    tried = _simulated(question, few, names, seed)
    if draws > 4 * _CHECKED and tried[1] != "plate":
        try:
            return _mapped(question, values, names, few, tried[0])
        except Untraceable:
            pass
    return _simulated(question, values, names, seed)[0]


def _simulated(
    question: Question, values: Mapping[str, torch.Tensor], names: list[str], seed: int
) -> tuple[dict[str, torch.Tensor], str]:
    found = simulate(
        question.program,
        values,
        draws=len(next(iter(values.values()))),
        key=(seed, "log_likelihood"),
        record=(),
        score=names,
        size=block_size(question.program.anatomy, scored=True),
    )
    return found.log_prob, found.how


def _mapped(
    question: Question,
    values: Mapping[str, torch.Tensor],
    names: list[str],
    few: Mapping[str, torch.Tensor],
    known: Mapping[str, torch.Tensor],
) -> dict[str, torch.Tensor]:
    latents = list(values)

    def program(*found: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pinned = Pin(dict(zip(latents, found, strict=True)))
        trace = poutine.trace(pinned(question.conditioned)).get_trace()
        trace.compute_log_prob(lambda name, site: name in names)
        return tuple(trace.nodes[name]["log_prob"] for name in names)

    single = traced(program, tuple(values[name][0] for name in latents))
    numbers = sum(scored[0].numel() for scored in known.values())
    size = max(1, _NUMBERS_PER_BLOCK // max(1, numbers))
    blocks = [block.split(size) for block in (values[name] for name in latents)]
    example = tuple(part[0] for part in blocks)
    module = mapped(single, example, batched=len(latents))
    checked = mapped(single, tuple(few[n] for n in latents), batched=len(latents))
    with torch.no_grad():
        for ours, name in zip(checked(*(few[n] for n in latents)), names, strict=True):
            if ours.shape != known[name].shape or not torch.allclose(
                ours, known[name], rtol=1e-3, atol=1e-3, equal_nan=True
            ):
                raise Untraceable(f"the traced density of {name!r} differs from that of a run")
        rows = [_padded(module, part, len(example[0])) for part in zip(*blocks, strict=True)]
    columns = zip(*rows, strict=True)
    return {name: torch.cat(part) for name, part in zip(names, columns, strict=True)}


def _padded(
    module: torch.nn.Module, part: tuple[torch.Tensor, ...], size: int
) -> tuple[torch.Tensor, ...]:
    count = len(part[0])
    full = [torch.cat([v, v[:1].expand(size - count, *v.shape[1:])]) for v in part]
    return tuple(found[:count] for found in module(*full))
