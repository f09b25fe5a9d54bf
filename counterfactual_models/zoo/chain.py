r"""How does a world of a few states go on, and what would another datum have made of it?

A state is a row of whole numbers. Some of them begin where the world says; the last are data, 0 or
1, which the evidence says and nothing changes. Those who compare states are shown the ones that
there are at this evidence; the exact truth also needs those that there would have been.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import pyro
import torch

from counterfactual_models.errors import refuse_counts
from counterfactual_models.primitives import measure
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.finite_evidence import instead, seen
from counterfactual_models.zoo.finite_truth import FiniteTruth
from counterfactual_models.zoo.tabular import Step, Tabular, explore, play
from counterfactual_models.zoo.tabular_truth import Measured, tabular_truth

__all__ = ["NOOP", "Chain", "nothing"]

NOOP = 0
"""Place of the action that does nothing, in worlds where it comes first."""


def nothing(states: torch.Tensor, time: int) -> torch.Tensor:
    """Wait, whatever the state."""
    return torch.full_like(states[..., 0], NOOP)


@dataclass(frozen=True, eq=False)
class Chain:
    """States, moves, evidence and measurements of a world.

    Parameters
    ----------
    step
        The rule: states (..., feature), actions (...) -> states (..., feature).
    features
        Feature -> where it begins; what no datum says.
    measured
        Measurement -> function of the last states (..., feature) -> numbers (...).
    told
        Datum -> 0 or 1, as the evidence has it. They are the last features of a state.
    actions
        Names.
    idle
        Place of the action that does nothing.
    steps
        How many actions are taken; anything but a whole number of at least 1 raises a WorldError.
    slip
        Chance that a uniform one of the actions is taken instead of the one intended.

    Examples
    --------
    >>> def step(states, actions):
    ...     broken, glass = states.unbind(-1)
    ...     return torch.stack([torch.where(glass * actions > 0, 1, broken), glass], -1)
    >>> vase = Chain(step, {"broken": 0}, {"broken": lambda states: states[..., 0]}, {"glass": 1},
    ...              actions=("noop", "hit"), steps=1)
    >>> vase.table.states.tolist(), vase.given.states.tolist()
    ([[0, 1], [1, 1], [0, 0]], [[0, 1], [1, 1]])
    >>> vase.exact(lambda states, time: 1, {"glass": 1.0}).joint_tv
    1.0
    >>> vase.evidence, vase.alternatives
    ({'glass': tensor(1.)}, {'glass': [{'glass': tensor(0.)}]})
    """

    step: Step
    features: Mapping[str, int]
    measured: Measured
    told: Mapping[str, int] = field(default_factory=dict)
    _: KW_ONLY
    actions: tuple[str, ...]
    idle: int = NOOP
    steps: int
    slip: float = 0.0

    def __post_init__(self) -> None:
        refuse_counts(1, steps=self.steps)
        object.__setattr__(self, "steps", int(self.steps))

    @property
    def evidence(self) -> dict[str, torch.Tensor]:
        """What the evidence says: datum -> 0.0 or 1.0."""
        return {datum: torch.tensor(float(value)) for datum, value in self.told.items()}

    @property
    def alternatives(self) -> dict[str, list[dict[str, torch.Tensor]]]:
        """What it might have said instead, a datum changed in each."""
        return instead(self.evidence, dict.fromkeys(self.told, 2))

    @property
    def idle_action(self) -> torch.Tensor:
        """The action of who is erased."""
        return torch.tensor(self.idle)

    def start(self, *data: Any) -> torch.Tensor:
        """Begin as the data say, each of them (...): -> states (..., feature)."""
        rows = [torch.as_tensor(value).long() for value in (*self.features.values(), *data)]
        return torch.stack(torch.broadcast_tensors(*rows), -1)

    @cached_property
    def table(self) -> Tabular:
        """All states, those of the evidence first."""
        return self._explored(itertools.product(*((v, 1 - v) for v in self.told.values())))

    @cached_property
    def given(self) -> Tabular:
        """Only the states that there are at this evidence; at the same places."""
        return self._explored([self.told.values()])

    def _explored(self, said: Iterable[Iterable[int]]) -> Tabular:
        return explore(
            self.step,
            [self.start(*data).tolist() for data in said],
            actions=self.actions,
            idle=self.actions[self.idle],
            features=(*self.features, *self.told),
            slip=self.slip,
        )

    def started(self, *data: float) -> Tabular:
        """Start the table of all states as other data say."""
        return replace(self.table, start=int(self.table.index(self.start(*data))))

    def play(
        self, act: Callable[..., Any], *data: torch.Tensor, seen_in: Tabular | None = None
    ) -> torch.Tensor:
        """Let an agent act; after the wire, in a Pyro program. Notes the `trajectory`.

        Parameters
        ----------
        act
            What :func:`~counterfactual_models.wire` returned.
        *data
            As they were sampled, each of them (...).
        seen_in
            In which table to look the trajectory up, if not in this one: one of the first
            features alone.

        Returns
        -------
        torch.Tensor
            States (..., steps + 1, feature), the start first.
        """
        start, choices = self.start(*data), len(self.actions)
        path = play(self.step, act, start, steps=self.steps, choices=choices, slip=self.slip)
        table = self.table if seen_in is None else seen_in
        places = table.index(path[..., : len(table.features)])
        pyro.deterministic("trajectory", places.float(), event_dim=1)
        return path

    def look(self, path: torch.Tensor) -> None:
        """Measure the last states of a path (..., steps + 1, feature), in a Pyro program."""
        for name, look in self.measured.items():
            measure(name, look(path[..., -1, :]).float())

    def example(self, name: str, program: Callable[..., Any], **own: Any) -> Example:
        """Make the world of a program, which takes the disciple and these `moves`.

        Parameters
        ----------
        name
            Of the world.
        program
            The Pyro program.
        **own
            What else belongs to an `Example`, its disciples at least.

        Returns
        -------
        Example
            With the evidence, its alternatives, the exact truth, and as `tabular` the states that
            there are at this evidence, unless `own` has another.
        """
        return Example(
            name=name,
            world=partial(program, moves=self),
            evidence=self.evidence,
            exact=partial(self.exact, evidence=self.evidence),
            alternatives=self.alternatives,
            **{"tabular": self.given, **own},
        )

    def exact(self, disciple: Callable[..., Any], evidence: Mapping[str, Any]) -> FiniteTruth:
        """Work out the law of what is measured, by pushing weights of states through the table.

        Parameters
        ----------
        disciple
            States (..., feature) and the time -> actions (...).
        evidence
            The data, each 0 or 1.

        Returns
        -------
        FiniteTruth
            With what would have been, had a datum been the other one.

        Raises
        ------
        EvidenceError
            If a datum is missing, or neither 0 nor 1.
        """
        said = {datum: seen(evidence, datum, 2) for datum in self.told}
        others = {
            datum: [self.started(*(said | {datum: 1 - value}).values())]
            for datum, value in said.items()
        }
        here = self.started(*said.values())
        return tabular_truth(here, disciple, self.measured, steps=self.steps, alternatives=others)
