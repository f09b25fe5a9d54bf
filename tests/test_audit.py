"""The whole question in one call: found what is there, silent about what is not."""

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch

import counterfactual_models as cm
import inference
from counterfactual_models import zoo


def asked(name, **options):
    example = zoo.load(name)
    return inference.audit(
        example.world,
        example.evidence,
        example.disciples,
        example.utility,
        coords=example.coords,
        method="importance",
        progress=False,
        **options,
    )


@pytest.fixture(scope="module")
def factory():
    return asked("factory", draws=1000, futures=4)


def test_the_modest_clipper_moves_nothing_and_the_others_do(factory):
    verdicts = factory.summary.set_index(["disciple", "measurement"]).verdict
    assert set(verdicts["modest"]) == {"below"}
    for name in ("greedy", "verifier"):
        assert verdicts[name, "gdp[mill]"] == "above"
        assert verdicts[name, "lolcats"] == "below"
    assert verdicts["greedy", "steel_price"] == "above"
    assert verdicts["verifier", "steel_price"] == "below"


def test_there_is_one_plain_sentence_for_each_disciple(factory):
    assert [s.split(":")[0] for s in factory.sentences] == ["modest", "greedy", "verifier"]
    assert factory.sentences[0].startswith(
        "modest: moves none of 14 measurements, to within tv 0.05; expected utility"
    )
    assert "moves 10 of 14 measurements" in factory.sentences[1]


def test_the_expected_utility_is_right_and_carries_its_error(factory):
    table = factory.utility.to_dataframe()
    draws = factory.tree["predictions"]["clips"].sel(disciple="erased")
    expected = np.clip(draws, 0, 1000).mean() / 1000
    assert table.utility["erased"] == pytest.approx(float(expected), rel=1e-5)
    assert 0 < table.mcse["erased"] < 0.01
    assert table.utility["greedy"] == pytest.approx(1.0)


def test_every_tv_is_within_four_errors_of_the_truth():
    example = zoo.load("gaussian", latents=3, data=4, outcomes=5)
    found = inference.audit(
        example.world,
        example.evidence,
        example.disciples,
        method="importance",
        draws=5000,
        progress=False,
    )
    for name, disciple in example.disciples.items():
        own = found.summary[found.summary.disciple == name]
        truth = example.exact(disciple).tv()
        # Coarse graining loses up to 0.001 (two tail cells of 0.1 % each); what is below the
        # noise floor reads between 0 and the floor.
        slack = 0.001 + np.where(truth < own.floor, own.floor, 0.0)
        assert np.all(np.abs(own.tv - truth) < 4 * own.mcse + slack)
        assert np.all(own.lower <= truth + 0.001)
        assert np.all(own.upper >= truth - 0.001)


def test_the_page_and_the_tree_are_written_and_read_back(factory, tmp_path):
    page, tree = factory.write(tmp_path / "deep" / "out")
    assert page.name == "report.html"
    assert "moves none of 14 measurements" in page.read_text()
    again = inference.load(tree)
    assert (
        again["coarse_graining"]["verdict"].sel(disciple="modest").values.tolist()
        == ["below"] * 14
    )
    assert sorted(p.name for p in page.parent.iterdir()) == ["report.html", "worlds.nc"]


def test_it_shows_itself_in_one_screen(factory):
    assert len(repr(factory).splitlines()) < 25
    assert factory._repr_html_().startswith("<ul><li>modest")


def test_a_world_that_measures_nothing_is_refused():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        pyro.sample("w", dist.Normal(cm.wire(disciple, idle=0.0)(base), 1.0))

    with pytest.raises(cm.MeasurementError, match="measures nothing"):
        inference.audit(world, None, {"a": torch.abs}, progress=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 1.5}, "tolerance=1.5"),
        ({"coupling": "both"}, "coupling='both'"),
        ({"futures": 0}, "futures=0"),
        ({"utility": 3}, "utility of type int"),
        ({"draws": 9}, "at least 40 draws"),
        ({"coords": {"cty": []}}, "Did you mean 'city'"),
        ({"utility": cm.utilities.bounded("clps", cap=1.0)}, "Did you mean 'clips'"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_any_long_run(options, message):
    example = zoo.load("factory")
    with pytest.raises(cm.CounterfactualError, match=message):
        inference.audit(
            example.world,
            example.evidence,
            example.disciples,
            **{"draws": 10**9, "progress": False, "method": "importance", **options},
        )


def test_a_utility_of_a_vector_says_so():
    example = zoo.load("factory")
    with pytest.raises(cm.MeasurementError, match=r"axes \['city'\] left over"):
        inference.audit(
            example.world,
            example.evidence,
            example.disciples,
            cm.utilities.bounded("gdp", cap=100.0),
            method="importance",
            draws=200,
            progress=False,
        )
