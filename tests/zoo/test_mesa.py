"""The mesa world: bits counted in draws against the allocation formula and its offsets."""

from functools import cache

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

import inference
from counterfactual_models import check_world, zoo
from counterfactual_models.errors import WorldError
from counterfactual_models.zoo.mesa import Search, Writing, everywhere, today
from inference.arrays.delegation.allocation import allocate
from inference.arrays.delegation.costs import LinearCost, QuadraticCost
from inference.diagnostics.optimization_power import optimization_power

LINE, BOWL = LinearCost(3.0, fixed=4.0), QuadraticCost(1.0, fixed=4.0)
REGIMES = {  # power, instances, cost, limit
    "tuned": (16.0, 2, LINE, None),
    "mixed": (48.0, 8, BOWL, None),
    "search": (48.0, 16, BOWL, None),
    "capped": (64.0, 8, LINE, 4.0),
}
SUMMARIES = ("expected", "mean_tail", "log2_n")
LN2 = np.log(2)
MOST = 16


@cache
def past_of_most():
    example = zoo.load("mesa", instances=MOST, power=0, bits=0)
    past = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=256, chains=4, progress=False
    )
    del past.attrs["world_hash"]  # whatever the training left behind, it is the same past
    return past


def past_of(instances):
    """The first so many instances of one past, which the quality of policies does not look at."""
    return past_of_most().map_over_datasets(
        lambda group: group.isel(instance=slice(instances), missing_dims="ignore")
    )


def drawn(example, disciples=("search",), futures=4, seed=0, **options):
    """Worlds of an example, from a thousand draws of its past."""
    return inference.sample_worlds(
        example.world,
        past_of(len(example.evidence["record"])),
        {name: example.disciples[name] for name in disciples},
        coords=example.coords,
        futures=futures,
        seed=seed,
        progress=False,
        **options,
    )["predictions"]


def qualities(worlds, disciple):
    # The past does not touch quality, and instances have noise of their own: all are independent.
    return worlds.quality.sel(disciple=disciple).values.ravel()


def counted(achieved, baseline):
    """Bits of each summary and its standard error, from nothing but counts of baseline draws.

    Both samples count: the error is that of the mean over achieved draws, and of what each draw
    of the baseline contributes to it.
    """
    achieved, baseline = np.sort(achieved), np.sort(baseline)
    tail = baseline.size - np.searchsorted(baseline, achieved) + 0.5
    tail /= baseline.size + 1
    found = {}
    for name, values, slopes in (
        ("expected", -np.log2(tail), -1 / (tail * LN2)),
        ("mean_tail", tail, np.ones_like(tail)),
        ("log2_n", -np.log1p(-tail), 1 / (1 - tail)),
    ):
        passed = np.searchsorted(achieved, baseline, side="right")
        share = np.append(0.0, slopes.cumsum())[passed] / achieved.size
        error = np.hypot(values.std() / achieved.size**0.5, share.std() / baseline.size**0.5)
        mean = values.mean()
        found[name] = (mean, error) if name == "expected" else (-np.log2(mean), error / mean / LN2)
    return found


@pytest.mark.parametrize("regime", REGIMES)
def test_bits_counted_in_every_regime_are_the_formula_and_its_offset(regime):
    power, instances, cost, limit = REGIMES[regime]
    best = allocate(power, instances, cost, limit)
    assert best.regime == regime
    options = {"power": power, "instances": instances, "bits": best.x, "cost": cost}
    example = zoo.load("mesa", **options, erase="training")
    truth = example.exact(example.disciples["search"])
    assert truth.value == pytest.approx(best.value)
    worlds = drawn(example, ("reflex", "search"), futures=256 // instances)
    untrained, reflex, search = (qualities(worlds, n) for n in ("erased", "reflex", "search"))
    pairs = {"A->B": (reflex, untrained), "B->C": (search, reflex), "A->C": (search, untrained)}
    found = {level: counted(*pair) for level, pair in pairs.items()}
    for level, summaries in found.items():
        for name, (bits, error) in summaries.items():
            expected = getattr(truth.levels[level], name)
            assert abs(bits - expected) < 4 * error, (level, name, bits, error, expected)
    # The target of the world: two standard errors, for the summary with the smallest offset.
    bits, error = found["A->C"]["mean_tail"]
    assert abs(bits - best.value - np.log2(1 + 2.0**-best.x)) < 2 * error < 0.2


@pytest.mark.parametrize("regime", REGIMES)
def test_a_sweep_over_x_finds_where_the_formula_says_search_should_stop(regime):
    power, instances, cost, limit = REGIMES[regime]
    best = allocate(power, instances, cost, limit)
    most = min(float(cost.budget(power)), np.inf if limit is None else limit)
    grid = np.linspace(0, most, 21 if regime == "mixed" else 9)
    measured = []
    for bits in grid:
        options = {"power": power, "instances": instances, "bits": float(bits), "cost": cost}
        worlds = drawn(zoo.load("mesa", **options, erase="training"), futures=1)
        # Chance has its tail in closed form here: N(0, 1), as the test of chance below shows.
        tail = special.ndtr(-qualities(worlds, "search"))
        measured.append(-np.log2(tail.mean()))
    found = grid[np.argmax(measured)]
    assert abs(found - best.x) < 0.5


def test_untrained_policies_are_standard_normal_and_score_the_bits_of_chance():
    worlds = drawn(zoo.load("mesa", erase="training"))
    untrained = qualities(worlds, "erased")
    assert stats.kstest(untrained, "norm").pvalue > 1e-3
    chance = zoo.load("mesa", power=0, bits=0)
    level = chance.exact(chance.disciples["search"]).levels["A->C"]
    assert (level.expected, level.mean_tail, level.log2_n) == pytest.approx((1 / LN2, 1, 0))


def test_the_world_does_what_tables_of_policies_and_literal_search_do():
    # b = 6, x = 4: of 2^14 policies the best 2^8 are left, and 16 of them are tried.
    rng = np.random.default_rng(0)
    policies = rng.standard_normal(size=(1000, 2**14), dtype=np.float32)
    left = np.partition(policies, -(2**8), axis=1)[:, -(2**8) :]
    found = rng.permuted(left, axis=1)[:, :16].max(axis=1)
    example = zoo.load("mesa")
    assert example.exact(example.disciples["search"]).tuning == 6
    world = qualities(drawn(example), "search")
    assert stats.ks_2samp(found, world).pvalue > 1e-3


@pytest.mark.parametrize(("tuning", "search"), [(0, 0), (0, 3.7), (0.3, 0.5), (6, 4), (2, 20)])
def test_exact_bits_are_integrals_over_the_share_left(tuning, search):
    example = zoo.load("mesa", power=tuning, instances=1, bits=search, cost=lambda bits: 0.0)
    level = example.exact(example.disciples["search"]).levels["A->C"]
    n = 2.0**search

    def mean(function):
        # With W = 1 - exp(-s/n), s is exponential.
        def weighed(s):
            return np.exp(-s) * function(2.0**-tuning * -np.expm1(-s / n))

        return sum(
            integrate.quad(weighed, *part, limit=200)[0]
            for part in [(0, 1e-3), (1e-3, 1), (1, 36)]
        )

    first = mean(lambda v: -np.log2(v))
    assert level.expected == pytest.approx(first, abs=1e-6)
    assert level.sd == pytest.approx(mean(lambda v: (np.log2(v) + first) ** 2) ** 0.5, abs=1e-5)
    assert level.mean_tail == pytest.approx(-np.log2(mean(lambda v: v)), abs=1e-9)
    assert level.log2_n == pytest.approx(-np.log2(mean(lambda v: -np.log1p(-v))), abs=1e-6)


def test_the_worked_example_and_the_offsets_as_the_note_has_them():
    truth = zoo.load("mesa", power=64, instances=8, bits=4).exact(Search(4.0))
    both = truth.levels["A->C"]
    assert (truth.tuning, truth.value, both.formula, both.worst) == (6, 10, 10, 6)
    figures = (both.expected, both.mean_tail, both.log2_n)
    assert figures == pytest.approx((10.88, 10.089, 10.09), abs=0.005)
    assert truth.levels["B->C"].log2_n == pytest.approx(4), "of search alone, without offset"
    far = zoo.load("mesa", power=90, instances=1, bits=40, cost=lambda bits: 0.0)
    level = far.exact(Search(40.0)).levels["A->C"]
    assert level.expected - level.formula == pytest.approx(np.euler_gamma / LN2)
    assert level.mean_tail - level.formula == pytest.approx(0, abs=1e-9)


def test_a_search_that_was_not_written_in_is_not_to_be_had():
    example = zoo.load("mesa", erase="training")
    disciples = {**example.disciples, "overreach": Search(99.0), "refuses": Search(-1.0)}
    asked = zoo.Example("mesa", example.world, example.evidence, disciples)
    names = ("search", "overreach", "refuses")
    worlds = drawn(asked, names, futures=1, coupling="shared")
    found = {name: qualities(worlds, name) for name in ("erased", *names)}
    np.testing.assert_array_equal(found["search"], found["overreach"])
    np.testing.assert_array_equal(found["erased"], found["refuses"])
    np.testing.assert_allclose(found["erased"], worlds.draft.values[0].ravel(), atol=1e-9)
    assert (found["search"] > found["erased"]).all()
    assert example.exact(Search(99.0)).search == 4


def test_erasing_the_search_leaves_the_tuned_reflex():
    reflex, training = (
        drawn(zoo.load("mesa", erase=erase), ("reflex",), futures=1, coupling="shared")
        for erase in ("search", "training")
    )
    np.testing.assert_array_equal(qualities(reflex, "erased"), qualities(reflex, "reflex"))
    np.testing.assert_array_equal(qualities(reflex, "reflex"), qualities(training, "reflex"))
    best = -special.ndtri(2.0**-6)
    assert qualities(reflex, "erased").min() > best, "six halvings are guaranteed"


def test_records_tell_the_difficulty():
    example = zoo.load("mesa")
    truth = example.exact(example.disciples["search"])
    past = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=1000, progress=False
    )
    difficulty = past["posterior"].difficulty.values.reshape(-1, 8)
    error = truth.difficulty_sd / len(difficulty) ** 0.5
    assert (abs(difficulty.mean(0) - truth.difficulty_mean) < 4 * error).all()
    spread = difficulty.std(0) / truth.difficulty_sd - 1
    assert (abs(spread) < 4 * (2 * len(difficulty)) ** -0.5).all()


def test_harder_instances_lower_the_score_and_no_bits():
    example = zoo.load("mesa")
    found = []
    for harder in (0.0, 2.0):
        past = inference.sample_posterior(
            example.world,
            {"record": example.evidence["record"] + harder},
            "laplace",
            draws=250,
            chains=4,
            progress=False,
        )
        worlds = inference.sample_worlds(example.world, past, example.disciples, progress=False)
        found.append(worlds["predictions"])
    easy, hard = found
    np.testing.assert_array_equal(easy.quality, hard.quality)
    # Two harder records move an instance by its own 0.8 of two, and the era by 8 / 9.25 of two.
    moved = 2 * (0.8 + 0.2 * 8 / 9.25)
    error = (0.453**2 * 2 / 1000 / 8) ** 0.5 * 3  # instances share the era: allow for that
    assert abs((easy.score - hard.score).mean().item() - moved) < 4 * error


def test_plates_and_single_draws_are_the_same_world():
    for erase in ("search", "training"):
        example = zoo.load("mesa", erase=erase, instances=3)
        anatomy = check_world(example.world, example.disciples["search"])
        shapes = {name: tuple(site.value.shape) for name, site in anatomy.sites.items()}
        assert shapes["quality"] == shapes["score"] == (3,)
        assert shapes["today"] == shapes["worst"] == ()
        worlds = drawn(example, futures=1)
        np.testing.assert_array_equal(worlds.today, worlds.quality.isel(instance=0))
        np.testing.assert_array_equal(worlds.worst, worlds.quality.min("instance"))
        assert worlds.instance.values.tolist() == ["task 0", "task 1", "task 2"]


def test_utilities_are_bounded_and_in_the_order_of_quality():
    quality = np.array([-50.0, -1.0, 0.0, 8.0, 37.0, 50.0])
    for utility, name in ((today(), "today"), (everywhere(), "worst")):
        assert utility.bounds == (0, 1)
        wanted = utility({name: quality})
        assert (np.diff(wanted) > 0).all() and wanted[0] == 0 and wanted[-1] == 1


def test_as_good_everywhere_by_chance_takes_all_the_power_there_is():
    example = zoo.load("mesa", power=64, instances=8, bits=0, erase="training")
    worst = drawn(example, ("reflex",)).worst.sel(disciple="reflex").values.ravel()
    bits = -8 * special.log_ndtr(-worst) / LN2
    assert abs(bits.mean() - 64 - 1 / LN2) < 4 * bits.std() / bits.size**0.5
    assert bits.min() > 64


@pytest.mark.parametrize(("power", "bits"), [(880.0, 20.0), (400.0, 450.0), (0.0, 900.0)])
def test_bits_far_beyond_counting_come_back_whole(power, bits):
    example = zoo.load("mesa", power=power, instances=1, bits=bits, cost=lambda bits: 0.0)
    worlds = drawn(example, futures=16)
    quality = qualities(worlds, "search")
    assert np.isfinite(quality).all()
    achieved = -special.log_ndtr(-quality) / LN2
    level = example.exact(example.disciples["search"]).levels["A->C"]
    assert abs(achieved.mean() - level.expected) < 4 * level.sd / achieved.size**0.5


def test_the_diagnostic_of_optimization_power_sees_every_level():
    example = zoo.load("mesa", power=48, instances=8, bits=4, cost=BOWL, erase="training")
    worlds = inference.sample_worlds(
        example.world, past_of(8), example.disciples, futures=16, progress=False
    )
    found = optimization_power(worlds, example.utility)
    summaries = {"mean_tail": "mean_tail", "log2_n": "log2_n"}
    for name, disciple in example.disciples.items():
        level = example.exact(disciple).levels["A->C"]
        for summary, exact in summaries.items():
            of = found.sel(disciple=name, summary=summary)
            assert abs(of.bits - getattr(level, exact)) < 4 * of.mcse < 1, (name, summary)


def test_all_is_well_with_gradients_by_evidence():
    example = zoo.load("mesa", instances=3)
    past = inference.sample_posterior(
        example.world, example.evidence, "laplace", draws=50, progress=False
    )
    worlds = inference.sample_worlds(example.world, past, example.disciples, progress=False)
    scores = inference.with_scores(
        example.world, worlds, example.disciples, prior_draws=50, progress=False
    )["evidence_scores"]
    assert all(np.isfinite(scores[name]).all() for name in scores.data_vars)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bits": 30}, "costs 94 bits and the base optimizer has power=64"),
        ({"power": 0.0}, "costs 16 bits"),
        ({"power": -1.0}, "power=-1.0; expected a finite number"),
        ({"bits": float("nan")}, "bits=nan; expected a finite number"),
        ({"instances": 0}, "instances=0; expected a whole number"),
        ({"instances": 2.5}, "instances=2.5; expected a whole number"),
        ({"bits": "four"}, "bits='four'; expected a finite number"),
        ({"power": [1.0]}, r"power=\[1.0\]; expected a finite number"),
        ({"cost": lambda bits: float("nan")}, r"got cost\(4\)=nan"),
        ({"cost": lambda bits: -1.0}, r"got cost\(4\)=-1"),
        ({"cost": lambda bits: None}, r"got cost\(4\)=None"),
        ({"cost": 3.0}, "got cost=3.0; expected a function"),
        ({"cost": Writing}, "got cost=.*Writing.*; expected a function"),
        ({"power": 1000.0, "instances": 1}, "expected at most 900 together"),
        ({"erase": "serach"}, "Did you mean 'search'"),
    ],
)
def test_what_no_base_optimizer_can_do_is_refused(options, said):
    with pytest.raises(WorldError, match=said):
        zoo.load("mesa", **options)


def test_no_truth_is_claimed_for_a_disciple_that_refuses_its_training():
    example = zoo.load("mesa")
    with pytest.raises(WorldError, match="0 or more"):
        example.exact(Search(-1.0))


@pytest.mark.parametrize("bits", [float("nan"), "four", None])
def test_a_search_of_no_number_is_refused(bits):
    with pytest.raises(WorldError, match="of a Search; expected a number"):
        Search(bits)


def test_search_adds_to_the_worst_instance_what_the_worst_of_many_searches_finds():
    example = zoo.load("mesa", power=64, instances=8, bits=4, erase="training")
    worst = drawn(example, futures=16).worst.sel(disciple="search").values.ravel()
    logs = 8 * special.log_ndtr(-worst)
    found, error = -logs.mean() / LN2, logs.std() / LN2 / logs.size**0.5

    def below(share):
        """Chance that the largest of 8 shares W ~ Beta(1, 16) is below this one."""
        return (1 - (1 - share) ** 16) ** 8

    nats = integrate.quad(lambda w: below(w) / w, 0, 1)[0]
    mean = integrate.quad(lambda w: 8 * w**7 * (1 - below(w)), 0, 1)[0]
    expected, mean_tail = 8 * (6 + nats / LN2), 8 * 6 - np.log2(mean)
    assert (round(expected, 1), round(mean_tail, 1)) == (70.6, 64.5), "as its docstring says"
    assert abs(found - expected) < 4 * error
    tail = np.exp(logs)
    error = tail.std() / tail.mean() / LN2 / tail.size**0.5
    assert abs(-np.log2(tail.mean()) - mean_tail) < 4 * error
    assert -logs.max() / LN2 > 8 * 6


def test_all_the_power_may_be_spent_to_the_last_rounded_bit():
    example = zoo.load("mesa", power=0.1 + 0.2, bits=1, cost=lambda bits: 0.1 * 3)
    assert example.exact(Search(1.0)).tuning == pytest.approx(0, abs=1e-15)
    bits = 0.1 + 0.7
    paid = zoo.load("mesa", power=7.0, bits=bits, cost=lambda x: 7 * x / 0.8)
    assert paid.exact(Search(bits)).tuning == pytest.approx(0, abs=1e-12)


def test_writing_costs_nothing_where_nothing_is_written():
    assert (Writing()(0), Writing()(4), Writing(1.0, 2.0)(0.5)) == (0, 16, 2)
    assert torch.equal(Search(2.0)(torch.zeros(3)), torch.full((3,), 2.0))
