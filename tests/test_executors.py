"""Jobs give the same in every executor, in their order; what is finished outlives Ctrl-C."""

import multiprocessing
import operator
import os
import pickle
import signal
import sys
import threading
import types
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from counterfactual_models import CounterfactualError
from inference.executors import run_jobs, stream_jobs


class Lazy(Executor):
    """Runs the jobs named, when they are handed in, and leaves the others waiting for ever."""

    def __init__(self, *jobs):
        self.jobs = jobs
        self.futures = []

    def submit(self, receive, work, job):
        future = Future()
        self.futures.append(future)
        if pickle.loads(job) in self.jobs:
            future.set_running_or_notify_cancel()
            try:
                future.set_result(receive(work, job))
            except BaseException as error:
                future.set_exception(error)
        return future


@pytest.fixture
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def stop(place, result):
    raise KeyboardInterrupt


def interrupt_at(last):
    def work(job):
        if job == last:
            raise KeyboardInterrupt
        return -job

    return work


def test_results_are_in_the_order_of_the_jobs_here_and_in_processes(processes):
    jobs = [5, 3, 8, 1, 9, 2]
    told = []
    here = run_jobs(operator.neg, jobs, watch=lambda *pair: told.append(pair))
    assert told == list(enumerate([-5, -3, -8, -1, -9, -2])) == list(here.results.items())
    told.clear()
    there = run_jobs(operator.neg, jobs, executor=processes, watch=lambda *pair: told.append(pair))
    assert there == here
    assert list(there.results) == list(range(6))
    assert sorted(told) == list(there.results.items())
    assert not there.interrupted


def test_no_jobs_are_no_trouble(processes):
    assert run_jobs(operator.neg, []).results == {}
    assert run_jobs(operator.neg, [], executor=processes).results == {}


def test_interrupted_here_what_is_finished_is_kept():
    finished = run_jobs(interrupt_at(2), range(6))
    assert finished.results == {0: 0, 1: -1}
    assert finished.interrupted
    with pytest.raises(KeyboardInterrupt):
        run_jobs(interrupt_at(0), range(6))


def test_interrupted_there_what_is_finished_is_kept_and_the_rest_dropped():
    pool = Lazy(0, 1, 4)
    finished = run_jobs(operator.neg, range(6), executor=pool, watch=stop)
    assert finished.results == {0: 0, 1: -1, 4: -4}
    assert finished.interrupted
    assert [future.cancelled() for future in pool.futures] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]


def test_an_interrupted_worker_interrupts_the_run():
    finished = run_jobs(interrupt_at(4), range(6), executor=Lazy(1, 4))
    assert finished.results == {1: -1}
    assert finished.interrupted
    with pytest.raises(KeyboardInterrupt):
        run_jobs(interrupt_at(0), range(6), executor=Lazy(0))


def test_an_error_comes_through_and_drops_what_has_not_begun():
    pool = Lazy(2)
    with pytest.raises(ZeroDivisionError):
        run_jobs(lambda job: 1 // (job - 2), range(6), executor=pool)
    assert sum(future.cancelled() for future in pool.futures) == 5
    with pytest.raises(ZeroDivisionError):
        run_jobs(lambda job: 1 // (job - 2), range(6))

    def refuse(place, result):
        raise CounterfactualError("hopeless")

    pool = Lazy(0)
    with pytest.raises(CounterfactualError, match="hopeless"):
        run_jobs(operator.neg, range(6), executor=pool, watch=refuse)
    assert sum(future.cancelled() for future in pool.futures) == 5


def test_a_dead_process_is_explained(processes):
    with pytest.raises(CounterfactualError, match="a process of the ProcessPoolExecutor died"):
        run_jobs(signal.raise_signal, [signal.SIGKILL], executor=processes)


def test_threads_are_refused():
    with ThreadPoolExecutor(2) as pool, pytest.raises(CounterfactualError, match="Use processes"):
        run_jobs(operator.neg, [1, 2], executor=pool)


def test_functions_are_sent_whole_and_what_cannot_be_sent_is_refused(processes):
    offset = 3
    assert run_jobs(lambda job: job + offset, [1], executor=processes).results == {0: 4}
    lock = threading.Lock()
    with pytest.raises(CounterfactualError, match=r"cannot be sent.*lock"):
        run_jobs(lambda job: lock, [1], executor=processes)


def test_what_a_worker_cannot_import_is_an_error_and_not_a_wait(processes, monkeypatch):
    here = types.ModuleType("only_here")
    exec("def work(job): return job", here.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", here)
    with pytest.raises(CounterfactualError, match=r"No module named 'only_here'.*by_value"):
        run_jobs(here.work, [1], executor=processes)


def test_jobs_are_made_as_they_are_handed_in():
    made = []

    def jobs():
        for job in range(6):
            made.append(job)
            yield job

    pool = Lazy(0, 1)
    stream = stream_jobs(operator.neg, jobs(), executor=pool, ahead=2)
    assert sorted([next(stream), next(stream)]) == [(0, 0), (1, -1)]
    assert made == [0, 1]
    stream.close()


class Client:
    def get_executor(self): ...


@pytest.mark.parametrize(
    ("executor", "hint"), [(4, "get_reusable_executor"), (Client(), r"client\.get_executor")]
)
def test_what_is_no_executor_is_answered_with_one(executor, hint):
    with pytest.raises(CounterfactualError, match=f"expected a concurrent.*{hint}"):
        run_jobs(operator.neg, [1], executor=executor)


def test_loky_takes_closures():
    loky = pytest.importorskip("joblib.externals.loky", reason="needs the extra 'scale'")
    offset = os.getpid()
    pool = loky.get_reusable_executor(1)
    found = run_jobs(lambda job: (job + offset, os.getpid() == offset), [1, 2], executor=pool)
    assert found.results == {0: (1 + offset, False), 1: (2 + offset, False)}
    pool.shutdown()


@pytest.mark.filterwarnings("default")  # dask's own, of ports and of closing
def test_dask_takes_closures():
    distributed = pytest.importorskip("distributed", reason="needs the extra 'scale'")
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**options) as client:
        offset = os.getpid()
        pool = client.get_executor(pure=False)
        found = run_jobs(lambda job: (job + offset, os.getpid() == offset), [1, 2], executor=pool)
    assert found.results == {0: (1 + offset, False), 1: (2 + offset, False)}
