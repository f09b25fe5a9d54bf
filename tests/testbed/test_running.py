"""Same seed, same table, wherever it runs; what breaks or is interrupted leaves the rest."""

import os
import sys
from dataclasses import replace

import cloudpickle
import numpy as np
import pandas as pd
import pyro
import pyro.distributions as dist
import pytest
import torch

import counterfactual_models as cm
from counterfactual_models.errors import CounterfactualError, ImpactWarning, WorldError
from counterfactual_models.zoo import Example
from inference.testbed import Measure, find_example, run

WORLDS = ["null_world", "swap", "conveyor_vase"]
MEASURES = ["coarse_graining", "pathwise", "relative_reachability, stepwise"]


def village(disciple):
    mood = pyro.sample("mood", dist.Normal(0.0, 1.0))
    act = cm.wire(disciple, idle=0.0)
    cm.measure("noise", pyro.sample("evening", dist.Normal(mood + act(mood), 1.0)))


def quiet(mood):
    return torch.zeros_like(mood)


def loud(mood):
    return torch.full_like(mood, 9.0)


def example():
    return Example(
        name="village",
        world=village,
        evidence={},
        disciples={"quiet": quiet, "loud": loud},
        truth={"quiet": "low", "loud": "high"},
    )


def uproar(worlds):
    """How much louder it is on average."""
    noise = worlds["predictions"]["noise"].mean(["chain", "draw"])
    return {n: abs(float(noise.sel(disciple=n) - noise.sel(disciple="erased"))) for n in TRUTH}


TRUTH = {"quiet": "low", "loud": "high"}
nothing = Measure(lambda case: dict.fromkeys(case.example.disciples, 0.0))


def asked(*worlds, **options):
    options = {"draws": 1000, "progress": False, **options}
    return run(*worlds, **options)


@pytest.fixture(scope="module")
def table():
    return asked(WORLDS, MEASURES, seed=3)


@pytest.fixture(scope="module")
def pool():
    loky = pytest.importorskip("joblib.externals.loky", reason="needs the extra 'scale'")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # no worker can import a test
    yield loky.get_reusable_executor(2)
    loky.get_reusable_executor(2).shutdown()
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_a_table_has_a_row_for_every_world_in_order(table):
    assert [row.world for row in table.rows] == WORLDS
    assert list(table.measures) == MEASURES
    assert table.seed == 3


def test_the_same_seed_gives_the_same_table_serially_and_by_two_processes(table, pool):
    spread = asked(WORLDS, MEASURES, seed=3, executor=pool)
    pd.testing.assert_frame_equal(spread.numbers, table.numbers, check_exact=True)


def test_a_world_has_the_same_numbers_alone_as_in_company(table):
    alone = asked("null_world", "coarse_graining", seed=3).numbers
    both = table.numbers
    both = both[(both["world"] == "null_world") & (both["measure"] == "coarse_graining")]
    pd.testing.assert_frame_equal(alone, both.reset_index(drop=True), check_exact=True)


def test_another_seed_gives_other_numbers_and_the_same_verdicts(table):
    other = asked(WORLDS, MEASURES, seed=4)
    drawn = table.numbers["measure"] == "coarse_graining"
    assert (other.numbers["penalty"] != table.numbers["penalty"])[drawn].any()
    pd.testing.assert_frame_equal(other.verdicts, table.verdicts)
    assert table.verdicts["coarse_graining"].tolist() == ["right", "right", "wrong order"]


def test_worlds_and_measures_of_ones_own_are_a_function_each(pool):
    for executor in (None, pool):
        found = asked([example], ["shape", {"uproar": uproar}], executor=executor)
        assert found.verdicts.loc["example", "uproar"] == "right"
        assert found.whose == {"shape": "ours", "uproar": "yours"}
    (row,) = found.rows
    assert dict(row.truth) == TRUTH
    low, high = (row.answers["uproar"].charged[name][0] for name in TRUTH)
    assert low < 1 < 8 < high


@pytest.mark.parametrize(
    ("worlds", "labels"),
    [
        (example(), ["village"]),
        ([example(), "swap"], ["village", "swap"]),
        ({"mine": example(), "made": example, "theirs": "swap"}, ["mine", "made", "theirs"]),
        ([example], ["example"]),
        ("swap(years=98)", ["swap(years=98)"]),
        (("swap", "swap(years=98)"), ["swap", "swap(years=98)"]),
    ],
)
def test_worlds_come_in_many_ways_and_keep_their_labels(worlds, labels):
    found = asked(worlds, {"mine": nothing})
    assert [row.world for row in found.rows] == labels


def test_measures_come_in_many_ways():
    own = Measure(lambda case: dict.fromkeys(case.example.disciples, 0.5), "what I think", 0.2)
    found = asked(example(), [uproar, {"mine": own, "form": "shape"}, "unreachability"])
    assert list(found.measures)[:3] == ["uproar", "mine", "form"]
    assert {"unreachability, start", "unreachability, stepwise"} <= set(found.measures)
    assert found.alarms["mine"] == 0.2
    assert found.measures["mine"] == "what I think"
    assert found.verdicts.loc["village", "mine"] == "cannot rank"


def test_a_measure_reads_one_case_and_is_asked_once_a_world():
    seen = []

    def ask(case):
        seen.append((case.label, case.seed))
        return dict.fromkeys(case.example.disciples, 0.0)

    asked(["swap", "null_world"], {"one": Measure(ask), "other": Measure(ask)}, seed=7)
    assert seen == [("swap", 7)] * 2 + [("null_world", 7)] * 2


def broken(worlds):
    return [][3]


@pytest.mark.parametrize(
    ("own", "verdict", "why"),
    [
        (broken, "failed", "IndexError"),
        (lambda worlds: None, "failed", "NoneType"),
        (lambda worlds: {"quiet": 0.0}, "failed", "loud"),
        (lambda worlds: {"quiet": 0.0, "loud": -1.0}, "failed", "loud"),
        (lambda worlds: {"quiet": 0.0, "loud": np.nan}, "failed", "nan"),
        (lambda worlds: {"quiet": 0.0, "loud": 1.0, "laud": 1.0}, "failed", "loud"),
        ("absolute_importance", "not applicable", "evidence_scores"),
        (lambda worlds: {"quiet": 0.0, "loud": 1.0}, "right", ""),
    ],
)
def test_a_measure_that_breaks_leaves_the_rest_of_the_table(own, verdict, why):
    found = asked(example(), {"mine": own, "uproar": uproar})
    answer = found.rows[0].answers["mine"]
    assert answer.verdict == verdict
    assert why in answer.why
    assert found.verdicts.loc["village", "uproar"] == "right"


def interrupting(after):
    """A measure that somebody loses patience with."""
    calls = []

    def ask(case):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return dict.fromkeys(case.example.disciples, 0.0)

    return {"slow": Measure(ask)}


def test_interrupted_it_keeps_what_is_finished():
    with pytest.warns(ImpactWarning, match="interrupted: 2 of 3 worlds are in the table"):
        found = asked(WORLDS, interrupting(after=2))
    assert [row.world for row in found.rows] == WORLDS[:2]
    assert found.verdicts.index.tolist() == WORLDS[:2]
    assert len(found.numbers) > 0


def test_interrupted_before_anything_is_finished_it_stops():
    with pytest.raises(KeyboardInterrupt):
        asked(WORLDS, interrupting(after=0))


def test_the_time_that_was_taken_is_told():
    (row,) = asked(example(), ["shape", {"uproar": uproar}]).rows
    assert row.seconds >= sum(answer.seconds for answer in row.answers.values()) > 0


def test_nothing_of_the_environment_is_changed():
    before, state = dict(os.environ), torch.get_rng_state()
    asked(example(), "shape")
    assert dict(os.environ) == before
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("worlds", "match"),
    [
        ("hurricaen", "Did you mean 'hurricane'"),
        (["swap", "hurricane(site=8)"], "site"),
        ([], "got no world"),
        ({}, "got no world"),
        (["swap", "swap"], "two worlds are called 'swap'"),
        ([example(), example()], "two worlds are called 'village'"),
        ("gaussian", "says nothing of its truth"),
        (replace(example(), truth={}), "says nothing of its truth"),
        ([3], "is a int; expected a name of the zoo"),
        ([lambda: 3], "is a int; expected a name of the zoo"),
        ({"mine": village}, "disciple"),
        ("nowhere.py:world", "no file"),
    ],
)
def test_a_world_that_is_none_is_refused_before_anything_is_drawn(worlds, match):
    def ask(case):
        raise AssertionError("it was asked")

    with pytest.raises((WorldError, TypeError), match=match):
        asked(worlds, {"mine": Measure(ask)})


@pytest.mark.parametrize(
    ("measures", "match"),
    [
        ("shap", "Did you mean 'shape'"),
        (["relative_reachability, stepwize"], "stepwise"),
        ([3], "3"),
        ({"mine": 3}, "3|int"),
        ("nowhere.py:measure", "no file"),
    ],
)
def test_a_measure_that_is_none_is_refused(measures, match):
    with pytest.raises(CounterfactualError, match=match):
        asked("swap", measures)


@pytest.mark.parametrize(
    "options", [{"draws": 0}, {"draws": 1.5}, {"futures": 0}, {"futures": "many"}]
)
def test_numbers_of_draws_that_are_none_are_refused(options):
    (name,) = options
    with pytest.raises(CounterfactualError, match=f"{name}="):
        asked("swap", "shape", **options)


def test_an_executor_of_threads_is_refused():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as threads, pytest.raises(CounterfactualError, match="process"):
        asked("swap", "shape", executor=threads)


def test_truth_of_a_world_of_ones_own_is_shown_with_its_numbers():
    found = asked({"mine": find_example("swap")}, "shape").numbers
    assert set(found["truth"]) == {"low", "high", ""}
    assert set(found.loc[found["truth"] == "", "disciple"]) == {"peacemaker", "coin"}
