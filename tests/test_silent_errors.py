"""Worlds that could give a wrong answer without a word: each is right, or refused by name."""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from pyro.infer.reparam import LocScaleReparam

import counterfactual_models as cm
import inference
from inference import schema


def drawn(world, disciples=None, evidence=None, draws=300, chains=2, method="auto", **options):
    posterior = inference.sample_posterior(
        world, evidence, method, draws=draws, chains=chains, progress=False
    )
    disciples = disciples or {"push": lambda x: torch.full_like(x, 5.0)}
    return inference.sample_worlds(world, posterior, disciples, progress=False, **options)


def means(tree, name):
    found = tree["predictions"][name].mean(("chain", "draw"))
    return float(found.sel(disciple="erased")), float(found.isel(disciple=1))


def test_a_reparametrised_site_is_computed_anew_in_each_world():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        push = cm.wire(disciple, idle=0.0)(x)
        y = pyro.sample("y", dist.Normal(push, 1.0))
        cm.measure("m", y)

    off, on = means(drawn(poutine.reparam(world, {"y": LocScaleReparam(0.0)})), "m")
    assert abs(off) < 4 / np.sqrt(600)
    assert abs(on - 5.0) < 4 / np.sqrt(600)


def test_a_reparametrised_past_learns_from_the_evidence():
    def world(disciple):
        with pyro.plate("place", 3):
            x = pyro.sample("x", dist.Normal(0.0, 1.0))
            pyro.sample("e", dist.Normal(x, 1.0))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    program = poutine.reparam(world, {"x": LocScaleReparam(0.0)})
    tree = drawn(program, evidence={"e": torch.tensor([1.0, 2.0, 3.0])}, method="importance")
    assert list(tree["posterior"].data_vars) == ["x_decentered"]
    m = tree["predictions"]["m"].sel(disciple="erased").mean(("chain", "draw"))
    # Closed form: x | e = N(e / 2, 1 / 2); the error doubles by the weights.
    assert np.allclose(m, [0.5, 1.0, 1.5], atol=4 * 2 * np.sqrt(0.5 / 600))


def test_what_the_world_observes_of_itself_moves_with_the_draw():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("gap", dist.Normal(0.0, 0.1), obs=x - 2.0)
        cm.measure("m", x + 0 * cm.wire(disciple, idle=0.0)(x))

    tree = inference.sample_posterior(world, method="nuts", draws=300, chains=2, progress=False)
    # Precisions 1 at 0 and 100 at 2.
    assert abs(float(tree["posterior"]["x"].mean()) - 200 / 101) < 0.05
    assert "gap" not in tree["observed_data"]


@pytest.mark.parametrize("guard", ["all", "any"])
def test_a_guard_over_the_whole_batch_is_run_draw_by_draw(guard):
    def world(disciple):
        with pyro.plate("place", 2):
            y = pyro.sample("y", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        rare = (y < 3.2).all() if guard == "all" else not (y > 3.2).any()
        push = act(y) if rare else 0 * y
        with pyro.plate("again", 2):
            cm.measure("m", pyro.sample("w", dist.Normal(push, 0.1)))

    tree = drawn(world, draws=1000)
    pushed = tree["predictions"]["m"].isel(disciple=1)
    assert float((pushed > 2.5).mean()) > 0.99
    assert "loop" in schema.decode_attrs(tree.attrs)["vectorised"]["push"]


@pytest.mark.parametrize("guard", ["any", "greatest", "average"])
def test_a_guard_that_most_draws_agree_with_is_run_draw_by_draw(guard):
    def world(disciple):
        with pyro.plate("place", 5):
            y = pyro.sample("y", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        if guard == "any":
            push = 1.0 if (y > 0).any() else 0.0
        elif guard == "greatest":
            push = 1.0 if y.max() > 0 else 0.0
        else:
            push = (y.sum() > -2.0 * y.abs().mean()).float()
        cm.measure("m", push + 0 * act(torch.zeros(())))

    tree = drawn(world, draws=400)
    y = tree["posterior"]["y"]
    expected = {
        "any": (y > 0).any("place"),
        "greatest": y.max("place") > 0,
        "average": y.sum("place") > -2.0 * abs(y).mean("place"),
    }[guard]
    assert 0.5 < float(expected.mean()) < 0.99
    assert np.array_equal(tree["predictions"]["m"].sel(disciple="erased"), expected)


def test_what_is_added_later_does_not_change_what_was_measured():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        stock = torch.tensor(0.0)
        for week in range(3):
            stock += float(act(x) * 0 + 1.0)
            cm.measure(f"stock_{week}", stock)

    found = drawn(world, draws=20)["predictions"]
    assert [float(found[f"stock_{week}"].mean()) for week in range(3)] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("site", ["x", "e"])
def test_a_world_that_edits_a_site_in_place_is_refused(site):
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        e = pyro.sample("e", dist.Normal(x, 1.0))
        if site == "x":
            x += 10
        else:
            e /= 2
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    given = torch.tensor(8.0)
    with pytest.raises(cm.WorldError, match=f"edits site '{site}' in place"):
        drawn(world, evidence={"e": given})
    assert float(given) == 8.0


def test_an_observed_point_mass_is_evidence():
    def world(disciple):
        with pyro.plate("coin", 2):
            a = pyro.sample("a", dist.Bernoulli(0.5))
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("some", dist.Delta((a.sum(-1) > 0).float()), obs=torch.tensor(1.0))
        cm.measure("heads", a.sum(-1) + 0 * cm.wire(disciple, idle=0.0)(x))

    tree = drawn(world, draws=200)
    # Given at least one head of two, 4/3 on average, sd 0.47; the error doubles by the weights.
    heads = tree["predictions"]["heads"].sel(disciple="erased")
    assert abs(float(heads.mean()) - 4 / 3) < 4 * 2 * 0.47 / np.sqrt(400)
    assert float(heads.min()) >= 1.0


def test_an_observation_made_in_one_world_only_is_refused():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        on = cm.switch()
        pyro.sample("y", dist.Normal(x, 1.0), obs=None if on else torch.tensor(3.0))
        cm.measure("m", x)

    with (
        pytest.warns(cm.ImpactWarning, match="does not know it"),
        pytest.raises(cm.WorldError, match="only in one of the worlds"),
    ):
        drawn(world, {"law": None})


def test_a_tempered_latent_is_refused_where_it_would_be_ignored():
    def world(disciple):
        with poutine.scale(scale=0.25):
            x = pyro.sample("x", dist.Normal(0.0, 1.0))
        pyro.sample("e", dist.Normal(x, 1.0))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    with pytest.raises(cm.WorldError, match="scaled or masked"):
        drawn(world, evidence={"e": 2.0}, method="importance")


def test_noise_that_cannot_be_shared_warns():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        cm.measure("m", pyro.sample("w", dist.Normal(act(x), 1.0)))

    with pytest.warns(cm.ImpactWarning, match=r"noise of \['branching'\] is not shared"):
        drawn(world, {"branching": lambda x: x if x > 0 else -x}, coupling="shared", draws=50)


@pytest.mark.parametrize("kind", ["mean", "centred"])
def test_draws_that_see_each_other_are_run_one_by_one(kind):
    def world(disciple):
        with pyro.plate("place", 2):
            y = pyro.sample("y", dist.Normal(0.0, 1.0))
        cm.wire(disciple, idle=0.0)
        cm.measure("m", 1e4 + y.mean() if kind == "mean" else (y - y.mean()).sum())

    tree = drawn(world, draws=200)
    m, y = tree["predictions"]["m"].sel(disciple="erased"), tree["posterior"]["y"]
    expected = 1e4 + y.mean("place") if kind == "mean" else 0 * y.mean("place")
    assert np.allclose(m, expected, atol=2e-3)


def test_conditioning_that_comes_with_the_disciple_is_refused():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    def sly(x):
        pyro.factor("wish", -50 * (x - 2) ** 2)
        return 0 * x

    with pytest.raises(cm.WorldError, match="'wish' is there only when 'sly' is let in"):
        drawn(world, {"sly": sly})


def test_a_measurement_named_like_an_axis_is_refused():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(torch.zeros(2), 1.0).to_event(1))
        cm.measure("city", x + cm.wire(disciple, idle=0.0)(x), dims=["city"])

    with pytest.raises(cm.WorldError, match="'city' names both a site and an axis"):
        drawn(world)


def test_a_switch_that_something_else_forces_is_refused():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    with pytest.raises(cm.WorldError, match=r"take poutine\.do"):
        drawn(poutine.do(world, {"X": torch.tensor(0.0)}))
    off, on = means(drawn(poutine.condition(world, {"X": torch.tensor(0.0)})), "m")
    assert on - off == pytest.approx(5.0, abs=1e-4)


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        (1.7, "cannot: .* would become"),
        (-0.5, "cannot: .* would become"),
        (3, "outside the support"),
        (np.ma.masked_array([1.0], mask=[True]), "masked in 1 places"),
        ("b", "holds no numbers"),
    ],
)
def test_evidence_is_not_bent_to_fit(evidence, message):
    def world(disciple):
        kind = pyro.sample("kind", dist.Categorical(torch.ones(3)))
        pyro.sample("seen", dist.Categorical(torch.ones(3)))
        cm.measure("m", kind + cm.wire(disciple, idle=0.0)(kind))

    with pytest.raises(cm.EvidenceError, match=message):
        drawn(world, evidence={"seen": evidence})


@pytest.mark.parametrize("futures", [1, 3])
def test_rows_weighed_by_later_evidence_can_be_traced_to_their_past(futures):
    def world(disciple):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
        x = pyro.sample("x", dist.Normal(cm.wire(disciple, idle=0.0)(z) + z, 1.0))
        pyro.sample("y", dist.Normal(x, 1.0))
        cm.measure("z_again", z + 0.0)

    with pytest.warns(cm.ImpactWarning, match="does not know it"):
        tree = drawn(world, {"stay": lambda z: 0 * z}, {"y": 2.0}, draws=1000, futures=futures)
    rows = tree["predictions"]["posterior_draw"]
    past = tree["posterior"]["z"].values.ravel()
    assert np.allclose(past[rows.values], tree["predictions"]["z_again"])
    if futures > 1:
        assert int((rows - rows.isel(future=0)).max()) == 0
    # z | y = N(y / 3, 2 / 3)
    error = 2 * np.sqrt(2 / 3 / 2000)
    assert abs(float(tree["predictions"]["z_again"].mean()) - 2 / 3) < 4 * error


def test_a_posterior_in_another_order_of_dims_gives_the_same_worlds():
    def world(disciple):
        with pyro.plate("k", 3):
            z = pyro.sample("z", dist.Normal(0.0, 1.0))
        cm.wire(disciple, idle=0.0)
        cm.measure("m", z + 0.0, dims=["k"])

    posterior = inference.sample_posterior(world, draws=20, chains=3, progress=False)
    turned = posterior.copy()
    turned["posterior"] = posterior["posterior"].to_dataset().transpose("k", "draw", "chain")
    stay = {"stay": lambda x: x}
    tree = inference.sample_worlds(world, turned, stay, progress=False)
    m = tree["predictions"]["m"].sel(disciple="stay")
    assert np.allclose(m, posterior["posterior"]["z"].transpose("chain", "draw", "k"))
    cut = posterior.copy()
    cut["posterior"] = posterior["posterior"].to_dataset().isel(k=[0])
    with pytest.raises(cm.WorldError, match="draw the posterior of this very world"):
        inference.sample_worlds(world, cut, stay, progress=False)


def test_an_axis_that_may_be_one_of_two_gets_no_name():
    def world(disciple):
        cm.wire(disciple, idle=0.0)
        with pyro.plate("city", 3):
            y = pyro.sample("y", dist.Normal(torch.zeros(3), 1.0).expand([3, 3]).to_event(1))
            cm.measure("square", y)
            z = pyro.sample("z", dist.Normal(torch.zeros(2), 1.0).expand([3, 2]).to_event(1))
            cm.measure("oblong", z)

    found = drawn(world, draws=20)["predictions"]
    assert found["square"].dims[3:] == ("square_dim_0", "square_dim_1")
    assert found["oblong"].dims[3:] == ("city", "oblong_dim_1")
    assert np.array_equal(found["square"], found["y"])


def test_worlds_drawn_anew_carry_nothing_stale():
    def world(disciple, scale):
        x = pyro.sample("x", dist.Normal(0.0, scale))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    small, large = partial(world, scale=1.0), partial(world, scale=9.0)
    found = inference.audit(small, None, {"push": torch.abs}, draws=100, seed=5, progress=False)
    again = inference.sample_worlds(small, found.tree, {"stay": abs}, seed=6, progress=False)
    assert "coarse_graining" not in again.children
    assert again.attrs["posterior_seed"] == 5
    with pytest.warns(cm.ImpactWarning, match="other arguments"):
        inference.sample_worlds(large, found.tree, {"stay": abs}, progress=False)


def test_a_disciple_with_a_state_or_random_numbers_of_its_own_is_refused():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("m", x + cm.wire(disciple, idle=0.0)(x))

    rng = np.random.default_rng(0)
    with pytest.raises(cm.WorldError, match=r"of its own\. Draw them with"):
        cm.check_world(world, lambda x: float(rng.normal()))


def test_a_disciple_cannot_edit_the_past_in_place():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.wire(disciple, idle=0.0)({"seen": [x], "raw": x.numpy()})
        cm.measure("m", x + 0.0)

    for vandal in (lambda o: o["seen"][0].add_(5.0), lambda o: o["raw"].__iadd__(5.0)):
        off, on = means(drawn(world, {"vandal": vandal}, draws=20), "m")
        assert off == on


@pytest.mark.parametrize("name", ["visits[paris]", "a/b"])
def test_names_that_labels_and_files_use_are_refused(name):
    def world(disciple):
        cm.measure(name, cm.wire(disciple, idle=0.0)(torch.zeros(())))

    with pytest.raises(cm.WorldError, match="expected a name without"):
        drawn(world)


def test_a_measurement_of_nothing_is_refused():
    def world(disciple):
        cm.wire(disciple, idle=0.0)
        cm.measure("nothing", torch.zeros(0))

    with pytest.raises(cm.WorldError, match="there is nothing in it"):
        drawn(world)


def test_a_subsampled_plate_is_refused():
    def world(disciple):
        cm.wire(disciple, idle=0.0)
        with pyro.plate("city", 10, subsample_size=3):
            cm.measure("m", pyro.sample("w", dist.Normal(0.0, 1.0)))

    with pytest.raises(cm.WorldError, match="takes 3 of 10 places at random"):
        drawn(world)


def test_a_list_is_measured_draw_by_draw():
    def world(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("pair", [x, x + cm.wire(disciple, idle=0.0)(x)])

    pair = drawn(world, draws=20)["predictions"]["pair"].isel(disciple=1)
    assert np.allclose(pair[..., 1] - pair[..., 0], 5.0, atol=1e-5)


def test_a_plain_sum_over_a_plate_needs_no_loop():
    def world(disciple):
        with pyro.plate("city", 7):
            x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.wire(disciple, idle=0.0)
        cm.measure("total", x.sum(-1))

    tree = drawn(world, evidence=None, draws=200, method="prior")
    assert set(schema.decode_attrs(tree.attrs)["vectorised"].values()) == {"plate"}
    past = tree["posterior"]["x"].sum("city")
    assert np.allclose(tree["predictions"]["total"].sel(disciple="erased"), past, atol=1e-5)


def test_a_switch_alone_takes_none_for_a_policy():
    def law(disciple):
        x = pyro.sample("x", dist.Normal(0.0, 1.0))
        cm.measure("m", x + 5.0 * cm.switch("law"))

    off, on = means(drawn(law, {"law": None}), "m")
    assert on - off == pytest.approx(5.0, abs=1e-4)
    with pytest.raises(cm.DiscipleError, match="None for the disciples"):
        inference.audit(law, None, None, progress=False)
