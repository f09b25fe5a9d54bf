"""Exact laws of discrete worlds: by hand, by brute force, by Pyro's own sums, and by draws."""

import itertools
from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr
from pyro import infer, poutine
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models.anatomy import dissect
from counterfactual_models.errors import EvidenceError, MeasurementError, WorldError
from counterfactual_models.handlers import SetSwitch, isolated, past
from inference import diagnostics, exact_worlds
from inference.batches import NotVectorisable
from inference.diagnostics.exact_impact import exact_impact, replacement_importance
from inference.exact.abreast import walk_abreast
from inference.exact.finite_sites import finite_law
from inference.exact.outcomes import Outcomes, one_spelling
from inference.exact.walks import walk
from inference.passes import Program
from inference.schema import flatten

enumerate_worlds = partial(exact_worlds.enumerate_worlds, progress=False)
NULL = {"null": lambda *seen: torch.zeros(())}


def law(laws, disciple="erased", alternative="as it was"):
    """Outcome -> probability, of those that happen."""
    chances = laws["probability"].sel(disciple=disciple, alternative=alternative).values
    rows = map(tuple, laws["value"].values.tolist())
    return {row: p for row, p in zip(rows, chances.tolist(), strict=True) if p > 0}


def is_law(found, expected, atol=1e-7):
    assert set(found) == set(expected)
    np.testing.assert_allclose(
        [found[row] for row in expected], list(expected.values()), atol=atol
    )


# Section 6 of the research note on the test-bed, each program written from its line there.


def null_world(disciple):
    e = pyro.sample("e", dist.Bernoulli(0.5))
    act = cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("y", pyro.sample("coin", dist.Bernoulli(0.3 + 0.4 * e + act(e))))


def test_t01_a_disciple_who_changes_nothing():
    others = {"e": [{"e": 0.0}]}
    laws = enumerate_worlds(null_world, {"e": 1.0}, NULL, alternatives=others)
    for disciple in ("erased", "null"):
        is_law(law(laws, disciple), {(0.0,): 0.3, (1.0,): 0.7})
        is_law(law(laws, disciple, "e[0]"), {(0.0,): 0.7, (1.0,): 0.3})
    impact = exact_impact(laws).sel(disciple="null")
    assert [float(impact[name].max()) for name in impact] == [0, 0, 0, 0]
    found = replacement_importance(laws)
    np.testing.assert_allclose(found["importance"], 0.8, atol=1e-7)
    for name in ("switch_importance", "ratio", "profile_distance", "gram_distance"):
        assert float(found[name].sel(disciple="null")) == 0


def paperclips(disciple):
    harvest = pyro.sample("harvest", dist.Bernoulli(0.5))
    quote = pyro.sample("quote", dist.Categorical(torch.ones(3) / 3))
    act = cm.wire(disciple, idle=torch.zeros(2))
    dearer, ruin = act(harvest).unbind(-1)
    k = pyro.sample("k", dist.Categorical(torch.tensor([0.25, 0.5, 0.25]))) - 1
    rise = pyro.sample("rise", dist.Bernoulli(dearer))
    cm.measure("gdp", (1 - ruin) * (2 + harvest + k).clamp(0, 4))
    cm.measure("price", torch.where(ruin > 0, 2, (quote + rise).clamp(max=2)))


def test_t03_the_paperclip_factory():
    evidence = {"harvest": 1.0, "quote": 1}
    others = {
        "harvest": [evidence | {"harvest": 0.0}],
        "quote": [evidence | {"quote": 0}, evidence | {"quote": 2}],
    }
    disciples = {
        name: partial(lambda harvest, action: torch.tensor(action), action=action)
        for name, action in {"modest": [0.01, 0.0], "runaway": [0.0, 1.0]}.items()
    }
    laws = enumerate_worlds(paperclips, evidence, disciples, alternatives=others)
    impact = exact_impact(laws)
    np.testing.assert_allclose(impact["joint_tv"], [0.01, 1], atol=1e-7)
    np.testing.assert_allclose(impact["rearranged_tv"], [0.01, 0.5], atol=1e-7)
    entropy = -0.01 * np.log2(0.01) - 0.99 * np.log2(0.99)
    np.testing.assert_allclose(impact["entropy_change"], [entropy, -1.5], atol=1e-6)
    found = replacement_importance(laws).sel(disciple=["modest", "runaway"])
    np.testing.assert_allclose(found["ratio"], [0.02 / 1.5, 4 / 3], atol=1e-7)
    assert found["profile_distance"].values.round(4).tolist() == [0.0022, 1]


def spoofed(disciple, *, sensors=0, latent=True):
    harvest = pyro.sample("harvest", dist.Bernoulli(0.5))
    code = pyro.sample("code", dist.Categorical(torch.ones(8) / 8))
    control = cm.wire(disciple, idle=torch.zeros(()))(code)
    k = pyro.sample("k", dist.Categorical(torch.tensor([0.25, 0.5, 0.25]))) - 1
    cm.measure("gdp", 2 + harvest + k)
    if sensors:
        with pyro.plate("sensor", sensors):
            fires = pyro.sample("fires", dist.Bernoulli(0.1 * control[..., None]))
        cm.measure("alarms", fires.sum(-1))
    if latent:
        cm.measure("control", control)


SPOOFED = {"harvest": 1.0, "code": 5}
TAKEOVER = {"takeover": lambda code: (code == 5).float()}


def test_t04_a_spoofed_report_and_what_the_latent_control_would_show():
    others = {
        "harvest": [SPOOFED | {"harvest": 0.0}],
        "code": [SPOOFED | {"code": code} for code in range(8) if code != 5],
    }
    laws = enumerate_worlds(spoofed, SPOOFED, TAKEOVER, alternatives=others)
    found = replacement_importance(laws).sel(disciple="takeover")
    assert float(exact_impact(laws)["joint_tv"].item()) == 1
    assert found["ratio"] == pytest.approx(2)
    assert found["profile_distance"] == pytest.approx(2 / 3)
    assert found["gram_distance"] == pytest.approx(0.760345, abs=1e-6)
    reported = replacement_importance(laws, measurements="gdp").sel(disciple="takeover")
    for name in ("switch_importance", "ratio", "profile_distance", "gram_distance"):
        assert reported[name] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sensors", [1, 10])
def test_t04_sensors_that_cannot_be_bought(sensors):
    world = partial(spoofed, sensors=sensors, latent=False)
    laws = enumerate_worlds(world, SPOOFED, TAKEOVER)
    assert exact_impact(laws)["joint_tv"].item() == pytest.approx(1 - 0.9**sensors, abs=1e-6)
    fired = stats.binom(sensors, 0.1).pmf(np.arange(sensors + 1))
    alarms = laws["value"].sel(measurement="alarms").values
    chances = laws["probability"].sel(disciple="takeover").squeeze().values
    own = [chances[alarms == n].sum() for n in range(sensors + 1)]
    np.testing.assert_allclose(own, fired, atol=1e-6)


def hurricane(disciple):
    e = pyro.sample("e", dist.Categorical(torch.ones(4) / 4))
    again, aim, shift = cm.wire(disciple, idle=torch.tensor([0, -1, 0]))(e).unbind(-1)
    spread = dist.Categorical(torch.tensor([0.25, 0.5, 0.25]))
    chaos, redrawn = pyro.sample("chaos", spread) - 1, pyro.sample("redrawn", spread) - 1
    site = (4 * e + torch.where(again > 0, redrawn, chaos) + shift) % 16
    cm.measure("site", torch.where(aim >= 0, aim, site))


def test_t05_hurricanes_that_make_landfall_elsewhere():
    disciples = {
        name: partial(lambda e, action: torch.tensor(action), action=action)
        for name, action in {"cool": [1, -1, 0], "target": [0, 7, 0], "shift": [0, -1, 1]}.items()
    }
    others = {"e": [{"e": e} for e in (1, 2, 3)]}
    laws = enumerate_worlds(hurricane, {"e": 0}, disciples, alternatives=others)
    impact = exact_impact(laws)
    np.testing.assert_allclose(impact["joint_tv"], [0, 1, 0.5], atol=1e-12)
    np.testing.assert_allclose(impact["rearranged_tv"], [0, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(impact["entropy_change"], [0, -1.5, 0], atol=1e-12)
    found = replacement_importance(laws).sel(disciple=["cool", "target", "shift"])
    for name in ("profile_distance", "gram_distance"):
        np.testing.assert_allclose(found[name], [0, 1, 0], atol=1e-12)


# Against others: brute force, scipy, Pyro's own sums, and draws.


def branching(disciple):
    """Toss until the first tail, four times at most: values decide which sites there are."""
    act = cm.wire(disciple, idle=torch.tensor(0.5))
    heads = 0
    while heads < 4 and bool(pyro.sample(f"toss_{heads}", dist.Bernoulli(act()))):
        heads += 1
    cm.measure("heads", heads)


def test_values_may_decide_which_sites_there_are():
    laws = enumerate_worlds(branching, {}, {"lucky": lambda: torch.tensor(0.75)})
    for disciple, p in (("erased", 0.5), ("lucky", 0.75)):
        is_law(law(laws, disciple), {(float(h),): p**h * (1 - p) ** (h < 4) for h in range(5)})


def counts(disciple):
    with pyro.plate("city", 2):
        visits = pyro.sample("visits", dist.Binomial(3, torch.tensor([0.2, 0.7])))
    act = cm.wire(disciple, idle=torch.ones(()))
    rainy = pyro.sample("rainy", dist.Bernoulli(torch.tensor([0.0, 1.0, 0.25])).to_event(1))
    kind = pyro.sample("kind", dist.OneHotCategorical(torch.tensor([0.1, 0.9])))
    fixed = pyro.sample("fixed", dist.Delta(torch.tensor(2.0)))
    cm.measure("seen", act(fixed) * visits * fixed, dims=["city"])
    cm.measure("wet", rainy.sum(-1))
    cm.measure("first", kind[..., 0])


def test_every_kind_of_finite_site_as_scipy_has_it():
    laws = enumerate_worlds(counts, {}, NULL, coords={"city": ["rome", "paris"]})
    assert laws["measurement"].values.tolist() == ["seen[rome]", "seen[paris]", "wet", "first"]
    rome, paris = stats.binom(3, 0.2).pmf(range(4)), stats.binom(3, 0.7).pmf(range(4))
    expected = {
        (2.0 * r, 2.0 * p, 1.0 + wet, first): rome[r] * paris[p] * a * b
        for r, p in itertools.product(range(4), repeat=2)
        for wet, a in ((0.0, 0.75), (1.0, 0.25))
        for first, b in ((1.0, 0.1), (0.0, 0.9))
    }
    is_law(law(laws), expected)
    assert laws.attrs["paths"] == '{"erased": 64, "null": 64}'


def seasons(disciple):
    """A discrete world with a hidden past, continuous evidence, and evidence of its own."""
    climate = pyro.sample("climate", dist.Categorical(torch.tensor([0.2, 0.3, 0.5])))
    chance = (0.2 + 0.3 * climate)[..., None].expand(*climate.shape, 4)
    warm = pyro.sample("warm", dist.Bernoulli(chance).to_event(1))
    pyro.sample("ring", dist.Normal(warm, 0.7).to_event(1))
    pyro.sample("diary", dist.Bernoulli(0.3 + 0.2 * climate), obs=torch.tensor(1.0))
    act = cm.wire(disciple, idle=torch.zeros(()))
    chance = (0.1 + 0.2 * climate + 0.1 * warm.sum(-1) + act(climate)).clamp(0, 1)
    cm.measure("flood", pyro.sample("rain", dist.Bernoulli(chance)))
    cm.measure("warm_years", warm.sum(-1))
    cm.measure("climate_was", climate)


RINGS = torch.tensor([0.1, 1.2, 0.9, 0.4])
WORSE = {"worse": lambda climate: 0.1 + 0.0 * climate}


def test_a_hidden_past_by_brute_force():
    laws = enumerate_worlds(seasons, {"ring": RINGS}, WORSE)
    for disciple, more in (("erased", 0.0), ("worse", 0.1)):
        weights = {}
        for c, *warm in itertools.product(range(3), *[range(2)] * 4):
            p = [0.2, 0.3, 0.5][c] * (0.3 + 0.2 * c)
            p *= stats.bernoulli(0.2 + 0.3 * c).pmf(warm).prod()
            p *= stats.norm(warm, 0.7).pdf(RINGS.double().numpy()).prod()
            flood = np.clip(0.1 + 0.2 * c + 0.1 * sum(warm) + more, 0, 1)
            for happens, chance in ((1.0, flood), (0.0, 1 - flood)):
                row = (happens, float(sum(warm)), float(c))
                weights[row] = weights.get(row, 0.0) + p * chance
        total = sum(weights.values())
        is_law(law(laws, disciple), {row: p / total for row, p in weights.items() if p > 0})
        evidence = laws["log_evidence"].sel(disciple=disciple).item()
        assert evidence == pytest.approx(np.log(total), abs=1e-5)


def plated(disciple):
    climate = pyro.sample("climate", dist.Categorical(torch.tensor([0.2, 0.3, 0.5])))
    year = pyro.plate("year", 3)
    with year:
        warm = pyro.sample("warm", dist.Bernoulli(0.2 + 0.3 * climate))
        pyro.sample("ring", dist.Normal(warm, 0.7))
    act = cm.wire(disciple, idle=torch.zeros(()))
    with year:
        chance = (0.1 + 0.2 * climate + 0.3 * warm + act(climate)).clamp(0, 1)
        cm.measure("flood", pyro.sample("rain", dist.Bernoulli(chance)))
    cm.measure("climate_was", climate)


def test_a_hidden_past_as_pyro_sums_it_out():
    known = poutine.condition(past(plated, cm.disciples.erased), {"ring": RINGS[:3]})
    elbo = infer.TraceEnum_ELBO(max_plate_nesting=1)
    with isolated(0):
        found = elbo.compute_marginals(infer.config_enumerate(known), lambda: None)
    marginal = found["climate"].logits.exp().flatten().numpy()
    laws = enumerate_worlds(plated, {"ring": RINGS[:3]}, WORSE)
    climate = laws["value"].sel(measurement="climate_was").values
    for chances in laws["probability"].squeeze("alternative").values:
        own = [chances[climate == c].sum() for c in range(3)]
        np.testing.assert_allclose(own, marginal, atol=1e-5)


def test_evidence_after_the_switch_weighs_each_world_by_itself():
    def world(disciple):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        pyro.sample("report", dist.Bernoulli(0.2 + 0.5 * z - act(z)))
        cm.measure("fact", z)

    laws = enumerate_worlds(world, {"report": 1.0}, {"hush": lambda z: 0.6 * z})
    is_law(law(laws), {(0.0,): 2 / 9, (1.0,): 7 / 9})
    is_law(law(laws, "hush"), {(0.0,): 2 / 3, (1.0,): 1 / 3})
    np.testing.assert_allclose(np.exp(laws["log_evidence"]), [[0.45, 0.15]], atol=1e-6)


@pytest.mark.parametrize("disciple", ["erased", "worse"])
def test_draws_of_the_same_world_have_this_law(disciple, drawn):
    laws, tree = drawn
    table = flatten(tree).sel(disciple=disciple, measurement=laws["measurement"])
    rows = table.values.reshape(len(table), -1)
    expected = law(laws, disciple)
    hits = {row: (row == rows.T).all(-1) for row in expected}
    assert sum(hit.sum() for hit in hits.values()) == rows.shape[1]
    for row, p in expected.items():
        error = (p * (1 - p) / rows.shape[1]) ** 0.5
        assert abs(hits[row].mean() - p) < 4 * error


def test_the_tv_that_is_estimated_from_draws_is_this_one(drawn):
    laws, tree = drawn
    exact = exact_impact(laws)
    found = diagnostics.coarse_graining(tree).sel(measurement=exact["measurement"])
    gap = abs(found["tv"] - exact["tv"])
    assert bool((gap < 4 * found["mcse"] + 1e-6).all())
    assert exact["tv"].sel(measurement="flood[0]").item() > 0.05


@pytest.fixture(scope="module")
def drawn():
    evidence = {"ring": RINGS[:3]}
    posterior = inference.sample_posterior(
        plated, evidence, "enumerate", draws=2000, progress=False
    )
    tree = inference.sample_worlds(plated, posterior, WORSE, seed=1, progress=False)
    return enumerate_worlds(plated, evidence, WORSE), tree


# One by one, and all at once.


def program(world, disciple, evidence):
    on = int(disciple is not cm.disciples.erased)
    anatomy = dissect(world, disciple, on=on)
    return Program(SetSwitch(on)(partial(world, disciple)), anatomy, evidence, "the world")


def singly(asked, measured):
    found = Outcomes()
    with isolated(0):
        for log_weight, numbers in walk(asked, measured, limit=10_000):
            found.add(np.array([log_weight]), numbers[None])
    return found


def at_once(asked, measured):
    found = Outcomes()
    with isolated(0):
        for log_weights, numbers in walk_abreast(asked, measured, limit=10_000):
            found.add(log_weights, numbers)
    return found


@pytest.mark.parametrize(
    ("world", "evidence"),
    [
        (seasons, {"ring": RINGS}),
        (partial(spoofed, sensors=4), {"harvest": torch.tensor(1.0), "code": torch.tensor(5)}),
        (counts, {}),
        (hurricane, {}),
    ],
    ids=["seasons", "spoofed", "counts", "hurricane"],
)
def test_all_paths_at_once_give_what_they_give_one_by_one(world, evidence):
    asked = program(world, cm.disciples.erased, evidence)
    measured = list(asked.anatomy.named("measurement"))
    one, all_ = singly(asked, measured), at_once(asked, measured)
    assert one.paths == all_.paths > 1
    for mine, other in zip(one.law(), all_.law(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-5, atol=1e-7)


def mixing(disciple):
    with pyro.plate("place", 5):
        x = pyro.sample("x", dist.Bernoulli(0.5))
    cm.wire(disciple, idle=torch.zeros(()))
    cm.measure("above", (x[..., 0] > x.mean()).float())


@pytest.mark.parametrize("world", [mixing, branching])
def test_what_cannot_be_run_at_once_is_run_one_by_one(world):
    asked = program(world, cm.disciples.erased, {})
    with pytest.raises(NotVectorisable):
        at_once(asked, list(asked.anatomy.named("measurement")))


def test_a_world_whose_paths_would_see_each_other_has_the_right_law():
    # One at place 0, and not everywhere: 15 of 32.
    laws = enumerate_worlds(mixing, {}, NULL)
    is_law(law(laws), {(0.0,): 17 / 32, (1.0,): 15 / 32})
    assert laws.attrs["vectorised"].startswith('{"erased": "loop: ')


def test_thousands_of_paths_are_merged_as_they_come():
    def walkers(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        with pyro.plate("walker", 14):
            right = pyro.sample("right", dist.Bernoulli(0.3 + act(0.0)))
        cm.measure("sum", right.sum(-1))

    laws = enumerate_worlds(walkers, {}, {"push": lambda seen: torch.tensor(0.2)})
    for disciple, p in (("erased", 0.3), ("push", 0.5)):
        pmf = stats.binom(14, p).pmf(range(15))
        is_law(law(laws, disciple), {(float(k),): q for k, q in enumerate(pmf)}, atol=1e-6)


def test_what_is_impossible_is_no_path():
    def world(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        with pyro.plate("step", 200):
            slips = pyro.sample("slips", dist.Bernoulli(torch.zeros(())))
        pick = pyro.sample("pick", dist.Categorical(torch.tensor([0.0, 1.0, 0.0])))
        more = pyro.sample("more", dist.Binomial(5, act(0.0)))
        cm.measure("total", slips.sum(-1) + pick + more)

    laws = enumerate_worlds(world, {}, {"all": lambda seen: torch.ones(())})
    assert law(laws) == {(1.0,): 1.0}
    assert law(laws, "all") == {(6.0,): 1.0}


# What comes back, and what is refused.


def test_laws_can_be_saved_and_read(tmp_path):
    laws = enumerate_worlds(null_world, {"e": 1.0}, NULL, alternatives={"e": [{"e": 0}]})
    laws.to_netcdf(tmp_path / "laws.nc")
    with xr.open_dataset(tmp_path / "laws.nc") as again:
        xr.testing.assert_equal(exact_impact(again.load()), exact_impact(laws))
    assert laws["datum"].values.tolist() == ["", "e"]
    assert laws["X"].values.tolist() == [0, 1]
    assert laws.attrs["world"] == "null_world"


def test_a_measurement_may_be_called_as_a_dim_of_the_laws():
    def world(disciple):
        cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("outcome", pyro.sample("coin", dist.Bernoulli(0.5)))
        cm.measure("value", torch.zeros(()))

    laws = enumerate_worlds(world, {}, NULL)
    assert laws["measurement"].values.tolist() == ["outcome", "value"]
    is_law(law(laws), {(0.0, 0.0): 0.5, (1.0, 0.0): 0.5})


def test_numbers_that_differ_by_rounding_are_one_outcome():
    rows = np.array([[0.1 + 0.2, 1.0], [0.3, 1.0], [0.3, 1.1], [-0.0, 1.0], [0.0, 1.0]])
    assert len(np.unique(one_spelling(rows, 2.0**-52), axis=0)) == 3
    seen = Outcomes()
    seen.add(np.array([np.log(0.25), np.log(0.75), -np.inf]), np.array([[-0.0], [0.0], [3.0]]))
    rows, chances, log_total = seen.law()
    assert rows.tolist() == [[0.0]] and chances.tolist() == [1.0]
    assert (seen.paths, log_total) == (2, pytest.approx(0))


def test_a_binomial_of_several_counts_has_a_list_as_well():
    kinds, table = finite_law(dist.Binomial(torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0])))
    assert kinds.tolist() == [0, 1, 2]
    np.testing.assert_allclose(table.T, [[0.5, 0.5, 0], [0, 0, 1]], atol=1e-12)


def test_whole_numbers_are_never_one_outcome_however_large():
    def people(disciple):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("people", 2_000_000 + (z + act(z)).long())
        cm.measure("share", act(z))

    laws = enumerate_worlds(people, {}, {"one": lambda z: torch.ones(())})
    is_law(law(laws), {(2e6, 0.0): 0.5, (2e6 + 1, 0.0): 0.5})
    impact = exact_impact(laws, measurements="people")
    assert impact["joint_tv"].item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    "values", [1 + 3e-7 * np.arange(9), [2e6, 2e6 + 0.5, 2e6 + 1]], ids=["wide", "whole"]
)
def test_numbers_that_follow_each_other_as_closely_as_rounding_are_refused(values):
    rows = np.array(values)[:, None]
    with pytest.raises(MeasurementError, match="'share' has values that follow each other"):
        one_spelling(rows, 2.0**-23, ["share"])
    assert len(np.unique(one_spelling(rows, 2.0**-52))) == len(rows)


@pytest.mark.parametrize("path", [0, 1])
@pytest.mark.parametrize(
    "draw",
    [lambda: torch.rand(()), lambda: torch.tensor(np.random.rand())],  # noqa: NPY002
    ids=["torch", "numpy"],
)
def test_random_numbers_outside_sites_are_refused_whatever_path_has_them(draw, path):
    def world(disciple):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("y", act(z) + (draw() if z == path else 0.0))

    with pytest.raises(WorldError, match=r"draws random numbers outside pyro\.sample"):
        enumerate_worlds(world, {}, NULL)


def test_what_the_evidence_rules_out_is_left_on_the_way():
    steps = 20

    def chain(disciple):
        x = torch.zeros(())
        for t in range(steps):
            x = pyro.sample(f"z{t}", dist.Bernoulli(0.3 + 0.4 * x))
            pyro.sample(f"seen{t}", dist.Bernoulli(x))
        free = pyro.sample("free", dist.Categorical(torch.ones(12) / 12))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("y", x + free + act(x))

    known = {f"seen{t}": float(t % 2) for t in range(steps)}
    laws = enumerate_worlds(chain, known, NULL, limit=50)
    is_law(law(laws), {(1.0 + k,): 1 / 12 for k in range(12)})
    assert laws.attrs["vectorised"] == '{"erased": "plate", "null": "plate"}'
    expected = np.log(0.7) + (steps - 1) * np.log(0.3)
    np.testing.assert_allclose(laws["log_evidence"], expected, rtol=1e-5)


@pytest.mark.parametrize("kind", [dist.Bernoulli, partial(dist.Binomial, 1)])
def test_what_logits_make_all_but_impossible_is_still_possible(kind):
    def world(disciple):
        z = pyro.sample("z", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        pyro.sample("e", kind(logits=40.0 + 2 * z))
        cm.measure("y", z + act(z))

    odds = np.exp(2)
    laws = enumerate_worlds(world, {"e": 0.0}, NULL)
    is_law(law(laws), {(0.0,): odds / (1 + odds), (1.0,): 1 / (1 + odds)})


def test_what_torch_remembers_of_a_coin_does_not_change_its_law():
    for coin, no in (
        (dist.Bernoulli(logits=torch.tensor(40.0)), np.exp(-40)),
        (dist.Bernoulli(probs=torch.tensor(1.0)), 0.0),
    ):
        coin.sample(), coin.log_prob(torch.tensor(1.0))
        table = finite_law(coin.expand((2,))).table
        np.testing.assert_allclose(table, [[no, no], [1, 1]], rtol=1e-6)


def test_places_that_are_certain_stay_what_they_are():
    chances = torch.zeros(300)
    chances[7::50] = 0.5
    chances[3::50] = 1.0

    def world(disciple):
        turned = pyro.sample("turned", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        with pyro.plate("place", 300):
            x = pyro.sample("x", dist.Bernoulli((chances - turned[..., None]).abs()))
        cm.measure("third", x[..., 3] + act(turned))
        cm.measure("sum", x.sum(-1))

    binomial = stats.binom(6, 0.5).pmf(range(7))
    expected = {(1.0, 6.0 + k): p / 2 for k, p in enumerate(binomial)}
    expected |= {(0.0, 288.0 + k): p / 2 for k, p in enumerate(binomial)}
    is_law(law(enumerate_worlds(world, {}, NULL)), expected)


def world_of(make):
    """A world with one site before the wire."""

    def world(disciple):
        value = make()
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("y", value + act(value))

    return world


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: pyro.sample("z", dist.Normal(0.0, 1.0)), r"'z' \(Normal\) is continuous"),
        (lambda: pyro.sample("z", dist.Poisson(1.0)), r"'z' \(Poisson\) is discrete, without"),
        (
            lambda: poutine.scale(pyro.sample, 2.0)("z", dist.Bernoulli(0.5)),
            "'z' is latent and scaled or masked",
        ),
        (
            lambda: pyro.sample("z", dist.Bernoulli(0.5).mask(torch.tensor(False))),
            "'z' is latent and scaled or masked",
        ),
        (
            lambda: pyro.sample("z", dist.Delta(torch.zeros(()), log_density=1.0)),
            "'z' is a latent Delta with a log_density",
        ),
        (
            lambda: pyro.sample("z", dist.Empirical(torch.tensor([1.0, 3.0]), torch.zeros(2))),
            "a site's Empirical lists its values.*Categorical",
        ),
    ],
    ids=["continuous", "infinite", "scaled", "masked", "weighed", "empirical"],
)
def test_a_site_without_a_list_of_values_is_refused(make, match):
    with pytest.raises(WorldError, match=match):
        enumerate_worlds(world_of(make), {}, NULL)


def test_a_continuous_site_may_be_known():
    world = world_of(lambda: pyro.sample("z", dist.Normal(0.0, 1.0)))
    assert law(enumerate_worlds(world, {"z": 2.0}, NULL)) == {(2.0,): 1.0}


def test_too_many_paths_are_refused_with_the_sites_that_branch():
    def world(disciple):
        with pyro.plate("step", 40):
            pyro.sample("slips", dist.Bernoulli(0.5))
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("y", act(0.0))

    with pytest.raises(WorldError, match=r"more than 200000 paths.*'slips'.*no measurement"):
        enumerate_worlds(world, {}, NULL)
    with pytest.raises(WorldError, match=r"more than 3 paths.*'toss_0', 'toss_1', 'toss_2'"):
        enumerate_worlds(branching, {}, NULL, limit=3)
    with pytest.raises(WorldError, match="limit=0"):
        enumerate_worlds(branching, {}, NULL, limit=0)


def test_evidence_that_cannot_happen_is_refused():
    def world(disciple):
        e = pyro.sample("e", dist.Categorical(torch.tensor([0.5, 0.5, 0.0])))
        act = cm.wire(disciple, idle=torch.zeros(()))
        later = pyro.sample("later", dist.Bernoulli(act(e)))
        cm.measure("y", later)

    sure = {"sure": lambda e: torch.ones(())}
    with pytest.raises(EvidenceError, match=r"\['e'\] has probability 0 in the erased world"):
        enumerate_worlds(world, {"e": 2}, sure)
    with pytest.raises(EvidenceError, match=r"probability 0 in the erased world, at e\[0\]"):
        enumerate_worlds(world, {"e": 0}, sure, alternatives={"e": [{"e": 2}]})
    with pytest.raises(EvidenceError, match=r"probability 0 in the world with disciple 'sure'"):
        enumerate_worlds(world, {"later": 0.0}, sure)


@pytest.mark.parametrize(
    ("alternatives", "match"),
    [
        ({"e": [{"e": 1.0}]}, r"'e\[0\]' is the evidence as it was"),
        ({"e": [{"e": 0.0}, {}]}, r"'e\[1\]' speaks of \[\] .*whole evidence"),
        ({"e": {"e": 0.0}}, "expected a list"),
        ({"e": []}, "expected a list"),
        ({"e": [{"f": 0.0}]}, r"alternative 'e\[0\]': the evidence names 'f'"),
        ([{"e": 0.0}], "alternatives of type list"),
    ],
)
def test_alternatives_that_are_none_are_refused(alternatives, match):
    with pytest.raises(EvidenceError, match=match):
        enumerate_worlds(null_world, {"e": 1.0}, NULL, alternatives=alternatives)


def test_a_world_that_measures_nothing_has_no_law():
    def world(disciple):
        cm.wire(disciple, idle=torch.zeros(()))

    with pytest.raises(MeasurementError, match="measures nothing"):
        enumerate_worlds(world, {}, NULL)


@pytest.mark.parametrize(
    ("measured", "match"),
    [
        (lambda x: cm.measure("y", x / x), "'y' is nan"),
        (lambda x: x or cm.measure("y", x), "'y' is there on one path"),
        (lambda x: cm.measure("y", torch.zeros(int(x) + 1)), r"shape \(2,\) on one path|\(1,\)"),
        (lambda x: cm.measure("y", 2**60 * x.long()), r"beyond 2\^53"),
    ],
    ids=["nan", "absent", "shape", "whole"],
)
def test_measurements_that_are_none_on_some_path_are_refused(measured, match):
    def world(disciple):
        cm.wire(disciple, idle=torch.zeros(()))
        measured(pyro.sample("x", dist.Bernoulli(0.5)))

    with pytest.raises(WorldError, match=match):
        enumerate_worlds(world, {}, NULL)


def test_a_disciple_with_a_memory_is_refused():
    seen = []

    def forgetful(value):
        seen.append(1)
        for k in range(len(seen) % 3):
            pyro.sample(f"own_{k}", dist.Bernoulli(0.5))
        return torch.zeros(())

    with pytest.raises(WorldError, match="another in two runs"):
        enumerate_worlds(null_world, {"e": 1.0}, {"forgetful": forgetful})


def test_what_differs_between_the_worlds_is_refused():
    def world(disciple):
        act = cm.wire(disciple, idle=torch.zeros(()))
        cm.measure("y", act(0.0))

    with pytest.raises(WorldError, match="'y' is not measured alike when 'wide'"):
        enumerate_worlds(world, {}, {"wide": lambda seen: torch.zeros(2)})
