r"""The past when it is discrete: every one of its states, weighed exactly.

.. math:: p(z \mid e) = p(z, e) \Big/ \sum_{z'} p(z', e)

The program is run once for each way it can go; branches on what was drawn are allowed.
"""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pyro import poutine

from counterfactual_models.anatomy import is_site, translated
from counterfactual_models.errors import EvidenceError, WorldError
from counterfactual_models.handlers import Pin, derive_seed, isolated
from inference.arrays.weights import equal_draws
from inference.posterior.engine import Drawn, Order, bar
from inference.posterior.latents import countable
from inference.posterior.question import Question

__all__ = ["LIMIT", "count_states", "draw"]

LIMIT = 20_000
"""Most states of the past that are enumerated."""


def count_states(question: Question) -> float:
    """Count the states of the past as one run shows them; inf when a latent is not enumerable."""
    states = 0.0
    for site in question.latents.values():
        if not countable(site.fn):
            return math.inf
        kinds = site.fn.enumerate_support(expand=False).shape[0]
        elements = math.prod(site.value.shape[: site.batch_ndim])
        states += elements * math.log(kinds)
    return math.exp(min(states, 700.0))


def draw(question: Question, order: Order) -> Drawn:
    """Enumerate the past, then draw from the exact table with as equal counts as can be."""
    for name, site in question.latents.items():
        if not countable(site.fn):
            raise WorldError(
                f"site {name!r} ({type(site.fn).__name__}) has no finite list of values; "
                "method='enumerate' needs every latent of the past to have one. Use 'hmc' "
                "(continuous) or 'importance' (anything)."
            )
    states, log_joint = _table(question, order.progress)
    total = torch.logsumexp(log_joint, 0)
    if not total.isfinite():
        raise EvidenceError(
            f"none of the {len(states)} states of the past can have produced the evidence on "
            f"{question.data}."
        )
    rng = np.random.default_rng(derive_seed(order.seed, "enumerate"))
    weights = (log_joint - total).exp().numpy()
    picked = rng.permutation(equal_draws(weights, order.total, rng))
    values = {}
    for name in question.latents:
        column = torch.stack([state[name] for state in states])[torch.from_numpy(picked)]
        values[name] = column.reshape((order.chains, order.draws, *column.shape[1:]))
    return Drawn(values, attrs={"log_evidence": float(total), "states": len(states)})


def _table(
    question: Question, progress: bool
) -> tuple[list[dict[str, torch.Tensor]], torch.Tensor]:
    """Walk the program depth first: at each latent not yet decided, try all it can be."""
    todo: list[dict[str, torch.Tensor]] = [{}]
    states, log_joint = [], []
    with (
        isolated(0),
        translated(question.program.what),
        torch.no_grad(),
        bar(0, "enumerate", progress) as shown,
    ):
        while todo:
            pinned = todo.pop()
            trace = poutine.trace(Pin(pinned)(question.conditioned)).get_trace()
            open_ = (n for n in trace.stochastic_nodes if n not in pinned)
            name = next((n for n in open_ if is_site(trace.nodes[n])), None)
            if name is None:
                states.append(pinned)
                log_joint.append(torch.as_tensor(trace.log_prob_sum(), dtype=torch.float64))
                shown.update()
                continue
            todo += [{**pinned, name: value} for value in _all_values(trace.nodes[name])]
            if len(todo) + len(states) > LIMIT:
                raise WorldError(
                    f"the past has more than {LIMIT} states (site {name!r} alone has a plate "
                    "of independent choices); use method='importance'."
                )
    missing = {name for state in states for name in set(question.latents) ^ set(state)}
    if missing:
        raise WorldError(
            f"site {sorted(missing)[0]!r} is there in one branch of the past and not in another; "
            "expected the same sites in every branch (use torch.where)."
        )
    return states, torch.stack(log_joint)


def _all_values(node: Mapping[str, Any]) -> list[torch.Tensor]:
    """All values of a site: each element of its batch on its own."""
    fn = node["fn"]
    kinds = fn.enumerate_support(expand=False)
    kinds = kinds.reshape((kinds.shape[0], *fn.event_shape))
    elements = math.prod(fn.batch_shape)
    if elements * math.log(len(kinds)) > math.log(LIMIT):
        raise WorldError(
            f"site {node['name']!r} has {len(kinds)} values for each of {elements} elements, too "
            "many to enumerate; use method='importance'."
        )
    return [
        kinds[list(choice)].reshape((*fn.batch_shape, *fn.event_shape))
        for choice in itertools.product(range(len(kinds)), repeat=elements)
    ]
