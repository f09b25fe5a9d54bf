"""Do the measures work? Every measure asked of every world whose truth is known.

A job is one world: its measures share what is drawn. Jobs know their world by name, or carry it,
and get their random numbers from the seed alone, so that they give the same numbers wherever they
run.
"""

import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from tqdm.auto import tqdm

from counterfactual_models.errors import (
    CounterfactualError,
    ImpactWarning,
    WorldError,
    refuse_counts,
)
from counterfactual_models.zoo import Example
from inference.executors import run_jobs
from inference.testbed.cases import CASES, Case, find_example
from inference.testbed.measures import Broken, Measure, charge, gather_measures
from inference.testbed.table import Answer, Row, Testbed
from inference.testbed.verdicts import Verdict, judge
from inference.user_files import is_file, split

__all__ = ["run"]

World = str | Example | Callable[[], Example]
Worlds = World | Iterable[World] | Mapping[str, World]


def run(
    worlds: Worlds | None = None,
    measures: Any = None,
    *,
    draws: int | None = None,
    futures: int | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    progress: bool = True,
) -> Testbed:
    """Ask every measure about every world, and hold the answers against the truth.

    Parameters
    ----------
    worlds
        Names of the zoo, with options if you like (``"hurricane(sites=8)"``), an
        :class:`~counterfactual_models.zoo.Example` of your own, a list of these, or a dict with
        labels; the whole test-bed by default.
    measures
        Names of :func:`inference.testbed.measures`; penalties of your own in a dict, functions of
        the worlds that return a number per disciple; a list of names and dicts; all by default.
    draws, futures
        Of each chain, and for each draw of the past; by default as each world says.
    seed
        The same seed gives the same table, whatever the executor.
    executor
        Runs worlds side by side: see :mod:`inference.executors`.
    progress
        Show a progress bar, if there is a terminal. Interrupted, what is finished is kept.

    Returns
    -------
    Testbed

    Raises
    ------
    CounterfactualError
        If a world or a measure is not known, a world of your own says nothing of its truth, or
        two worlds have the same label.

    Examples
    --------
    >>> found = run("null_world", ["coarse_graining"], draws=200, progress=False)
    >>> found.verdicts.loc["null_world", "coarse_graining"]
    'right'
    """
    given = {name: n for name, n in (("draws", draws), ("futures", futures)) if n is not None}
    refuse_counts(1, **given)
    if measures is not None and not isinstance(measures, str | Mapping | Measure):
        measures = [measures] if callable(measures) else list(measures)  # read again by each job
    asked = gather_measures(measures)
    if not asked:
        raise CounterfactualError("got no measure; expected at least one, or None for all.")
    cases = _cases(worlds)
    settings = (asked if executor is None else measures, draws, futures, seed)
    # Another process reads names and files again; here they have been read.
    jobs = [_Job(n, ours if executor is None else w, *settings) for n, (w, ours) in cases.items()]
    hidden = not (progress and sys.stderr.isatty())
    with tqdm(total=len(jobs), desc="worlds", disable=hidden, leave=False) as bar:

        def watch(place: int, rows: Row) -> None:
            bar.set_postfix_str(rows.world)
            bar.update()

        finished = run_jobs(_ask, jobs, executor=executor, watch=watch)
    if finished.interrupted:
        warnings.warn(
            f"interrupted: {len(finished.results)} of {len(jobs)} worlds are in the table.",
            ImpactWarning,
            stacklevel=2,
        )
    return Testbed(
        tuple(finished.results.values()),
        {name: one.about for name, one in asked.items()},
        {name: one.whose for name, one in asked.items()},
        {name: one.alarm for name, one in asked.items()},
        seed,
        finished.interrupted,
    )


@dataclass(frozen=True)
class _Job:
    label: str
    world: str | Example
    measures: Any
    draws: int | None
    futures: int | None
    seed: int


def _cases(worlds: Worlds | None) -> dict[str, tuple[str | Example, Example]]:
    """Label what is given and what it names; refuse what has no truth before anything is drawn."""
    if worlds is None:
        worlds = CASES
    if isinstance(worlds, str | Example) or callable(worlds):
        worlds = [worlds]
    if isinstance(worlds, Mapping):
        pairs: Sequence[tuple[str, Any]] = [(str(label), one) for label, one in worlds.items()]
    else:
        pairs = [(_label(one), one) for one in worlds]
    found: dict[str, tuple[str | Example, Example]] = {}
    for label, one in pairs:
        world = one if isinstance(one, str | Example) else _made(label, one)
        example = find_example(world) if isinstance(world, str) else world
        if not example.truth:
            raise WorldError(
                f"the world {label!r} says nothing of its truth; expected for example "
                "Example(..., truth={'modest': 'low', 'greedy': 'high'})."
            )
        if label in found:
            raise WorldError(f"two worlds are called {label!r}; give a dict with their labels.")
        found[label] = world, example
    if not found:
        raise WorldError("got no world; expected at least one, or None for the whole test-bed.")
    return found


def _label(world: Any) -> str:
    if isinstance(world, str):
        return split(world)[1] if is_file(world) else world
    return str(getattr(world, "name", getattr(world, "__name__", "")))


def _made(label: str, make: Any) -> Example:
    try:
        example = make() if callable(make) else make
    except CounterfactualError:
        raise
    except Exception as error:
        raise WorldError(
            f"the world {label!r} cannot be made ({type(error).__name__}: {error}); expected a "
            "function without arguments that returns an Example."
        ) from error
    if not isinstance(example, Example):
        raise WorldError(
            f"the world {label!r} is a {type(example).__name__}; expected a name of the zoo, an "
            "Example, or a function that returns one."
        )
    return example


def _ask(job: _Job) -> Row:
    """Ask all measures about one world."""
    began = time.perf_counter()
    example = find_example(job.world) if isinstance(job.world, str) else job.world
    case = Case(job.label, example, job.draws, job.futures, job.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)  # the verdict says it
        broken = _why_broken(case)
        answers = {
            name: _answer(case, measure, name) if not broken else Answer("failed", broken, {}, 0.0)
            for name, measure in gather_measures(job.measures).items()
        }
    return Row(
        job.label,
        example.case,
        example.about,
        dict(example.truth),
        answers,
        time.perf_counter() - began,
    )


def _why_broken(case: Case) -> str:
    """Draw the worlds before any measure is asked, so that none is blamed for them."""
    try:
        case.draw()
    except Exception as error:  # whatever a world of the user's own may raise
        return f"the world failed with {type(error).__name__}: {error}"
    return ""


def _answer(case: Case, measure: Measure, name: str) -> Answer:
    began = time.perf_counter()
    charged: dict[str, tuple[float, float]] = {}
    try:
        found = charge(case, measure, name)
    except Broken as error:
        verdict = Verdict("failed", str(error))
    except CounterfactualError as error:
        verdict = Verdict("not applicable", str(error))
    else:
        columns = (found[column].values for column in ("disciple", "penalty", "mcse"))
        charged = {
            str(who): (float(number), float(error))
            for who, number, error in zip(*columns, strict=True)
        }
        verdict = judge(charged, case.example.truth, alarm=measure.alarm)
        if verdict.verdict != "right" and "reason" in found:
            said = dict.fromkeys(str(reason) for reason in found["reason"].values if reason)
            verdict = Verdict(verdict.verdict, "; ".join([verdict.why, *said]))
    return Answer(verdict.verdict, verdict.why, charged, time.perf_counter() - began)
