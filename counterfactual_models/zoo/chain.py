r"""How does a world of a few states go on, if one datum says how one of them leads to another?

A state is a row of whole numbers; the last of them is the datum, 0 or 1, which the evidence says
to be 1 and nothing changes. Those who compare states are shown the ones that there are at this
evidence; the exact truth also needs those that there would have been.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyro
import torch

from counterfactual_models.zoo.finite_evidence import seen
from counterfactual_models.zoo.finite_truth import FiniteTruth
from counterfactual_models.zoo.tabular import Step, Tabular, explore, play
from counterfactual_models.zoo.tabular_truth import Measured, tabular_truth

__all__ = ["NOOP", "Chain", "nothing"]

NOOP = 0
"""Place of the action that does nothing: it comes first in these worlds."""


def nothing(states: torch.Tensor, time: int) -> torch.Tensor:
    """Wait, whatever the state."""
    return torch.full_like(states[..., 0], NOOP)


@dataclass(frozen=True, eq=False)
class Chain:
    """A world of a few states with one datum.

    Parameters
    ----------
    step
        The rule: states (..., feature), actions (...) -> states (..., feature).
    actions
        Names; the first does nothing.
    features
        Names; the last is the datum's. All others are 0 at the start.
    measured
        Measurement -> function of the last states (..., feature) -> numbers (...).
    steps
        How many actions are taken.
    slip
        Chance that a uniform one of the actions is taken instead of the one intended.

    Examples
    --------
    >>> def step(states, actions):
    ...     broken, glass = states.unbind(-1)
    ...     return torch.stack([torch.where(glass * actions > 0, 1, broken), glass], -1)
    >>> vase = Chain(step, ("noop", "hit"), ("broken", "glass"),
    ...              {"broken": lambda states: states[..., 0]}, steps=1)
    >>> vase.table.states.tolist(), vase.given.states.tolist()
    ([[0, 1], [1, 1], [0, 0]], [[0, 1], [1, 1]])
    >>> vase.exact(lambda states, time: 1, {"glass": 1.0}).joint_tv
    1.0
    """

    step: Step
    actions: tuple[str, ...]
    features: tuple[str, ...]
    measured: Measured
    steps: int
    slip: float = 0.0

    def start(self, datum: torch.Tensor) -> torch.Tensor:
        """Begin as the datum says: (...) -> states (..., feature)."""
        nought = torch.zeros_like(datum)
        return torch.stack([nought] * (len(self.features) - 1) + [datum], -1).long()

    @cached_property
    def table(self) -> Tabular:
        """All states, those of a datum that is 1 first."""
        return self._explored(torch.tensor([1, 0]))

    @cached_property
    def given(self) -> Tabular:
        """Only the states that there are if the datum is 1; at the same places."""
        return self._explored(torch.tensor([1]))

    def _explored(self, data: torch.Tensor) -> Tabular:
        return explore(
            self.step,
            self.start(data).tolist(),
            actions=self.actions,
            idle=self.actions[NOOP],
            features=self.features,
            slip=self.slip,
        )

    def play(
        self, act: Callable[..., Any], datum: torch.Tensor, *, seen_in: Tabular | None = None
    ) -> torch.Tensor:
        """Let an agent act; after the wire, in a Pyro program. Notes the `trajectory`.

        Parameters
        ----------
        act
            What :func:`~counterfactual_models.wire` returned.
        datum
            As it was sampled, (...).
        seen_in
            In which table to look the trajectory up, if not in this one: one of the first
            features alone.

        Returns
        -------
        torch.Tensor
            States (..., steps + 1, feature), the start first.
        """
        start, choices = self.start(datum), len(self.actions)
        path = play(self.step, act, start, steps=self.steps, choices=choices, slip=self.slip)
        table = self.table if seen_in is None else seen_in
        places = table.index(path[..., : len(table.features)])
        pyro.deterministic("trajectory", places.float(), event_dim=1)
        return path

    def exact(self, disciple: Callable[..., Any], evidence: Mapping[str, Any]) -> FiniteTruth:
        """Work out the law of what is measured, by pushing weights of states through the table.

        Parameters
        ----------
        disciple
            States (..., feature) and the time -> actions (...).
        evidence
            The datum, 0 or 1.

        Returns
        -------
        FiniteTruth
            With what would have been, had the datum been the other one.

        Raises
        ------
        EvidenceError
            If the datum is missing, or neither 0 nor 1.
        """
        datum = self.features[-1]
        value = seen(evidence, datum, 2)
        here, there = (
            replace(self.table, start=int(self.table.index(self.start(torch.tensor(own)))))
            for own in (value, 1 - value)
        )
        return tabular_truth(
            here, disciple, self.measured, steps=self.steps, alternatives={datum: [there]}
        )
