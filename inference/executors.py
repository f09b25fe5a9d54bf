"""One way to get many jobs done: here, in the processes of a laptop, or on a cluster.

An executor is what the standard library calls one, ``concurrent.futures.Executor``: joblib's loky
(``joblib.externals.loky.get_reusable_executor()``) or dask's (``Client(...).get_executor()``).
Nothing of either is imported here. A job must get its random numbers from its own description:
then it gives the same bits wherever it runs.
"""

import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
)
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from counterfactual_models.errors import CounterfactualError

__all__ = ["Finished", "run_jobs"]

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOKY = "joblib.externals.loky.get_reusable_executor(max_workers)  # pip: the extra 'scale'"


@dataclass(frozen=True)
class Finished(Generic[Result]):
    """What was finished of many jobs.

    Parameters
    ----------
    results
        Place of the job -> what it gave, in the order of the jobs.
    interrupted
        Whether the run was stopped by hand, so that some may be missing.
    """

    results: dict[int, Result]
    interrupted: bool


def run_jobs(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    *,
    executor: Executor | None = None,
    watch: Callable[[int, Result], Any] | None = None,
) -> Finished[Result]:
    """Do one thing to many jobs; what comes back is in their order, whoever finished first.

    Interrupted (Ctrl-C), it drops what has not begun and gives back what is finished; if that is
    nothing, it raises. After an error, of a job or of `watch`, it drops what has not begun too.

    Parameters
    ----------
    work
        What to do. To other processes it goes pickled: by loky and dask whole, closures and
        lambdas too, by the standard library's pool only by its name.
    jobs
        What to do it to; each small, for it travels as well.
    executor
        None does one after the other in this process. It is not shut down.
    watch
        Told the place and the result of each job as it is finished, in this process.

    Returns
    -------
    Finished

    Raises
    ------
    CounterfactualError
        If the executor is none or runs threads, if the work cannot be sent to it, or if one of
        its processes died. What a job raises comes through as it is.

    Examples
    --------
    >>> run_jobs(lambda x: x * x, [1, 2, 3]).results
    {0: 1, 1: 4, 2: 9}
    """
    told = watch or (lambda place, result: None)
    if executor is None:
        return _one_by_one(work, jobs, told)
    _refuse(executor, work)
    return _spread_out(work, jobs, executor, told)


def _refuse(executor: Any, work: Callable[..., Any]) -> None:
    """Refuse an executor that cannot do the work rightly, before anything is run."""
    if not isinstance(executor, Executor):
        ready = "client.get_executor(pure=False)" if hasattr(executor, "get_executor") else _LOKY
        raise CounterfactualError(
            f"got an executor of type {type(executor).__name__}; expected a "
            f"concurrent.futures.Executor, as in executor={ready}"
        )
    if isinstance(executor, ThreadPoolExecutor):
        raise CounterfactualError(
            f"got a {type(executor).__name__}: threads gain nothing, since Pyro has one stack of "
            f"handlers a process and every run of a world holds a lock. Use processes: {_LOKY}"
        )
    if isinstance(executor, ProcessPoolExecutor):
        try:
            pickle.dumps(work)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise CounterfactualError(
                "the standard library's ProcessPoolExecutor cannot send this to another process "
                f"({error}): it knows functions by name only. Write the world at the top of a "
                f"module, or use an executor that sends functions whole: {_LOKY}"
            ) from error


def _one_by_one(
    work: Callable[[Job], Result], jobs: Sequence[Job], told: Callable[[int, Result], Any]
) -> Finished[Result]:
    results: dict[int, Result] = {}
    try:
        for place, job in enumerate(jobs):
            results[place] = work(job)
            told(place, results[place])
    except KeyboardInterrupt:
        if not results:
            raise
        return Finished(results, True)
    return Finished(results, False)


def _spread_out(
    work: Callable[[Job], Result],
    jobs: Sequence[Job],
    executor: Executor,
    told: Callable[[int, Result], Any],
) -> Finished[Result]:
    places: dict[Future[Result], int] = {}
    interrupted = False
    try:
        for place, job in enumerate(jobs):
            places[executor.submit(work, job)] = place
        for future in as_completed(places):
            told(places[future], future.result())
    except KeyboardInterrupt:  # here, or in a worker: the terminal tells both
        interrupted = True
    except BrokenExecutor as error:
        raise CounterfactualError(
            f"a process of the {type(executor).__name__} died ({error}): out of memory, killed, "
            "or unable to import what it was sent; a script needs the guard "
            "if __name__ == '__main__'."
        ) from error
    finally:
        for future in places:
            future.cancel()
    finished = {
        place: future.result()
        for future, place in places.items()
        if future.done() and not future.cancelled() and future.exception() is None
    }
    if interrupted and not finished:
        raise KeyboardInterrupt
    return Finished(finished, interrupted)
