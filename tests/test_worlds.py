"""P(e,S,1) and P(e,S,0) are drawn right: against closed forms, single runs and each other."""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference import schema
from inference.diagnostics.description_length import description_length
from inference.world_plans import warn_of_other_policies


def drawn(world, disciples, evidence=None, draws=200, chains=2, method="auto", **options):
    posterior = inference.sample_posterior(
        world, evidence, method, draws=draws, chains=chains, progress=False
    )
    return inference.sample_worlds(world, posterior, disciples, progress=False, **options)


def shift(disciple):
    """A world whose true effect is a shift of 1."""
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    act = cm.wire(disciple, idle=0.0)
    cm.measure("y", pyro.sample("w", dist.Normal(base + act(base), 0.1)))


def one(base):
    return torch.ones_like(base)


def idle(base):
    return torch.zeros_like(base)


@pytest.fixture(scope="module")
def gaussian():
    example = zoo.load("gaussian", latents=3, data=5, outcomes=4)
    worlds = drawn(
        example.world, example.disciples, example.evidence, 5000, 4, method="importance"
    )
    return example, worlds


@pytest.mark.parametrize("name", ["null", "push", "follow"])
def test_means_and_variances_are_those_of_the_closed_form(gaussian, name):
    example, worlds = gaussian
    truth = example.exact(example.disciples[name])
    for x, label in ((0, "erased"), (1, name)):
        level = worlds["predictions"]["level"].sel(disciple=label).values.astype(float)
        level = level.reshape(-1, level.shape[-1])
        variance = np.diag(truth.covariance[x])
        # Resampling from a tenfold proposal leaves nearly independent draws; allow 1.3 for it.
        error = 1.3 / np.sqrt(len(level))
        assert np.all(np.abs(level.mean(0) - truth.mean[x]) < 4 * error * np.sqrt(variance))
        assert np.all(np.abs(level.var(0) / variance - 1) < 4 * error * np.sqrt(2))


def test_the_erased_world_is_the_same_to_the_bit_whatever_is_asked():
    example = zoo.load("factory")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=200, chains=2, progress=False
    )
    asked = [["modest"], ["greedy", "modest"], ["verifier", "greedy", "modest"]]
    trees = []
    for names in asked:
        chosen = {name: example.disciples[name] for name in names}
        tree = inference.sample_worlds(example.world, posterior, chosen, progress=False)
        trees.append(tree["predictions"].to_dataset())
    for tree in trees[1:]:
        for label in ("erased", "modest"):
            xr.testing.assert_identical(trees[0].sel(disciple=label), tree.sel(disciple=label))


def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    first = drawn(shift, {"one": one}, seed=3)["predictions"]["w"]
    again = drawn(shift, {"one": one}, seed=3)["predictions"]["w"]
    other = drawn(shift, {"one": one}, seed=4)["predictions"]["w"]
    xr.testing.assert_identical(first, again)
    assert not np.array_equal(first, other)


def test_sampling_leaves_the_users_random_numbers_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn(shift, {"one": one}, draws=10)
    assert torch.equal(torch.rand(3), expected)


def test_shared_noise_is_the_same_in_both_worlds_and_independent_noise_is_not():
    tree = drawn(shift, {"one": one}, coupling="shared")["predictions"]["w"]
    difference = tree.sel(disciple="one") - tree.sel(disciple="erased")
    assert np.allclose(difference, 1.0, atol=1e-5)
    tree = drawn(shift, {"one": one}, coupling="independent", draws=500)["predictions"]["w"]
    difference = tree.sel(disciple="one") - tree.sel(disciple="erased")
    # The past is shared, the noise of 0.1 is not: sd 0.1 * sqrt(2), here to 4 standard errors.
    assert abs(float(difference.std()) - 0.1 * np.sqrt(2)) < 4 * 0.1 / np.sqrt(1000)


def test_a_disciple_that_draws_more_numbers_shifts_nobody_elses_noise():
    def gambler(base):
        for k in range(3):
            pyro.sample(f"die_{k}", dist.Gamma(0.3, 1.0))
        return torch.ones_like(base)

    tree = drawn(shift, {"one": one, "gambler": gambler}, coupling="shared")["predictions"]["w"]
    assert np.allclose(tree.sel(disciple="one"), tree.sel(disciple="gambler"), atol=1e-6)


def test_several_futures_of_a_draw_share_its_past():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        cm.measure("past", base + 0.0 * act(base))
        cm.measure("y", pyro.sample("w", dist.Normal(base, 1.0)))

    tree = drawn(world, {"one": one}, futures=5)["predictions"]
    assert tree["y"].dims == ("disciple", "chain", "draw", "future")
    assert float((tree["past"] - tree["past"].isel(future=0)).max()) == 0.0
    assert float(tree["y"].std("future").min()) > 0.0


def test_roles_switch_and_labels_are_in_the_tree():
    example = zoo.load("factory")
    posterior = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=200, chains=2, progress=False
    )
    tree = inference.sample_worlds(
        example.world, posterior, example.disciples, coords=example.coords, progress=False
    )
    found = tree["predictions"].to_dataset()
    assert found["disciple"].values.tolist() == ["erased", "modest", "greedy", "verifier"]
    assert found["X"].values.tolist() == [0, 1, 1, 1]
    assert found["gdp"].dims == ("disciple", "chain", "draw", "city")
    assert found["city"].values.tolist() == list(example.coords["city"])
    assert found["gdp"].attrs["role"] == "measurement"
    assert found["clips"].attrs["role"] == "future"
    attrs = schema.decode_attrs(tree.attrs)
    assert attrs["reused"] == ["demand"]
    assert attrs["forced"] == ["X", "orders"]
    assert attrs["shared_posterior"] is True
    assert set(attrs["vectorised"].values()) == {"plate"}


def test_measurements_with_axes_of_their_own_keep_their_shape():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        shares = pyro.sample(
            "shares", dist.Dirichlet(torch.ones(3)), infer={"event_dims": ["party"]}
        )
        with pyro.plate("city", 2), pyro.plate("year", 4):
            pyro.sample("rain", dist.MultivariateNormal(torch.zeros(3), torch.eye(3)))
        cm.measure("seats", shares * 100 + (act(base) + 0 * base).unsqueeze(-1), dims=["party"])
        cm.measure("pair", torch.stack([base, base**2], -1), dims=["moment"])
        cm.measure("constant", torch.arange(3.0), dims=["place"])

    tree = drawn(world, {"one": one}, draws=30)
    found = tree["predictions"].to_dataset()
    assert found["seats"].dims[-1] == "party"
    assert found["seats"].shape == (2, 2, 30, 3)
    assert found["rain"].dims[3:] == ("year", "city", "rain_dim_2")
    assert np.allclose(found["shares"].sum("party"), 1.0, atol=1e-5)
    seats = found["seats"].sel(disciple="one") - 100 * found["shares"].sel(disciple="one")
    assert np.allclose(seats, 1.0, atol=1e-4)
    assert np.allclose(found["constant"], [0.0, 1.0, 2.0])
    assert set(schema.decode_attrs(tree.attrs)["vectorised"].values()) == {"plate"}


@pytest.mark.parametrize("kind", ["branch", "matrix", "broadcast"])
def test_a_world_for_one_draw_is_run_one_by_one_and_right(kind):
    slopes = torch.tensor([1.0, 2.0, 3.0])

    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0).expand([3]).to_event(1))
        act = cm.wire(disciple, idle=0.0)
        if kind == "branch":
            y = base.sum() if base[0] > 0 else -base.sum()
        elif kind == "matrix":
            y = slopes @ base
        else:  # right for one draw; a batch of draws broadcasts to a number without a word
            y = (slopes * base).sum()
        cm.measure("y", y + 0 * act(y))
        cm.measure("base_again", base)

    tree = drawn(world, {"idle": lambda y: torch.zeros_like(y)}, draws=8)
    found = tree["predictions"].to_dataset()
    base, y = found["base_again"].values, found["y"].values
    if kind == "branch":
        expected = np.where(base[..., 0] > 0, 1, -1) * base.sum(-1)
    else:
        expected = base @ slopes.numpy()
    assert np.allclose(y, expected, atol=1e-5)
    vectorised = schema.decode_attrs(tree.attrs)["vectorised"]
    assert all(how.startswith("loop: ") for how in vectorised.values())


def test_a_switch_without_a_wire_may_be_branched_on():
    def world(disciple):
        severity = pyro.sample("severity", dist.Normal(0.0, 1.0))
        treated = cm.switch("treated", p=0.5)
        relief = torch.tensor(2.0) if treated else torch.tensor(0.0)
        cm.measure("pain", pyro.sample("w", dist.Normal(severity - relief, 0.1)))

    tree = drawn(world, {"therapy": lambda: None}, coupling="shared")
    pain = tree["predictions"]["pain"]
    assert np.allclose(pain.sel(disciple="erased") - pain.sel(disciple="therapy"), 2.0, atol=1e-5)
    assert set(schema.decode_attrs(tree.attrs)["vectorised"].values()) == {"plate"}


def test_evidence_after_the_switch_gives_each_world_its_own_posterior():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        pyro.sample("report", dist.Normal(base + act(base), 1.0))
        cm.measure("base_again", base + 0.0)

    with pytest.warns(cm.ImpactWarning, match="does not know it"):
        tree = drawn(world, {"one": one}, {"report": 2.0}, draws=10_000)
    base = tree["predictions"]["base_again"]
    # Closed form: base | report = N((report - action) / 2, 1/2). The error doubles by the weights.
    error = 2 * np.sqrt(0.5 / 20_000)
    assert abs(float(base.sel(disciple="erased").mean()) - 1.0) < 4 * error
    assert abs(float(base.sel(disciple="one").mean()) - 0.5) < 4 * error
    attrs = schema.decode_attrs(tree.attrs)
    assert attrs["shared_posterior"] is False
    assert attrs["evidence_after_switch"] == ["report"]
    assert max(attrs["khat"].values()) < 0.7


def test_evidence_after_the_switch_that_cannot_happen_is_refused():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        pyro.sample("report", dist.Uniform(0.0, 1.0 + act(base)))
        cm.measure("base_again", base)

    with pytest.warns(cm.ImpactWarning, match="does not know it"):
        posterior = inference.sample_posterior(
            world, {"report": 0.5}, draws=20, chains=1, progress=False
        )
    posterior["observed_data"]["report"] = posterior["observed_data"]["report"] + 1.0
    with pytest.raises(cm.EvidenceError, match=r"outside the support|cannot happen"):
        inference.sample_worlds(world, posterior, {"one": one}, progress=False)


def test_a_result_never_holds_a_silent_nan():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        cm.measure("y", torch.log(base + act(base)))

    with pytest.raises(cm.WorldError, match=r"'y' is .*nan.* in draw \d+"):
        drawn(world, {"one": one})


def test_what_is_measured_in_one_world_only_is_refused():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        on = cm.switch()
        if on:
            cm.measure("tag", base)
        cm.measure("y", base)

    with pytest.raises(cm.WorldError, match="'tag' is measured only when 'one' is let in"):
        drawn(world, {"one": one})


def test_a_posterior_of_another_world_is_refused():
    def other(disciple):
        pyro.sample("elsewhere", dist.Normal(0.0, 1.0))
        cm.measure("y", cm.wire(disciple, idle=0.0)(torch.zeros(())))

    posterior = inference.sample_posterior(other, draws=5, chains=1, progress=False)
    with (
        pytest.warns(cm.ImpactWarning, match="another text"),
        pytest.raises(cm.WorldError, match="draw the posterior of this very world"),
    ):
        inference.sample_worlds(shift, posterior, {"one": one}, progress=False)


def test_a_world_without_latents_can_be_drawn():
    def world(disciple):
        act = cm.wire(disciple, idle=0.0)
        cm.measure("y", pyro.sample("w", dist.Normal(act(torch.zeros(())), 1.0)))

    tree = drawn(world, {"one": one}, draws=300)
    y = tree["predictions"]["y"]
    assert y.shape == (2, 2, 300)
    assert abs(float(y.sel(disciple="one").mean()) - 1.0) < 4 / np.sqrt(600)


def test_blocks_do_not_change_with_the_disciples_and_cover_every_draw():
    def wide(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        with pyro.plate("thing", 2000):
            y = pyro.sample("w", dist.Normal(base + act(base), 1.0))
        cm.measure("total", y.sum(-1, keepdim=True), dims=["all"])

    tree = drawn(wide, {"one": one}, draws=1100, chains=1)
    w = tree["predictions"]["w"].sel(disciple="erased", chain=0)
    assert np.unique(w.values[:, 0]).size == 1100
    corr = np.corrcoef(w.values[:, :1].T, w.values[:, 1:2].T)[0, 1]
    assert corr > 0.3  # things share their draw's base: closed form 1/2, sd 0.03


def test_interrupted_it_keeps_the_worlds_that_are_finished():
    calls = []

    def impatient(base):
        calls.append(1)
        if len(calls) > 1:  # the first call only looks what sites there are
            raise KeyboardInterrupt
        return base

    with pytest.warns(cm.ImpactWarning, match=r"\['erased', 'one'\] were finished"):
        tree = drawn(shift, {"one": one, "impatient": impatient})
    assert tree["predictions"]["disciple"].values.tolist() == ["erased", "one"]
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        drawn(shift, {"impatient": impatient})


def test_draws_in_which_the_later_evidence_cannot_happen_are_left_out_quietly():
    def world(disciple):
        base = pyro.sample("base", dist.Bernoulli(0.5))
        cm.wire(disciple, idle=0.0)
        pyro.sample("seen", dist.Bernoulli(base))  # impossible to see a 1 where base is 0
        cm.measure("base_again", base + 0.0)

    with pytest.warns(cm.ImpactWarning, match="does not know it"):
        tree = drawn(world, {"one": one}, {"seen": 1.0}, draws=300, futures=3)
    assert float(tree["predictions"]["base_again"].min()) == 1.0


@pytest.mark.parametrize("given", [{"orders": [1.0]}, None, xr.Dataset()])
def test_what_is_no_posterior_is_refused_by_its_type(given):
    with pytest.raises(cm.errors.WorldError, match=f"{type(given).__name__}.*sample_posterior"):
        inference.sample_worlds(shift, given, {"one": one}, progress=False)


class Pushing:
    def __call__(self, base):
        return torch.ones_like(base)


def pushed(base, by):
    return by * torch.ones_like(base)


def test_policies_are_told_apart_and_known_again_after_a_reload(tmp_path):
    everyone = {"one": one, "push": Pushing(), "by": partial(pushed, by=torch.tensor(2.0))}
    worlds = drawn(shift, everyone)
    read = inference.load(inference.save(worlds, tmp_path / "worlds.nc"))
    again = {**everyone, "push": Pushing(), "by": partial(pushed, by=torch.tensor(2.0))}
    warn_of_other_policies(read.attrs, cm.disciples.gather(again), stacklevel=1)
    warn_of_other_policies({}, cm.disciples.gather(again), stacklevel=1)
    other = {**again, "one": idle, "by": partial(pushed, by=torch.tensor(3.0))}
    with pytest.warns(cm.errors.ImpactWarning, match=r"\['one', 'by'\]") as caught:
        warn_of_other_policies(read.attrs, cm.disciples.gather(other), stacklevel=1)
    assert caught[0].filename == __file__


def test_the_bits_of_every_disciple_whose_source_is_known_are_noted(tmp_path):
    class Learned(torch.nn.Linear):
        def forward(self, base):
            return 0 * base

    written = cm.Disciple(one, name="written", source="def one(base): return 1" * 9)
    unknown = cm.Disciple(eval("lambda base: 0 * base"), name="unknown")
    learned = cm.Disciple(Learned(3, 2), name="learned", source="x -> a x + b")
    assert unknown.source is None
    everyone = [written, unknown, learned]
    worlds = drawn(shift, everyone)
    noted = {"written": written.description_bits(), "learned": learned.description_bits()}
    assert noted["learned"] > 8 * 32  # six weights and two offsets
    assert schema.decode_attrs(worlds.attrs)["disciple_bits"] == noted
    for kind in ("nc", "zarr"):
        read = inference.load(inference.save(worlds, tmp_path / f"worlds.{kind}"))
        assert schema.decode_attrs(read.attrs)["disciple_bits"] == noted
    found = description_length(worlds, share=0.5)
    budgets = [0.5 * noted["written"], np.nan, 0.5 * noted["learned"]]
    assert found["budget"].values == pytest.approx(budgets, nan_ok=True)
    assert [bool(reason) for reason in found["reason"].values] == [False, True, False]
    summary = drawn(shift, [unknown, learned], keep="summary")
    assert schema.decode_attrs(summary.attrs)["disciple_bits"] == {"learned": noted["learned"]}
