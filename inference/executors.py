"""One way to get many jobs done: here, in the processes of a laptop, or on a cluster.

An executor is what the standard library calls one, ``concurrent.futures.Executor``: joblib's loky
(``joblib.externals.loky.get_reusable_executor()``) or dask's (``Client(...).get_executor()``).
Nothing of either is imported here. A job must get its random numbers from its own description:
then it gives the same bits wherever it runs, and may be done again where a worker was lost. Dask
does that by itself; loky's pool is renewed here.
"""

import logging
import pickle
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from counterfactual_models.errors import CounterfactualError

__all__ = ["Finished", "run_jobs", "stream_jobs"]

logger = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

_LOKY = "joblib.externals.loky.get_reusable_executor(max_workers)  # pip: the extra 'scale'"
_AHEAD = 1024
_RENEWALS = 3


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
        Function of one job. For an executor it must be sendable to another process.
    jobs
        What it is done to.
    executor
        None does them here, one by one.
    watch
        Told the place and the result of each job as it is finished.

    Returns
    -------
    Finished

    Raises
    ------
    CounterfactualError
        As :func:`stream_jobs`. What a job raises comes through as it is.

    Examples
    --------
    >>> run_jobs(lambda x: x * x, [1, 2, 3]).results
    {0: 1, 1: 4, 2: 9}
    """
    results: dict[int, Result] = {}
    unclaimed: dict[int, Result] = {}
    interrupted = False
    stream = _stream(work, jobs, executor, _AHEAD, unclaimed)
    try:
        for place, result in stream:
            results[place] = result
            if watch is not None:
                watch(place, result)
    except KeyboardInterrupt:  # here, or in a worker: the terminal tells both
        stream.close()
        results |= unclaimed
        if not results:
            raise
        interrupted = True
    return Finished(dict(sorted(results.items())), interrupted)


def stream_jobs(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    *,
    executor: Executor | None = None,
    ahead: int = _AHEAD,
) -> Iterator[tuple[int, Result]]:
    """Do one thing to many jobs, and hand over each result as it is finished.

    Jobs are made as they are handed in, and results are not kept: memory holds `ahead` of them.
    Left early, by an error or by Ctrl-C, it drops what has not begun.

    Parameters
    ----------
    work, executor
        As in :func:`run_jobs`.
    jobs
        Made one after the other.
    ahead
        Jobs handed in at a time.

    Yields
    ------
    tuple of int and result
        Place of the job, and what it gave.

    Raises
    ------
    CounterfactualError
        If the executor is none or runs threads, if the work cannot be sent to it, or if its
        processes died, time and again. What a job raises comes through as it is.

    Examples
    --------
    >>> list(stream_jobs(str, iter([1, 2])))
    [(0, '1'), (1, '2')]
    """
    yield from _stream(work, jobs, executor, ahead, {})


def _stream(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    executor: Executor | None,
    ahead: int,
    unclaimed: dict[int, Result],
) -> Generator[tuple[int, Result], None, None]:
    """Stream the results; those that nobody waited for are left in `unclaimed`."""
    if executor is None:
        for place, job in enumerate(jobs):
            yield place, work(job)
        return
    _refuse(executor)
    pool = _Pool(work, iter(enumerate(jobs)), executor)
    try:
        while pool.fill(ahead):
            yield from pool.collect()
    finally:
        unclaimed |= pool.drop()


class _Pool(Generic[Job, Result]):
    """Jobs that are handed in to an executor; a pool whose processes died is renewed."""

    def __init__(
        self, work: Callable[[Job], Result], jobs: Iterator[tuple[int, Job]], executor: Executor
    ) -> None:
        self.work, self.jobs, self.executor = _packed(work), jobs, executor
        self.waiting: dict[Future[Result], tuple[int, Job]] = {}
        self.again: list[tuple[int, Job]] = []
        self.lost = 0

    def fill(self, ahead: int) -> bool:
        """Hand in jobs until `ahead` of them wait; False when nothing is left to wait for."""
        while self.again or len(self.waiting) < ahead:
            self.again = self.again or [taken for taken in [next(self.jobs, None)] if taken]
            if not self.again:
                break
            try:
                packed = _packed(self.again[-1][1])
                future = self.executor.submit(_receive, self.work, packed)
            except BrokenExecutor as error:
                self._renew(error)
                continue
            except RuntimeError as error:
                raise CounterfactualError(
                    f"the {type(self.executor).__name__} takes no more work ({error}); make "
                    "another one."
                ) from error
            self.waiting[future] = self.again.pop()
        return bool(self.waiting)

    def collect(self) -> Iterator[tuple[int, Result]]:
        """Wait for some, and hand over what they gave."""
        for future in wait(self.waiting, return_when=FIRST_COMPLETED).done:
            try:
                result = future.result()
            except BrokenExecutor as error:
                return self._renew(error)
            yield self.waiting.pop(future)[0], result

    def drop(self) -> dict[int, Result]:
        """Drop what has not begun, and give what is finished and was not handed over."""
        for future in self.waiting:
            future.cancel()
        return {
            place: future.result()
            for future, (place, _) in self.waiting.items()
            if future.done() and not future.cancelled() and future.exception() is None
        }

    def _renew(self, error: BrokenExecutor) -> None:
        self.lost += 1
        self.executor = _renewed(self.executor, error, self.lost)
        self.again += sorted(self.waiting.values(), key=lambda taken: -taken[0])
        self.waiting = {}


def _refuse(executor: Any) -> None:
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
    if find_spec("cloudpickle") is None:
        raise CounterfactualError(
            "functions are sent to other processes by cloudpickle, which is not installed: "
            "pip install 'counterfactual-models[scale]'"
        )


def _packed(thing: Any) -> bytes:
    """Pack work or a job whole, with the functions that no worker can import."""
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(thing)
    except (pickle.PicklingError, AttributeError, TypeError, RuntimeError) as error:
        raise CounterfactualError(
            f"this cannot be sent to another process: {error}. Let the world and the disciples "
            "close over plain numbers and tensors."
        ) from error
    return packed


def _receive(packed_work: bytes, packed_job: bytes) -> Any:
    """Unpack and do it. Dask waits for ever for what it cannot unpack itself."""
    try:
        work, job = pickle.loads(packed_work), pickle.loads(packed_job)
    except (ImportError, AttributeError) as error:
        raise CounterfactualError(
            f"a worker cannot import what it was sent ({error}): install or copy the module of "
            "the world and of the disciples there, or call "
            "cloudpickle.register_pickle_by_value(module) here."
        ) from error
    return work(job)


def _renewed(executor: Executor, error: BrokenExecutor, lost: int) -> Executor:
    """Ask for another pool where one can be had: loky's is made anew when its processes die."""
    renew = getattr(sys.modules[type(executor).__module__], "get_reusable_executor", None)
    if renew is None or lost > _RENEWALS:
        raise CounterfactualError(
            f"a process of the {type(executor).__name__} died ({error}): out of memory, killed, "
            "or unable to start; a script needs the guard if __name__ == '__main__'."
        ) from error
    logger.warning("a process died, and is replaced; what it was doing is done again")
    return renew(max_workers=getattr(executor, "_max_workers", None))
