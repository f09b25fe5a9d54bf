"""How long does a job take? CPU seconds of one thread, the least of a few runs."""

import time


def least(job, times=3):
    """CPU seconds of the fastest of a few runs."""
    best = float("inf")
    for _ in range(times):
        start = time.process_time()
        job()
        best = min(best, time.process_time() - start)
    return best
