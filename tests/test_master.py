"""Does the master choose what the arithmetic says, and know when noise chose?"""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import inference
from counterfactual_models import utilities, wire, zoo
from counterfactual_models.anatomy import dissect, read_program
from counterfactual_models.disciples import erased
from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    ImpactWarning,
    MeasurementError,
    WorldError,
)
from inference import penalties
from inference.arrays.envelope import intervals, replicate_means, winners
from inference.master import choose

CHAINS, DRAWS = 4, 250
AT_LEAST_TWO = st.integers(2, 6)


def worlds(means, *, spread=0.0, draws=DRAWS, seed=0, p=None, **also):
    """Worlds in which `gain` has these means, nobody's first."""
    means = np.array(means, dtype=float)
    noise = np.random.default_rng(seed).normal(size=(len(means), CHAINS, draws))
    dims = ["disciple", "chain", "draw"]
    names = ["erased", *"abcdefgh"[: len(means) - 1]]
    drawn = xr.Dataset(
        {"gain": (dims, means[:, None, None] + spread * noise, {"role": "measurement"})} | also,
        coords={"disciple": names},
    )
    tree = xr.DataTree.from_dict({"predictions": drawn})
    tree.attrs = {} if p is None else {"switch_probability": p}
    return tree


def charge(values, errors=0.0):
    names = list("abcdefgh"[: len(values)])
    errors = np.broadcast_to(errors, np.shape(values))
    told = {"penalty": ("disciple", np.array(values, dtype=float)), "mcse": ("disciple", errors)}
    return lambda _: xr.Dataset(told, coords={"disciple": names})


def gain(measured):
    return measured["gain"]


def chosen(means, costs, **options):
    return choose(worlds(means), gain, charge(costs), bootstrap=100, **options)


@st.composite
def options(draw):
    size = draw(AT_LEAST_TWO)
    whole = st.lists(st.integers(-20, 20), min_size=size, max_size=size)
    gains = np.array(draw(whole), dtype=float)
    costs = np.abs(np.array(draw(whole), dtype=float))
    gains[0] = costs[0] = 0.0
    return gains, costs


@given(lines=options())
def test_the_envelope_is_what_brute_force_finds_on_a_fine_grid(lines):
    gains, costs = lines
    first, last = intervals(gains, costs)
    for weight in np.linspace(0.013, 45.0, 400):
        best = np.argmax(winners(gains, costs, weight))
        value = gains - weight * costs
        assert value[best] == value.max()
        inside = (first <= weight) & (weight < last)
        assert inside.sum() == 1, "intervals tile the weights"
        assert value[inside].item() == pytest.approx(value.max(), abs=1e-9)


@given(lines=options())
def test_intervals_tile_all_weights_in_order_of_penalty(lines):
    gains, costs = lines
    first, last = intervals(gains, costs)
    kept = np.flatnonzero(~np.isnan(first))
    kept = kept[np.argsort(first[kept])]
    assert first[kept[0]] == 0
    assert last[kept[-1]] == np.inf
    np.testing.assert_allclose(last[kept[:-1]], first[kept[1:]])
    assert (np.diff(costs[kept]) < 0).all()
    assert (np.diff(gains[kept]) < 0).all()


@given(lines=options(), scale=st.floats(0.01, 100), constant=st.floats(-1000, 1000))
def test_weights_scale_with_the_utility_and_a_constant_changes_nothing(lines, scale, constant):
    gains, costs = lines
    first, last = intervals(gains, costs)
    more_first, more_last = intervals(scale * gains, costs)
    np.testing.assert_allclose(more_first, scale * first)
    np.testing.assert_allclose(more_last, scale * last)
    one = chosen(gains, costs[1:])
    other = choose(
        worlds(gains), lambda m: scale * m["gain"] + constant, charge(costs[1:]), bootstrap=100
    )
    for end in ("weight_from", "weight_to"):
        known = ~np.isnan(one.tradeoff[end]) & ~np.isnan(other.tradeoff[end])
        np.testing.assert_allclose(
            other.tradeoff[end][known], scale * one.tradeoff[end][known], rtol=1e-6, atol=1e-6
        )


def test_three_exact_lines_give_the_weights_known_by_hand():
    choice = chosen([1.0, 4.0, 5.0, 2.0], [1.0, 2.0, 3.0], weight=2.0)
    curve = choice.tradeoff
    assert choice.chosen == "a"
    assert choice.decided
    np.testing.assert_allclose(curve["weight_from"], [3.0, 1.0, 0.0, np.nan])
    np.testing.assert_allclose(curve["weight_to"], [np.inf, 3.0, 1.0, np.nan])
    assert curve["reason"].values.tolist() == ["", "", "", "'a' gains no less and costs no more"]
    np.testing.assert_allclose(choice.table["value"], [1.0, 2.0, 1.0, -4.0])
    assert curve["chosen"].sel(weight=[0.0, 1.0, 3.0]).values.tolist() == ["b", "a", "erased"]


def test_one_that_lies_under_the_line_of_two_others_is_told_why():
    choice = chosen([0.0, 1.0, 4.0], [1.0, 2.0])
    reason = choice.tradeoff["reason"].sel(disciple="a").item()
    assert reason == "'b' is worth more up to 3, and nobody from 1 on"


def test_the_switch_scales_the_stakes_and_changes_no_choice():
    results = [
        choose(worlds([1.0, 4.0, 5.0], p=p), gain, charge([1.0, 2.0]), weight=0.5)
        for p in (1.0, 0.25)
    ]
    sure, rare = results
    np.testing.assert_allclose(sure.tradeoff["weight_to"], rare.tradeoff["weight_to"])
    np.testing.assert_allclose(rare.table["expected"], [1.0, 0.25 * 4 + 0.75, 0.25 * 5 + 0.75])
    stakes = [r.table["value"] - r.table["value"][0] for r in results]
    np.testing.assert_allclose(stakes[1], 0.25 * stakes[0])
    assert rare.table.attrs["switch_probability"] == 0.25


def test_worlds_that_do_not_tell_of_the_switch_are_taken_to_be_sure_of_it():
    choice = chosen([0.0, 1.0], [0.1])
    assert choice.table.attrs["switch_probability_assumed"]
    assert "1 is assumed" in repr(choice)
    assert "assumed" not in repr(choose(worlds([0.0, 1.0], p=0.9), gain, charge([0.1])))


def test_where_x_is_never_one_nobody_is_let_in():
    choice = choose(worlds([0.0, 1.0], p=0.0), gain, charge([0.1]))
    assert choice.chosen == "erased"
    assert "never acts" in repr(choice)


@pytest.mark.parametrize(
    ("means", "costs", "weight", "best"),
    [
        ([0.0, 1.0], [0.5], 1.0, "a"),  # a single disciple
        ([0.0, 1.0], [0.5], 3.0, "erased"),
        ([5.0, 1.0, 2.0], [0.0, 0.3], 0.0, "erased"),  # all are worse than nobody
        ([0.0, 1.0, 2.0], [0.0, 0.0], 7.0, "b"),  # nothing is charged
        ([0.0, 1.0, 2.0], [0.0, 0.1], np.inf, "a"),  # no penalty at any price
        ([0.0, -1.0, 2.0], [0.0, 0.1], np.inf, "erased"),
        ([-9.0, -3.0, -4.0], [1.0, 0.5], 1.0, "a"),  # utilities below zero
        ([0.0, 0.0], [0.0], 1.0, "erased"),  # a tie: nobody comes first
        ([0.0, 1.0, 1.0], [0.4, 0.2], 0.0, "b"),  # of two, the one that is charged less
    ],
)
def test_the_best_is_chosen_in_every_corner(means, costs, weight, best):
    choice = chosen(means, costs, weight=weight)
    assert choice.chosen == best
    assert float(choice.table["share"].sum()) == pytest.approx(1)
    assert not choice.table["value"].isnull().any()
    assert not choice.table["value_mcse"].isnull().any()


def test_two_equal_disciples_share_the_replicates():
    noise = np.random.default_rng(1).normal(size=(2, CHAINS, DRAWS))
    tree = worlds([0.0, 1.0, 1.0])
    tree["predictions"]["gain"][:] += noise[[0, 1, 1]]
    for error in (0.0, 0.1):
        choice = choose(tree, gain, charge([0.5, 0.5], error))
        share = choice.table["share"].values
        assert share[0] == 0
        assert abs(share[1] - 0.5) < 4 * 0.5 / np.sqrt(1000)
        assert not choice.decided
        assert "not decided" in repr(choice)


def test_shares_are_those_of_a_normal_difference_of_penalties():
    choice = choose(worlds([0.0, 1.0, 1.0]), gain, charge([0.40, 0.43], 0.02))
    share = float(choice.table["share"].sel(disciple="a"))
    truth = stats.norm.cdf(0.03 / (0.02 * np.sqrt(2)))
    assert abs(share - truth) < 4 * np.sqrt(truth * (1 - truth) / 1000)


def test_noise_that_all_worlds_share_does_not_make_the_choice_undecided():
    common = np.random.default_rng(2).normal(size=(CHAINS, DRAWS))
    tree = worlds([0.0, 1.0, 1.02])
    apart = worlds([0.0, 1.0, 1.02], spread=1.0, seed=5)
    tree["predictions"]["gain"][:] += common
    assert choose(tree, gain, charge([0.0, 0.0])).decided
    assert not choose(apart, gain, charge([0.0, 0.0])).decided


def test_errors_of_utilities_are_those_of_independent_draws_where_they_are():
    choice = choose(worlds([0.0, 1.0], spread=2.0), gain, charge([0.1]))
    expected = 2 / np.sqrt(CHAINS * DRAWS)
    np.testing.assert_allclose(choice.table["utility_mcse"], expected, rtol=0.4)
    assert choice.table["value_mcse"][1] == pytest.approx(expected, rel=0.4)


def test_futures_of_a_draw_stay_together():
    past = np.random.default_rng(3).normal(size=(2, CHAINS, DRAWS, 1))
    dims = ["disciple", "chain", "draw", "future"]
    drawn = xr.Dataset(
        {"gain": (dims, np.broadcast_to(past, (2, CHAINS, DRAWS, 10)))},
        coords={"disciple": ["erased", "a"]},
    )
    choice = choose(drawn, gain, charge([0.1]))
    np.testing.assert_allclose(choice.table["utility_mcse"], 1 / np.sqrt(1000), rtol=0.4)


@given(seed=st.integers(0, 100))
def test_replicates_spread_as_the_mean_does(seed):
    values = np.random.default_rng(seed).normal(5.0, 1.0, size=(1, 4000))
    mean, again = replicate_means(
        values,
        bounds=np.arange(0, 4001, 100),
        replicates=400,
        wider=1.0,
        rng=np.random.default_rng(seed),
    )
    assert mean.item() == pytest.approx(values.mean())
    assert again.mean() == pytest.approx(values.mean(), abs=0.01)
    assert again.std() * np.sqrt(4000) == pytest.approx(1.0, rel=0.45)


def test_slow_chains_widen_the_errors():
    walk = np.random.default_rng(4).normal(size=(2, CHAINS, DRAWS)).cumsum(axis=-1)
    tree = worlds([0.0, 0.0])
    tree["predictions"]["gain"][:] = walk / np.abs(walk).max()
    with pytest.warns(ImpactWarning, match="worth only"):
        choice = choose(tree, gain, charge([0.0]))
    assert choice.table.attrs["ess"] < 100
    assert not choice.decided


def test_the_slowest_latent_bounds_what_draws_are_worth():
    tree = worlds([0.0, 1.0], spread=1.0)
    judged = xr.Dataset({"z": ("statistic", [6.0])}, coords={"statistic": ["ess_bulk"]})
    tree["convergence"] = xr.DataTree(judged)
    with pytest.warns(ImpactWarning, match="worth only 6"):
        choice = choose(tree, gain, charge([0.0]))
    assert not choice.decided
    assert "worth only 6" in choice.sentences[1]


def test_one_disciple_more_leaves_the_noise_of_the_others_as_it_was():
    two = choose(worlds([0.0, 1.0, 1.1], spread=0.0), gain, charge([0.3, 0.4], 0.1))
    one = choose(worlds([0.0, 1.0]), gain, charge([0.3], 0.1))
    assert two.table["value_mcse"][1] == one.table["value_mcse"][1]


def test_disciples_may_be_left_out():
    choice = choose(worlds([0.0, 1.0, 9.0]), gain, charge([0.1, 0.1]), disciples="a")
    assert choice.chosen == "a"
    assert choice.table["disciple"].values.tolist() == ["erased", "a"]
    with pytest.raises(DiscipleError, match="no disciple is named 'z'"):
        choose(worlds([0.0, 1.0]), gain, charge([0.1]), disciples=["z"])


def test_several_penalties_show_what_each_charges():
    both = [charge([0.1, 0.4]), charge([0.3, 0.2])]
    summed = choose(worlds([0.0, 1.0, 1.0]), gain, both)
    greatest = choose(worlds([0.0, 1.0, 1.0]), gain, both, combine="max")
    np.testing.assert_allclose(summed.table["penalty"], [0.0, 0.4, 0.6])
    np.testing.assert_allclose(greatest.table["penalty"], [0.0, 0.3, 0.4])
    np.testing.assert_allclose(summed.table["parts"].sel(disciple="b"), [0.4, 0.2])
    assert "nan" not in repr(summed)


def test_a_bounded_utility_and_a_named_penalty_go_together():
    rng = np.random.default_rng(0)
    price = rng.normal([[[0.0]], [[0.0]], [[3.0]]], 1.0, size=(3, CHAINS, DRAWS))
    also = {"price": (["disciple", "chain", "draw"], price, {"role": "measurement"})}
    tree = worlds([0.0, 900.0, 2000.0], **also)
    wanted = utilities.bounded("gain", cap=1000.0)
    charged = penalties.build("coarse_graining", measurements="price")
    choice = choose(tree, wanted, charged)
    assert choice.chosen == "a"
    assert choice.table.attrs["bounded"]
    assert "no bounds" not in repr(choice)
    assert "no bounds" in repr(choose(tree, gain, charged))


@pytest.mark.parametrize(
    ("utility", "said"),
    [
        (lambda m: m["gian"], "speaks of 'gian'.*Did you mean 'gain'"),
        (utilities.bounded("gian", cap=1.0), "Did you mean 'gain'"),
        (lambda m: m["gain"].mean("draw"), "one number per draw"),
        (lambda m: m["gain"].sum("disciple"), "one number per draw"),
        (lambda m: m["visits"], "axes of its own"),
        (lambda m: 3.0, "one number per draw"),
        (lambda m: m["gain"] / 0.0, "for 'erased' at chain 0, draw 0"),
        ("gain", "a utility of type str"),
    ],
)
def test_a_utility_that_is_no_number_per_draw_is_refused(utility, said):
    visits = np.zeros((2, CHAINS, DRAWS, 3))
    tree = worlds([0.0, 1.0], visits=(["disciple", "chain", "draw", "city"], visits))
    with pytest.raises(MeasurementError, match=said), np.errstate(invalid="ignore"):
        choose(tree, utility, charge([0.1]))


def test_a_utility_may_be_a_plain_array():
    choice = choose(worlds([0.0, 1.0]), lambda m: np.where(m["gain"] > 0.5, 3, 0), charge([0.1]))
    np.testing.assert_allclose(choice.table["utility"], [0.0, 3.0])


@pytest.mark.parametrize("weight", [-1.0, np.nan, "much"])
def test_a_weight_that_is_none_is_refused(weight):
    with pytest.raises(CounterfactualError, match="weight"):
        chosen([0.0, 1.0], [0.1], weight=weight)


def test_too_few_draws_or_replicates_are_refused():
    with pytest.raises(WorldError, match="at least 40"):
        choose(worlds([0.0, 1.0], draws=9), gain, charge([0.1]))
    with pytest.raises(WorldError, match="bootstrap=10"):
        choose(worlds([0.0, 1.0]), gain, charge([0.1]), bootstrap=10)


def test_the_same_seed_gives_the_same_choice():
    tree = worlds([0.0, 1.0, 1.01], spread=0.5)
    one, same = (choose(tree, gain, charge([0.1, 0.1], 0.05), seed=3) for _ in range(2))
    xr.testing.assert_identical(one.table, same.table)
    xr.testing.assert_identical(one.tradeoff, same.tradeoff)


def test_a_choice_fits_on_a_screen_and_is_a_bare_table_in_a_notebook():
    choice = chosen([0.0, 1.0, 2.0], [0.1, 0.5])
    assert len(repr(choice).splitlines()) < 24
    assert choice._repr_html_().count("<tr") == 4
    assert "<style" not in choice._repr_html_()


@pytest.mark.parametrize("p", [0.0, 1e-9, 0.3, 0.99, 0.9999999, 1.0])
def test_the_anatomy_knows_how_likely_the_switch_is_on(p):
    def world(disciple):
        act = wire(disciple, idle=0.0, p=p)
        from counterfactual_models import measure

        measure("y", act())

    assert dissect(world, erased).switch_probability == p
    assert read_program(lambda: None).switch_probability is None


@pytest.fixture(scope="module")
def factory():
    ex = zoo.load("factory")
    posterior = inference.sample_posterior(
        ex.world, ex.evidence, "importance", draws=150, progress=False
    )
    return inference.sample_worlds(
        ex.world, posterior, ex.disciples, futures=8, coords=ex.coords, progress=False
    )


@pytest.mark.parametrize("names", [["erased"], ["erased", "a"]])
def test_with_nobody_to_choose_from_it_says_so(names):
    drawn = worlds([0.0, 1.0])["predictions"].to_dataset().sel(disciple=names)
    for charged in (charge([1.0]), "coarse_graining"):
        with pytest.raises(DiscipleError, match="nobody to choose from"):
            choose(drawn, gain, charged, disciples=[])


def test_penalties_look_at_the_measurements_that_are_named():
    moved = worlds([0.0, 3.0], spread=1.0)
    still = xr.zeros_like(moved["predictions"]["gain"])
    both = moved["predictions"].to_dataset().assign(still=still)
    charged = choose(both, gain, "coarse_graining", measurements="still", bootstrap=100)
    assert float(charged.table["penalty"][1]) == 0.0


def test_a_penalty_that_was_built_keeps_how_it_combines():
    both = penalties.build([charge([1.0]), charge([3.0])], combine="max")
    drawn = worlds([0.0, 1.0])
    assert choose(drawn, gain, both, bootstrap=100).table["penalty"][1] == 3.0
    assert choose(drawn, gain, both, combine="sum", bootstrap=100).table["penalty"][1] == 4.0


def test_what_the_value_is_can_be_read(factory):
    said = repr(choose(factory, gain_of_clips, "coarse_graining", bootstrap=100))
    assert "value = p x (utility - weight x penalty) + (1 - p) x nobody's utility" in said


def gain_of_clips(measured):
    return measured["clips"]


def test_drawn_worlds_tell_how_likely_the_switch_is_on(factory):
    assert factory.attrs["switch_probability"] == 0.99


def test_with_a_bounded_utility_an_interval_of_weights_lets_the_modest_clipper_in(factory):
    """Greedy where impact is nearly free, nobody where it is nearly all that counts."""
    choice = choose(factory, utilities.bounded("clips", cap=1000.0), "coarse_graining")
    assert (choice.chosen, choice.decided) == ("modest", True)
    share = choice.tradeoff["share"].sel(disciple="modest", weight=slice(0.01, 5.0))
    assert share.size > 10
    assert (share >= 0.95).all()
    assert float(choice.tradeoff["share"].sel(disciple="greedy", weight=0.0)) == 1.0
    assert np.isnan(choice.tradeoff["weight_from"].sel(disciple="verifier"))


def test_with_clips_themselves_no_weight_is_sure_to_let_the_modest_clipper_in(factory):
    """Greedy makes two thousand times as much: it wins wherever anything is to be gained."""
    choice = choose(factory, lambda measured: measured["clips"], "coarse_graining")
    assert choice.chosen == "greedy"
    assert not choice.table.attrs["bounded"]
    assert (choice.tradeoff["share"].sel(disciple="modest") < 0.95).all()
    assert float(choice.tradeoff["weight_to"].sel(disciple="greedy")) > 1e6


def test_with_clips_themselves_and_true_penalties_no_weight_lets_the_modest_clipper_in(factory):
    """A thousand clips move steel's log price by .001 of a deviation of .1; two million by 2."""
    true = {
        name: 2 * stats.norm.cdf(2.0 * clips / 2.0e6 / 0.1 / 2) - 1
        for name, clips in (("modest", 1000.0), ("greedy", 2.0e6), ("verifier", 1000.0))
    }
    steel = xr.DataArray(list(true.values()), {"disciple": list(true)})
    whole = choose(factory, lambda measured: measured["clips"], lambda worlds: steel)
    assert np.isnan(whole.tradeoff["weight_from"].sel(disciple="modest"))
    assert set(whole.tradeoff["chosen"].values) == {"greedy", "erased"}
    assert (whole.tradeoff["share"].sel(disciple="modest") == 0).all()
    wanted, two = utilities.bounded("clips", cap=1000.0), ["modest", "greedy"]
    bounded = choose(factory, wanted, lambda worlds: steel, disciples=two)
    first, last = (float(bounded.tradeoff[f"weight_{end}"][1]) for end in ("from", "to"))
    assert first < 0.01 < 200 < last < 300
