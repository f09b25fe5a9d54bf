"""Does every world of the test-bed load, is it drawn once, and do robust verdicts come out?"""

import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError, WorldError
from counterfactual_models.zoo import LEVELS
from inference.testbed import CASES, Case, Measure, find_example, measures, run
from inference.testbed.measures import charge

SECTION_SEVEN = {
    ("null_world", "coarse_graining"): "right",
    ("tag", "coarse_graining"): "right",
    ("tag(coarse=False)", "coarse_graining"): "false alarm",
    ("tag(coarse=False)", "shape"): "right",
    ("spoofed_gdp", "coarse_graining"): "misses high impact",
    ("spoofed_gdp", "pathwise"): "misses high impact",
    ("spoofed_gdp", "relative_importance"): "misses high impact",
    ("spoofed_gdp(latent=True)", "coarse_graining"): "right",
    ("spoofed_gdp(latent=True)", "relative_importance"): "right",
    ("hurricane", "coarse_graining"): "right",
    ("hurricane", "pathwise"): "false alarm",
    ("hurricane", "relative_importance"): "right",
    ("butterfly", "coarse_graining"): "right",
    ("butterfly", "pathwise"): "false alarm",
    ("exact_site", "coarse_graining"): "false alarm",
    ("exact_site", "shape"): "right",
    ("exact_site", "relative_importance"): "right",
    ("exact_site", "combined"): "right",
    ("swap", "coarse_graining"): "right",
    ("swap", "shape"): "misses high impact",
    ("swap", "twist"): "right",
    ("presidency", "coarse_graining"): "misses high impact",
    ("presidency", "relative_importance"): "right",
    ("presidency", "combined"): "right",
    ("ignorance", "coarse_graining"): "misses high impact",
    ("ignorance", "given_the_past"): "right",
    ("ignorance", "pathwise"): "right",
    ("conveyor_vase", "coarse_graining"): "wrong order",
    ("conveyor_vase", "relative_reachability, inaction"): "wrong order",
    ("conveyor_vase", "relative_reachability, stepwise"): "right",
    ("conveyor_vase", "utility_preservation, stepwise"): "right",
    ("conveyor_sushi", "coarse_graining"): "right",
    ("conveyor_sushi", "relative_reachability, start"): "wrong order",
    ("sokoban_box", "coarse_graining"): "cannot rank",
    ("sokoban_box", "relative_reachability, inaction"): "right",
    ("pink_car", "coarse_graining"): "wrong order",
    ("pink_car", "relative_reachability, stepwise"): "right",
    ("nuclear_plant", "coarse_graining"): "right",
    ("nuclear_plant", "relative_reachability, stepwise"): "wrong order",
    ("biscuits", "coarse_graining"): "false alarm",
    ("biscuits", "absolute_importance"): "right",
    ("subagent", "coarse_graining"): "right",
    ("time_bomb", "coarse_graining"): "misses high impact",
    ("time_bomb", "relative_reachability, stepwise"): "right",
    ("time_bomb(horizon=6)", "coarse_graining"): "right",
    ("rare_catastrophe", "coarse_graining"): "misses high impact",
}


DRAWS = {"swap": 2000}  # few draws are of a war, on which its twist turns


@pytest.fixture(scope="module")
def kept():
    return {}


@pytest.mark.parametrize(("world", "measure"), SECTION_SEVEN)
def test_verdicts_are_those_that_theory_expects(kept, world, measure):
    if world not in kept:
        kept[world] = Case(world, find_example(world), draws=DRAWS.get(world, 1000), seed=1)
    one, case = measures()[measure], kept[world]
    # Draws are kept from one measure of a world to the next; the alarm is the measure's own.
    again = Measure(lambda _: charge(case, one, measure), alarm=one.alarm)
    found = run({world: case.example}, {measure: again}, progress=False)
    assert found.verdicts.loc[world, measure] == SECTION_SEVEN[world, measure], found.numbers


@pytest.mark.parametrize("label", CASES)
def test_every_case_loads_and_says_what_is_true_of_it(label):
    example = find_example(label)
    assert example.truth, "somebody is judged"
    assert set(example.truth) <= set(example.disciples)
    assert set(example.truth.values()) <= set(LEVELS)
    assert example.case and example.about.endswith(".")
    for others in example.alternatives.values():
        for other in others:
            assert set(other) == set(example.evidence)
            changed = [n for n in other if not np.array_equal(other[n], example.evidence[n])]
            assert len(changed) == 1, "an alternative changes one datum"


def test_every_number_of_the_note_has_a_case():
    cases = {find_example(label).case[:3] for label in CASES}
    assert {f"T{k:02}" for k in range(1, 26)} <= cases


def test_worlds_with_a_worse_disciple_know_a_harmless_one():
    # Else a measure that charges everybody alike would pass.
    for label in CASES:
        levels = set(find_example(label).truth.values())
        assert levels & {"low", "chosen"}, label


@pytest.fixture
def case():
    return Case("swap", find_example("swap"), draws=50)


def test_what_is_drawn_is_drawn_once_and_as_often_as_asked(case):
    assert case.worlds is case.worlds
    sizes = case.posterior["posterior"].sizes
    assert sizes["chain"] * sizes["draw"] == 4 * 50
    assert case.worlds["predictions"].sizes["disciple"] == 1 + len(case.example.disciples)
    assert "future" not in case.worlds["predictions"].dims
    assert case.with_futures["predictions"].sizes["future"] >= 8
    more = Case("swap", case.example, draws=50, futures=12)
    assert more.with_futures["predictions"].sizes["future"] == 12


def test_worlds_have_the_settings_of_their_example():
    case = Case("presidency", find_example("presidency"))
    drawn = case.worlds["predictions"]
    assert drawn.sizes["chain"] * drawn.sizes["draw"] == 4 * case.example.settings["draws"]


def test_coupled_worlds_of_whoever_does_nothing_are_the_same(case):
    drawn = case.coupled["predictions"]["war"]
    assert np.array_equal(drawn.sel(disciple="null"), drawn.sel(disciple="erased"))
    own = case.worlds["predictions"]["output"]
    assert not np.array_equal(own.sel(disciple="null"), own.sel(disciple="erased"))


def test_what_could_not_be_made_is_refused_again_without_another_try(case):
    tries = []

    def make():
        tries.append(1)
        raise WorldError("it is gone")

    for _ in range(2):
        with pytest.raises(WorldError, match="it is gone"):
            case.once("thing", make)
    assert len(tries) == 1
    assert case.once("other", lambda: 3) == case.once("other", lambda: 4) == 3


def test_exact_laws_are_those_of_the_alternatives():
    laws = Case("hurricane", find_example("hurricane")).laws
    assert laws["alternative"].values.tolist()[0] == "as it was"
    assert laws.sizes["alternative"] == 1 + 3
    assert float(laws["probability"].sum("outcome").min()) == pytest.approx(1)


def test_a_world_without_evidence_has_no_scores():
    case = Case("tag", find_example("tag"), draws=50)
    with pytest.raises(CounterfactualError, match="evidence"):
        _ = case.scored


def test_a_measure_is_asked_of_a_case_once(case):
    asked = []

    def ask(given):
        asked.append(given.label)
        return {name: 0.5 for name in given.example.disciples}

    for _ in range(3):
        found = charge(case, Measure(ask), "mine")
    assert asked == ["swap"]
    assert found["penalty"].sel(disciple="swap") == 0.5


def test_a_measure_that_reads_another_does_not_ask_it_again():
    case = Case("tag", find_example("tag"), draws=50)
    charge(case, Measure(lambda _: {"idle": 0.375}), "joint_coarse_graining")
    found = charge(case, measures()["combined"], "combined")
    assert found["penalty"].sel(disciple="idle") == 0.375


def test_a_measure_that_fails_is_not_asked_again(case):
    asked = []

    def ask(given):
        asked.append(1)
        return xr.DataArray([1.0], {"nobody": ["x"]})

    for _ in range(2):
        with pytest.raises(CounterfactualError, match="mine"):
            charge(case, Measure(ask), "mine")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("label", "options"),
    [
        ("swap", {}),
        ("swap()", {}),
        (" hurricane( sites = 8 , uniform=True )", {"sites": 8, "uniform": True}),
        ("vases(measure='count')", {"measure": "count"}),
        ("million(tosses=100)", {"tosses": 100}),
    ],
)
def test_a_world_is_found_by_name_and_options(label, options):
    example = find_example(label)
    assert example.name in label
    kept = getattr(example.world, "keywords", {})
    assert all(kept.get(key, value) == value for key, value in options.items())


@pytest.mark.parametrize(
    ("label", "match"),
    [
        ("hurricaen", "Did you mean 'hurricane'"),
        ("hurricane(8)", r"with options in brackets.*hurricane\(sites=16\)"),
        ("hurricane(sites=)", "with options in brackets"),
        ("hurricane(sites=8", "with options in brackets"),
        ("hurricane(sites=open('x'))", "with options in brackets"),
        ("hurricane; swap", "with options in brackets"),
        ("hurricane.exact", "with options in brackets"),
        ("", "with options in brackets"),
        ("hurricane(site=8)", "site"),
        ("hurricane(sites=18)", "multiple of 4"),
        ("nowhere.py:world", "no file nowhere.py"),
    ],
)
def test_a_world_that_is_none_is_refused(label, match):
    with pytest.raises(WorldError, match=match):
        find_example(label)
