r"""Can the posterior be believed? Simulation-based calibration of any world and any engine.

.. math:: \mathrm{past}^* \sim p(\mathrm{past}), \; e^* \sim p(e \mid \mathrm{past}^*)
          \;\Rightarrow\; \mathrm{past}^*, \mathrm{past}_t \sim p(\mathrm{past} \mid e^*)
          \text{ alike}

Truth and draws come from one law, so the truth is as likely to stand at one rank among right
draws as at any other. The ranks of latents do not notice an engine that ignores the data; that of
the data's log-likelihood does.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import xarray as xr

from counterfactual_models.anatomy import dissect
from counterfactual_models.disciples import erased
from counterfactual_models.errors import EvidenceError, ImpactWarning, WorldError, refuse_counts
from inference import schema
from inference.executors import run_jobs
from inference.labels import Labels
from inference.posterior.engine import bar
from inference.posterior.question import Question, ask, world_name
from inference.rank_verdicts import LEVEL, QUANTITY, REPETITION, judge_ranks, sum_up
from inference.repetition import OWN_LIKELIHOOD, TRUE_LIKELIHOOD, Repetition, Study
from inference.stacking import labels_of
from inference.store import provenance

__all__ = ["calibrate"]


_HOPELESS = 10  # repetitions that fail, and none that does not: no use in going on
_FEWEST = 2  # repetitions, for a spread
_FEW_RANKED = 20
_LIKELIHOODS = (OWN_LIKELIHOOD, TRUE_LIKELIHOOD)


def calibrate(
    world: Callable[..., Any],
    evidence: Mapping[str, Any] | Iterable[str] | None = None,
    *,
    method: str = "auto",
    repetitions: int = 200,
    draws: int = 250,
    chains: int = 4,
    seed: int = 0,
    truth: Callable[..., Any] | None = None,
    coords: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    executor: Executor | None = None,
    progress: bool = True,
) -> xr.Dataset:
    """Draw pasts and data from the prior, infer each past anew, and rank it among its draws.

    Parameters
    ----------
    world
        Infers. The future is never run.
    evidence
        Names of the sites to be data; of a dict, as for ``sample_posterior``, only the names.
    method, draws, chains, coords, dims
        As in ``sample_posterior``.
    repetitions
        200 see a posterior sd 20% wrong in about seven of eight studies; 10% takes 800.
    seed
        The same seed gives the same numbers with any executor, and a longer study begins with
        the repetitions of a shorter one.
    truth
        A world that draws pasts and data in place of `world`: is a quick, approximate world
        calibrated against the slow one? Latents of the same names are ranked.
    executor
        Any ``concurrent.futures.Executor`` of processes, see :mod:`inference.executors`.
    progress
        Show a progress bar, if there is a terminal. Interrupted, what is finished is kept.

    Returns
    -------
    xr.Dataset
        Dims repetition, quantity (``z[0]``, ``log_likelihood``), place:

        - `rank`, normalised to (0, 1), among `ranked` draws; NaN among 0 where one failed.
        - `bias`, `spread`, with their `mcse`: 0 and 1 when right; how many posterior standard
          deviations the truth lies higher, and by what factor the posterior is too narrow.
        - `p`, `p_holm` (adjusted for all quantities) and `verdict`, ``off`` or ``passes``: of all
          studies of a right posterior at most 5% find anything off.
        - `ecdf_difference` at each place, and the 95% band for the whole curve.
        - `status`: ``ok``, ``warned`` (the engine doubts itself; ranked all the same) or
          ``failed`` (left out); and the `message`. ``attrs["summary"]`` sums up.

    Raises
    ------
    WorldError, EvidenceError
        For worlds that observe data themselves, evidence after the switch, `truth` that does not
        fit; when every repetition fails.

    Warns
    -----
    ImpactWarning
        When repetitions failed or were interrupted; when ranks rest on few draws.

    Examples
    --------
    >>> from counterfactual_models import zoo
    >>> options = {"method": "importance", "repetitions": 8, "draws": 50}
    >>> calibrate(zoo.load("gaussian").world, ["e"], **options)["verdict"].values.tolist()
    ['passes', 'passes', 'passes']
    """
    refuse_counts(_FEWEST, repetitions=repetitions)
    refuse_counts(1, draws=draws, chains=chains)
    study, labels = _plan(world, truth, evidence, (method, draws, chains, seed), coords, dims)
    found, interrupted = _run(study, int(repetitions), executor, progress)
    result = _gathered(labels, found)
    run = {"repetitions": repetitions, "interrupted": interrupted}
    result.attrs = _attrs(study, found, result, run)
    for category, text in _doubts(result, found):
        warnings.warn(text, category, stacklevel=2)
    return result


def _plan(
    world: Callable[..., Any],
    truth: Callable[..., Any] | None,
    evidence: Mapping[str, Any] | Iterable[str] | None,
    options: tuple[str, int, int, int],
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Sequence[str]] | None,
) -> tuple[Study, list[str]]:
    """Hold everything against everything before anything is run; label the quantities."""
    method, draws, chains, seed = options
    names = _names(evidence)
    own = _question(world, names, "the world")
    other = own if truth is None else _question(truth, names, "the world of truth=")
    _refuse_other_data(own, other, names)
    latents = [n for n in own.latents if n in other.latents]
    if not latents:
        raise WorldError(
            f"there is nothing to rank: beside the evidence {names} the world has the latents "
            f"{list(own.latents)} before its switch"
            + (
                f", the world of truth= {list(other.latents)}; none of the same name."
                * bool(truth)
                or "."
            )
        )
    scored = any(own.observed[name].numel() for name in names)
    complete = (set(own.latents) <= set(latents), set(other.latents) <= set(latents) and truth)
    likelihoods = [n for n, whole in zip(_LIKELIHOODS, complete, strict=True) if whole and scored]
    labels = _labels(own, latents, coords, dims) + likelihoods
    repeated = [label for label in labels if labels.count(label) > 1]
    if repeated:
        raise WorldError(
            f"the world calls a latent {repeated[0]!r}, a name that the result needs "
            "for itself: rename it."
        )
    study = Study(
        world,
        truth,
        tuple(names),
        tuple(latents),
        tuple(likelihoods),
        method,
        int(draws),
        int(chains),
        int(seed),
    )
    return study, labels


def _names(evidence: Mapping[str, Any] | Iterable[str] | None) -> list[str]:
    names = [evidence] if isinstance(evidence, str) else list(evidence or ())
    strange = [name for name in names if not isinstance(name, str)]
    if strange:
        raise EvidenceError(
            f"got evidence that names {strange[0]!r}; expected names of sites, or a dict as for "
            "sample_posterior."
        )
    return list(dict.fromkeys(names))


def _question(world: Callable[..., Any], names: list[str], what: str) -> Question:
    """Ask for the past given data of the world's own making, and refuse what has no such data."""
    whole = dissect(world, erased)
    if whole.data:
        raise WorldError(
            f"{what} observes {next(iter(whole.data))!r} itself (obs=, pyro.factor or condition): "
            "data drawn anew cannot take its place. To calibrate, write it as a plain "
            "pyro.sample(name, distribution) and name it in evidence."
        )
    sites = whole.sites
    question = ask(world, {n: sites[n].value if n in sites else 0.0 for n in names})
    if question.later:
        raise EvidenceError(
            f"evidence on {question.later} speaks about what comes after the switch of {what}. "
            "What is calibrated is the posterior of the past, which does not know it: leave it "
            "out."
        )
    scaled = [name for name, site in question.latents.items() if site.tempered]
    if scaled:
        raise WorldError(
            f"the density of site {scaled[0]!r} is scaled or masked (poutine.scale, poutine.mask) "
            f"in {what}: no truth can be drawn from it."
        )
    return question


def _refuse_other_data(own: Question, other: Question, names: list[str]) -> None:
    shared = [name for name in own.latents if name in other.latents]
    for name in [*names, *shared]:
        shapes = [tuple(q.whole.sites[name].value.shape) for q in (own, other)]
        if shapes[0] != shapes[1]:
            raise WorldError(
                f"site {name!r} has shape {shapes[0]} in the world and {shapes[1]} in the world "
                "of truth=; expected the same."
            )


def _labels(
    question: Question,
    latents: Sequence[str],
    coords: Mapping[str, Any] | None,
    dims: Mapping[str, Sequence[str]] | None,
) -> list[str]:
    """Label every element of the latents as ArviZ does."""
    sites = question.whole.sites
    values = {name: sites[name].value.cpu().numpy() for name in latents}
    labelled = Labels(coords, dims, sites).dataset(values)
    return [label for one in labelled.data_vars.values() for label in labels_of(one, [])]


def _run(
    study: Study, repetitions: int, executor: Executor | None, progress: bool
) -> tuple[dict[int, Repetition], bool]:
    done, failed = 0, 0

    def watch(number: int, found: Repetition) -> None:
        nonlocal done, failed
        done, failed = done + 1, failed + (found.status == "failed")
        shown.update()
        if failed == done == min(_HOPELESS, repetitions):
            raise WorldError(f"all of the first {failed} repetitions failed, with {found.message}")

    with bar(repetitions, "calibrate", progress) as shown:
        finished = run_jobs(study, range(repetitions), executor=executor, watch=watch)
    errors = [one.message for one in finished.results.values() if one.status == "failed"]
    every = len(finished.results)
    if every - len(errors) < _FEWEST:
        if finished.interrupted:
            raise KeyboardInterrupt
        raise WorldError(
            f"{len(errors)} of {every} repetitions failed, the first with {errors[0]}"
        )
    return finished.results, finished.interrupted


def _gathered(labels: Sequence[str], found: Mapping[int, Repetition]) -> xr.Dataset:
    """Put the repetitions together: NaN among no draws where one failed."""
    rank = np.full((len(found), len(labels)), np.nan)
    ranked, tied = np.zeros(rank.shape, int), np.zeros(rank.shape, bool)
    for row, one in enumerate(found.values()):
        if one.status != "failed":
            rank[row], ranked[row], tied[row] = one.rank, one.ranked, one.tied
    result = judge_ranks(rank, ranked, tied, labels).assign_coords({REPETITION: list(found)})
    texts = {
        "status": np.array([one.status for one in found.values()], dtype=object),
        "message": np.array([one.message for one in found.values()], dtype=object),
    }
    return result.assign({name: (REPETITION, text) for name, text in texts.items()})


def _attrs(
    study: Study, found: Mapping[int, Repetition], result: xr.Dataset, run: Mapping[str, Any]
) -> dict[str, Any]:
    statuses = [one.status for one in found.values()]
    attrs = {
        **provenance(),
        "world": world_name(study.world),
        "truth": world_name(study.truth) if study.truth else "",
        "evidence": list(study.evidence),
        "method": ", ".join(sorted({one.method for one in found.values() if one.method})),
        "draws": study.draws,
        "chains": study.chains,
        "seed": study.seed,
        "level": LEVEL,
        "p": float(result["p_holm"].min()),
        "failed": statuses.count("failed"),
        "warned": statuses.count("warned"),
        **result.attrs,
        **run,
    }
    return schema.encode_attrs({"summary": sum_up(result, attrs), **attrs})


def _doubts(
    result: xr.Dataset, found: Mapping[int, Repetition]
) -> Iterator[tuple[type[Warning], str]]:
    """Tell with what care to read the result; then what was none of the engine's business."""
    attrs = schema.decode_attrs(result.attrs)
    if attrs["interrupted"]:
        yield (
            ImpactWarning,
            f"interrupted: {len(found)} of {attrs['repetitions']} repetitions are finished. With "
            "an executor, those that take long are missing more often.",
        )
    failed = (result["status"] == "failed").values
    if failed.any():
        yield (
            ImpactWarning,
            f"{failed.sum()} of {failed.size} repetitions failed and are left out: the ranks "
            "speak only of the data that the engine can bear, and leaving out may make a right "
            "engine look wrong or a wrong one right. The first: "
            f"{result['message'].values[failed][0]}",
        )
    typical = np.median(result["ranked"].values[~failed], axis=0)
    if typical.min() < _FEW_RANKED:
        name = result[QUANTITY].values[typical.argmin()]
        yield (
            ImpactWarning,
            f"{name!r} is ranked among {typical.min():.0f} independent draws (median), wanted "
            f"{_FEW_RANKED}: small errors do not show. Take more draws.",
        )
    yield from dict.fromkeys(pair for one in found.values() for pair in one.strange)
