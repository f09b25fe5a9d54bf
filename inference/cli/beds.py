"""`counterfactual testbed`: do the measures of impact work?"""

import argparse
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from counterfactual_models.errors import CounterfactualError
from inference.cli.output import folder, move, plain_warnings, say

__all__ = ["run_testbed"]


def run_testbed(options: argparse.Namespace, kept: list[Path]) -> int:
    """Run the test-bed, print the table and write the files; 1 if a world or measure failed."""
    from inference import testbed

    if options.list:
        return _list()
    out = Path(options.out or Path("out", "testbed"))
    readme = options.readme and Path(options.readme)
    with folder(out):
        if readme:
            if options.worlds or options.measures:
                raise CounterfactualError(
                    "--readme writes the table of all worlds and measures; leave out --worlds and "
                    "--measures, or --readme."
                )
            testbed.refuse_unmarked(readme)
        with plain_warnings(), _workers(options.workers) as executor:
            found = testbed.run(
                options.worlds,
                options.measures,
                draws=options.draws,
                futures=options.futures,
                seed=options.seed or 0,
                executor=executor,
                progress=not options.quiet,
            )
            move(found.write, out, kept)
        if found.interrupted:
            raise KeyboardInterrupt
        ways = ("max", "sum") if options.combine else ()
        combined = [testbed.combine(found, how=how) for how in ways]
        if readme:
            kept.append(testbed.write_table(found, readme, combined))
        if not options.quiet:
            for told in (found, *combined):
                print(told, end="\n\n")
        print("\n".join(map(str, kept)))
    for failure in found.failures:
        say(f"failed: {failure}")
    return 1 if found.failures else 0


def _list() -> int:
    """List worlds and measures."""
    from inference import testbed

    for case in testbed.CASES:
        print(f"{case}: {testbed.find_example(case).about}")
    print()
    for name, measure in testbed.measures().items():
        alarm = "order alone" if measure.alarm is None else f"alarm at {measure.alarm:g}"
        print(f"{name}: {measure.about} ({alarm})")
    return 0


@contextmanager
def _workers(wanted: int | None) -> Iterator[Executor | None]:
    """Make processes, with one thread each; without the extra `scale`, run here."""
    there = find_spec("joblib") is not None and find_spec("cloudpickle") is not None
    if wanted is not None and wanted > 1 and not there:
        raise CounterfactualError(
            f"--workers {wanted} needs the extra 'scale': pip install "
            "'counterfactual-models[scale]'. Leave it out to run in this process."
        )
    workers = wanted or (os.cpu_count() or 1 if there else 1)
    if workers == 1:
        yield None
        return
    from joblib.externals.loky import get_reusable_executor

    threads = {"OMP_NUM_THREADS": "1"}
    executor = get_reusable_executor(workers, env=threads)
    with warnings.catch_warnings():
        # loky renews a worker that holds more memory than at first, and says so: nothing is lost.
        warnings.filterwarnings("ignore", message="A worker stopped", category=UserWarning)
        try:
            yield executor
        except BaseException:
            # What an interrupted run dropped is still in loky's queue: kill_workers trips over
            # it, and to wait alone would be to wait until it is done.
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            executor.shutdown(wait=True)
