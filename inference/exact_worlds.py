r"""What are P(e,S,1) and P(e,S,0) to the last digit, where the world is discrete?

.. math:: P(e, S, X)(w) = \frac{\sum_{z \to w} p(z, e \mid S, X)}{\sum_z p(z, e \mid S, X)}

The program is run down every path z: every value of every latent site, each with its probability,
weighed by the evidence. Nothing is drawn, so nothing has a Monte Carlo error: what is left is the
rounding of the program's own parameters, some 1e-7 in single precision.

The worlds at other evidence, a datum changed, tell what each datum is good for:
:func:`~inference.diagnostics.replacement_importance`. And a world whose law is known is an oracle
for whatever estimates it from draws.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import dissect, translated
from counterfactual_models.checks import erased_values, refuse_leak
from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import EvidenceError, MeasurementError, WorldError, refuse_counts
from counterfactual_models.handlers import SetSwitch, isolated
from inference import schema
from inference.batches import NotVectorisable
from inference.exact.abreast import walk_abreast
from inference.exact.outcomes import Outcomes, one_spelling
from inference.exact.walks import walk
from inference.exact_laws import (
    ALTERNATIVE,
    AS_IT_WAS,
    LOG_EVIDENCE,
    OUTCOME,
    PROBABILITY,
    VALUE,
)
from inference.labels import Labels
from inference.passes import Program
from inference.posterior.engine import bar, one_thread
from inference.posterior.question import Question, ask, match_evidence
from inference.stacking import stacked
from inference.store import provenance

__all__ = ["LIMIT", "enumerate_worlds"]

LIMIT = 200_000
"""Most paths of one world."""
_SINGLY = 8
"""Paths that are run one by one before they are tried abreast."""
_MOST_NUMBERS = 1 << 27

_Evidences = dict[str, tuple[str, dict[str, torch.Tensor]]]
"""Label of an alternative -> its datum, and the evidence."""


def enumerate_worlds(
    world: Callable[..., Any],
    evidence: Mapping[str, Any] | None,
    disciples: Mapping[str, Callable[..., Any]] | Iterable[Disciple | Callable[..., Any]],
    *,
    alternatives: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    limit: int = LIMIT,
    progress: bool = True,
) -> xr.Dataset:
    r"""Work out the exact law of all measurements, with each disciple let in and erased.

    Every latent site has to have finitely many values: Bernoulli, Categorical, Binomial, or what
    else Pyro can enumerate (``Delta`` has one), each place of a plate by itself. A site may decide
    which sites come after it; where none does, thousands of paths are run at once.

    Parameters
    ----------
    world
        The Pyro program, taking the disciple.
    evidence
        Sample-site name -> observed values, of any distribution; after the switch too: each world
        is then weighed by itself.
    disciples
        Name -> policy, or a list of :class:`counterfactual_models.Disciple`.
    alternatives
        Datum -> the evidences that there might have been instead, each a whole one.
    coords, dims, progress
        As in ``sample_posterior``.
    limit
        Most paths of one world.

    Returns
    -------
    xr.Dataset
        Dims alternative (``as it was``, then ``<datum>[k]``, with the coordinate `datum`),
        disciple (``erased`` first), outcome, measurement: ``probability`` of each outcome;
        ``value`` of each measurement in it; ``log_evidence``, log p(e | S, X) in nats, of a
        density where the evidence has one. Attributes, by disciple: `paths`, how many at most;
        `vectorised`: whether they ran at once ("plate") or one by one ("loop", and why).

    Raises
    ------
    WorldError
        If a latent site has no finite list of values, or there are too many paths.
    EvidenceError
        If the evidence, or an alternative, does not fit the world, or has probability 0.
    DiscipleError, MeasurementError
        If a disciple is none, nothing is measured, or outcomes cannot be told from rounding.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist, counterfactual_models as cm
    >>> def world(disciple):
    ...     e = pyro.sample("e", dist.Bernoulli(torch.tensor(0.5)))
    ...     act = cm.wire(disciple, idle=torch.zeros(()))
    ...     cm.measure("y", pyro.sample("fate", dist.Bernoulli(0.25 + 0.5 * e * (1 - act(e)))))
    >>> other = {"e": [{"e": 0.0}]}
    >>> laws = enumerate_worlds(world, {"e": 1.0}, {"spoil": lambda e: e}, alternatives=other)
    >>> laws.probability.sel(alternative="as it was").values.round(6).tolist()
    [[0.25, 0.75], [0.75, 0.25]]
    >>> laws.alternative.values.tolist(), laws.value.values.tolist()
    (['as it was', 'e[0]'], [[0.0], [1.0]])
    """
    refuse_counts(1, limit=limit)
    everyone = [erased, *gather(disciples)]
    question = ask(world, evidence)
    measured = _measurements(question)
    evidences = _evidences(question, {} if alternatives is None else alternatives)
    labels = Labels(coords, dims, question.whole.sites)
    programs = {d.name: _program(world, question, d, measured) for d in everyone}
    found = _every_world(programs, evidences, measured, int(limit), progress)
    laws = _labelled(found, evidences, list(programs), _Measured(measured, labels))
    attrs = {"world": question.name, "world_hash": question.hash, "limit": int(limit)}
    attrs |= provenance() | _how_it_went(found, programs)
    return laws.assign_attrs(schema.encode_attrs(attrs))


def _measurements(question: Question) -> list[str]:
    measured = list(question.whole.named("measurement"))
    if not measured:
        raise MeasurementError(
            "the world measures nothing, so there is no law to work out: add measure(name, value)."
        )
    return measured


def _how_it_went(
    found: Mapping[tuple[str, str], Outcomes], names: Iterable[str]
) -> dict[str, dict[str, Any]]:
    own = {name: [went for (_, who), went in found.items() if who == name] for name in names}
    return {
        "paths": {name: max(went.paths for went in each) for name, each in own.items()},
        # A reason for the loop is longer than "plate", and that than "loop".
        "vectorised": {name: max((w.how for w in each), key=len) for name, each in own.items()},
    }


def _every_world(
    programs: Mapping[str, Program],
    evidences: _Evidences,
    measured: Sequence[str],
    limit: int,
    progress: bool,
) -> dict[tuple[str, str], Outcomes]:
    found = {}
    worlds, done = len(evidences) * len(programs), 0
    with bar(0, "exact worlds", progress) as shown, one_thread():
        shown.unit = " runs"  # how many paths there will be is not known
        for label, (_, given) in evidences.items():
            for name, program in programs.items():
                told = "" if label == AS_IT_WAS else f", at {label}"
                asked = replace(program, evidence=given, what=program.what + told)
                done += 1
                shown.set_description(f"exact worlds, {done} of {worlds}")
                found[label, name] = _outcomes(asked, measured, limit, shown.update)
    return found


def _evidences(
    question: Question, alternatives: Mapping[str, Sequence[Mapping[str, Any]]]
) -> _Evidences:
    """Hold every alternative against the world, and against the evidence as it was."""
    sites = {**question.observed}
    given = {name: value for name, value in sites.items() if name not in question.whole.data}
    found: _Evidences = {AS_IT_WAS: ("", given)}
    if not isinstance(alternatives, Mapping):
        raise EvidenceError(
            f"got alternatives of type {type(alternatives).__name__}; expected a dict, datum -> "
            "list of evidences."
        )
    for datum, others in alternatives.items():
        if isinstance(others, Mapping) or not isinstance(others, Sequence) or not others:
            raise EvidenceError(
                f"the alternatives to {datum!r} are {others!r}; expected a list of at least one "
                "evidence, each a whole one: [{'site': values, ...}]."
            )
        for k, other in enumerate(others):
            label = f"{datum}[{k}]"
            try:
                matched = match_evidence(question.whole, other)
            except EvidenceError as error:
                raise EvidenceError(f"alternative {label!r}: {error}") from error
            _refuse_no_change(label, matched, given)
            found[label] = (str(datum), matched)
    return found


def _refuse_no_change(
    label: str, other: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]
) -> None:
    if set(other) != set(given):
        raise EvidenceError(
            f"alternative {label!r} speaks of {sorted(other)} and the evidence of "
            f"{sorted(given)}; expected the whole evidence, with one datum changed."
        )
    if all(torch.equal(other[name], value) for name, value in given.items()):
        raise EvidenceError(
            f"alternative {label!r} is the evidence as it was; expected one datum changed."
        )


def _program(
    world: Callable[..., Any], question: Question, disciple: Disciple, measured: Sequence[str]
) -> Program:
    """Look at the world of a disciple before it is run down any path."""
    on = int(disciple is not erased)
    what = f"the world with disciple {disciple.name!r}" if on else "the erased world"
    anatomy = dissect(world, disciple, on=on) if on else question.whole
    if on:
        refuse_leak(world, disciple, erased_values(world, seed=0), seed=0)
    for name in {*measured, *anatomy.named("measurement")}:
        here, there = anatomy.sites.get(name), question.whole.sites.get(name)
        if here is None or there is None or here.value.shape != there.value.shape:
            raise WorldError(
                f"{name!r} is not measured alike when {disciple.name!r} is let in and when it is "
                "erased; measure the same things, of the same shapes, in both worlds."
            )
    return Program(SetSwitch(on)(partial(world, disciple)), anatomy, {}, what)


def _outcomes(
    program: Program, measured: Sequence[str], limit: int, watch: Callable[[int], Any]
) -> Outcomes:
    """Go down every path, or say that the evidence rules all of them out."""
    with isolated(0), translated(program.what):
        found = _gone_down(program, measured, limit, watch)
    if not found.paths:
        raise EvidenceError(
            f"the evidence on {list(program.evidence)} has probability 0 in {program.what}: "
            "P(e,S,X) is not defined there. Give evidence that can happen."
        )
    return found


def _gone_down(
    program: Program, measured: Sequence[str], limit: int, watch: Callable[[int], Any]
) -> Outcomes:
    """Take some paths one by one; and if there are many, all at once where that works."""
    found = Outcomes()
    for number, (log_weight, numbers) in enumerate(walk(program, measured, limit=limit), 1):
        if number == _SINGLY + 1:
            try:
                return _all_at_once(program, measured, limit, watch)
            except NotVectorisable as error:
                found.how = f"loop: {error}"
        watch(1)
        found.add(np.array([log_weight]), numbers[None])
    return found


def _all_at_once(
    program: Program, measured: Sequence[str], limit: int, watch: Callable[[int], Any]
) -> Outcomes:
    found = Outcomes()
    found.how = "plate"
    for log_weights, numbers in walk_abreast(program, measured, limit=limit, watch=watch):
        found.add(log_weights, numbers)
    return found


class _Measured:
    """What is measured: a row of numbers, and how they are called."""

    def __init__(self, names: Sequence[str], labels: Labels) -> None:
        self._labels = labels
        self._shapes = {name: tuple(labels.sites[name].value.shape) for name in names}
        values = (torch.empty(0, dtype=labels.sites[name].value.dtype) for name in names)
        self._kinds = [value.numpy().dtype for value in values]

    @property
    def columns(self) -> list[str]:
        """What each number of a row belongs to."""
        shapes = self._shapes.items()
        return [name for name, shape in shapes for _ in range(math.prod(shape))]

    @property
    def precision(self) -> float:
        """Relative rounding of the least precise measurement."""
        least = [float(np.finfo(kind).eps) for kind in self._kinds if kind.kind == "f"]
        return max(least, default=float(np.finfo(float).eps))

    def labelled(self, rows: np.ndarray) -> xr.DataArray:
        """Label rows of numbers, (outcome, measurement); single precision where all have it."""
        arrays, first = {}, 0
        kind = np.result_type(np.float32, *self._kinds)
        for name, shape in self._shapes.items():
            columns = rows[:, first : first + math.prod(shape)].astype(kind)
            arrays[name] = columns.reshape(len(rows), *shape)
            first += math.prod(shape)
        lead = [schema.DRAW]  # no world may call a measurement so
        found = stacked(self._labels.dataset(arrays, lead), lead, schema.MEASUREMENT)
        return found.drop_vars(lead, errors="ignore").rename({schema.DRAW: OUTCOME}).T


def _labelled(
    found: Mapping[tuple[str, str], Outcomes],
    evidences: _Evidences,
    names: Sequence[str],
    measured: _Measured,
) -> xr.Dataset:
    """Write all laws down over the same outcomes."""
    laws = {key: outcomes.law() for key, outcomes in found.items()}
    every = np.concatenate([own for own, _, _ in laws.values()])
    spelled = one_spelling(every, measured.precision, measured.columns)
    rows, place = np.unique(spelled, axis=0, return_inverse=True)
    shape = (len(evidences), len(names), len(rows))
    if math.prod(shape) > _MOST_NUMBERS:
        raise WorldError(
            f"there are {len(rows)} outcomes in {len(laws)} worlds, too many to hold; measure "
            "less finely, or give fewer alternatives at a time."
        )
    probability, log_evidence = np.zeros(shape), np.zeros(shape[:2])
    places = iter(place.ravel())
    for at, key in zip(np.ndindex(shape[:2]), itertools.product(evidences, names), strict=True):
        _, share, log_evidence[at] = laws[key]
        np.add.at(probability[at], np.fromiter(places, int, len(share)), share)
    lead = (ALTERNATIVE, schema.DISCIPLE)
    said = ({"long_name": "probability"}, {"long_name": "log-probability of the evidence"})
    variables = {
        PROBABILITY: ((*lead, OUTCOME), probability, said[0]),
        VALUE: measured.labelled(rows),
        LOG_EVIDENCE: (lead, log_evidence, said[1]),
    }
    coords = {
        ALTERNATIVE: np.array(list(evidences), dtype=object),
        schema.DATUM: (ALTERNATIVE, np.array([d for d, _ in evidences.values()], object)),
        schema.DISCIPLE: np.array(list(names), dtype=object),
        schema.SWITCH: (schema.DISCIPLE, [int(name != schema.ERASED) for name in names]),
    }
    return xr.Dataset(variables, coords=coords)
