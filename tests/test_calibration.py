"""Does a study pass right posteriors, catch wrong ones, and own up to what it left out?"""

import multiprocessing
import random
import warnings
from concurrent.futures import ProcessPoolExecutor
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
from inference import repetition, schema


def calibrated(
    world, evidence=("e",), *, method="importance", repetitions=40, draws=50, **options
):
    return inference.calibrate(
        world,
        list(evidence),
        method=method,
        repetitions=repetitions,
        draws=draws,
        progress=False,
        **options,
    )


def level(disciple, *, noise=1.0, heed=1.0, offset=0.0):
    """A level and four looks at it; with heed=0 the looks say nothing of it."""
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("look", 4):
        pyro.sample("e", dist.Normal(heed * z + offset, noise))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


def urn(disciple):
    """A discrete past with a vector in it: which urn, and what two witnesses saw."""
    which = pyro.sample("which", dist.Categorical(torch.tensor([0.5, 0.3, 0.2])))
    chance = torch.tensor([0.1, 0.5, 0.9])[which.long()]
    with pyro.plate("witness", 2):
        seen = pyro.sample("seen", dist.Bernoulli(chance))
        pyro.sample("e", dist.Bernoulli(0.8 * seen + 0.1))
    cm.measure("y", cm.wire(disciple, idle=0.0)(chance))


def attrs(result):
    return schema.decode_attrs(result.attrs)


def of(result, name, quantity):
    return float(result[name].sel(quantity=quantity))


@pytest.fixture
def engine(monkeypatch):
    """Puts something between a repetition and its engine, which is told how many came before."""

    def use(change):
        def sample(world, data, method, **options):
            numbers.append(len(numbers))
            return change(numbers[-1], partial(real, world, data, method, **options))

        numbers, real = [], repetition.sample_posterior
        monkeypatch.setattr(repetition, "sample_posterior", sample)

    return use


def test_a_right_continuous_posterior_passes():
    result = calibrated(zoo.load("gaussian").world, repetitions=30)
    assert result["quantity"].values.tolist() == ["z[0]", "z[1]", "log_likelihood"]
    assert dict(result.sizes) == {"repetition": 30, "quantity": 3, "place": 401}
    assert set(result["verdict"].values) == {"passes"}
    assert ((result["rank"] > 0) & (result["rank"] < 1)).all()
    assert (result["ranked"] <= 200).all()
    assert result["ranked"].median() > 100
    assert (abs(result["bias"]) < 4 * result["bias_mcse"]).all()
    assert (abs(result["spread"] - 1) < 4 * result["spread_mcse"]).all()
    assert attrs(result)["p"] == float(result["p_holm"].min())
    assert "30 repetitions: none of 3 quantities is off" in attrs(result)["summary"]


def test_a_right_discrete_posterior_passes_ties_and_all():
    result = calibrated(urn, method="auto", repetitions=20)
    assert attrs(result)["method"] == "enumerate"
    labels = ["which", "seen[0]", "seen[1]", "log_likelihood"]
    assert result["quantity"].values.tolist() == labels
    assert set(result["verdict"].values) == {"passes"}


def test_nothing_is_off_when_the_prior_stands_for_itself():
    result = calibrated(level, evidence=(), method="auto", repetitions=20, draws=20)
    assert attrs(result)["method"] == "prior"
    assert result["quantity"].values.tolist() == ["z", *(f"e[{k}]" for k in range(4))]
    assert set(result["verdict"].values) == {"passes"}


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
def test_a_gradient_engine_is_calibrated_like_any_other():
    result = calibrated(level, method="nuts", repetitions=2, draws=40, chains=1)
    assert ((result["rank"] > 0) & (result["rank"] < 1)).all()
    assert (result["ranked"] <= 40).all()


def test_a_width_that_is_wrong_is_told_as_it_is():
    # Inferring with noise s where it is 1: (z - m)/sd has this variance over truths and data.
    s = 0.5
    result = calibrated(partial(level, noise=s), truth=level, repetitions=30, draws=100)
    precision = 1 + 4 / s**2
    gain = 4 / s**2 / precision
    spread = np.sqrt(((1 - gain) ** 2 + gain**2 / 4) * precision)
    found, error = of(result, "spread", "z"), of(result, "spread_mcse", "z")
    assert abs(found - spread) < 4 * error
    assert result["verdict"].sel(quantity="z") == "off"
    assert "on data of level" in attrs(result)["summary"]
    assert "z (bias" in attrs(result)["summary"]


def test_a_posterior_that_lies_too_high_is_told_as_it_is():
    result = calibrated(partial(level, offset=-1.0), truth=level, repetitions=20, draws=100)
    # The data look higher by 1 than they are: the posterior by 4/5, in sds of 1/sqrt(5).
    bias, error = of(result, "bias", "z"), of(result, "bias_mcse", "z")
    assert abs(bias + 4 / np.sqrt(5)) < 4 * error
    assert result["verdict"].sel(quantity="z") == "off"


def test_only_the_likelihood_notices_that_the_data_are_ignored():
    result = calibrated(partial(level, heed=0.0, noise=2**0.5), truth=level, repetitions=20)
    # To a world that ignores them the data are equally likely, whatever the draw: no quantity.
    found = result["verdict"].to_series().to_dict()
    assert found == {"z": "passes", "log_likelihood_truth": "off"}
    assert attrs(result)["constant"] == ["log_likelihood"]


def test_only_the_likelihood_notices_an_engine_that_returns_the_prior(engine):
    def prior(number, sample):
        tree = sample()
        z = np.random.default_rng(number).normal(size=tree["posterior"]["z"].shape)
        tree["posterior"] = (
            tree["posterior"].to_dataset().assign(z=(("chain", "draw"), z.astype(np.float32)))
        )
        return tree

    engine(prior)
    result = calibrated(level, repetitions=20)
    found = result["verdict"].to_series().to_dict()
    assert found == {"z": "passes", "log_likelihood": "off"}


def test_the_same_seed_gives_the_same_study_and_a_longer_one_begins_with_it():
    options = {"draws": 25, "chains": 2}
    short, again, other = (
        calibrated(level, repetitions=4, seed=seed, **options) for seed in (1, 1, 2)
    )
    longer = calibrated(level, repetitions=6, seed=1, **options)
    assert short.drop_attrs().identical(again.drop_attrs())
    assert np.array_equal(short["rank"], longer["rank"][:4])
    assert not np.isin(short["rank"], other["rank"]).any()


@pytest.mark.slow
def test_processes_give_the_same_bits():
    here = calibrated(zoo.load("gaussian").world, repetitions=6)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = calibrated(zoo.load("gaussian").world, repetitions=6, executor=pool)
        with pytest.raises(cm.CounterfactualError, match="a worker cannot import"):
            calibrated(lambda disciple: level(disciple), executor=pool)
    assert here.drop_attrs().identical(there.drop_attrs())


def test_the_callers_random_numbers_and_threads_stay():
    def state():
        own = np.random.get_state()  # noqa: NPY002 (a world may use it, and it must stay)
        states = torch.get_rng_state().tolist(), own[1].tolist(), own[2], random.getstate()
        return (*states, torch.get_num_threads())

    before = state()
    calibrated(level, repetitions=2, draws=20)
    assert state() == before


def test_failures_are_left_out_and_owned_up_to(engine):
    def fail(number, sample):
        if number in (1, 4):
            raise cm.EvidenceError(f"no draw fits, number {number}")
        return sample()

    engine(fail)
    with pytest.warns(cm.ImpactWarning, match="2 of 12 .* left out.*no draw fits, number 1"):
        result = calibrated(level, repetitions=12)
    failed = (result["status"] == "failed").values
    assert np.flatnonzero(failed).tolist() == [1, 4]
    assert result["rank"].isnull().all("quantity").values.tolist() == failed.tolist()
    assert (result["ranked"].values[failed] == 0).all()
    assert result["message"].values[4] == "EvidenceError: no draw fits, number 4"
    assert attrs(result)["failed"] == 2
    assert "10 repetitions" in attrs(result)["summary"]
    assert "2 failed" in attrs(result)["summary"]


def test_when_all_fails_it_stops_and_says_why(engine):
    begun = []

    def fail(number, sample):
        begun.append(number)
        raise RuntimeError("singular matrix")

    engine(fail)
    with pytest.raises(
        cm.WorldError, match="first 10 repetitions failed, with RuntimeError: sing"
    ):
        calibrated(level, repetitions=500)
    assert len(begun) == 10
    with pytest.raises(cm.WorldError, match="first 2 repetitions failed"):
        calibrated(level, repetitions=2)


def test_one_success_is_no_study(engine):
    def fail(number, sample):
        if number:
            raise RuntimeError("singular matrix")
        return sample()

    engine(fail)
    with pytest.raises(cm.WorldError, match=r"2 of 3 repetitions failed.*singular matrix"):
        calibrated(level, repetitions=3, draws=20)


def test_warnings_of_the_engine_are_counted_and_others_shown_once(engine):
    def warn(number, sample):
        warnings.warn("a matter of style", FutureWarning, stacklevel=1)
        if number == 2:
            warnings.warn("R-hat is 2", cm.ImpactWarning, stacklevel=1)
        return sample()

    engine(warn)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = calibrated(level, repetitions=5)
    assert [(w.category, str(w.message)) for w in caught] == [(FutureWarning, "a matter of style")]
    assert result["status"].values.tolist() == ["ok", "ok", "warned", "ok", "ok"]
    assert result["message"].values.tolist() == ["", "", "R-hat is 2", "", ""]
    assert np.isfinite(result["rank"]).all()
    assert "; 1 warned." in attrs(result)["summary"]


def test_interrupted_it_keeps_what_is_finished(engine):
    def interrupt(number, sample):
        if number == 5:
            raise KeyboardInterrupt
        return sample()

    engine(interrupt)
    with pytest.warns(cm.ImpactWarning, match="interrupted: 5 of 40"):
        result = calibrated(level)
    assert result["repetition"].values.tolist() == [0, 1, 2, 3, 4]
    assert attrs(result)["interrupted"] is True


def test_an_engine_that_keeps_its_chains_does_not_swallow_the_interruption(engine):
    def half(number, sample):
        tree = sample()
        if number == 3:
            tree.attrs["interrupted"] = "true"
        return tree

    engine(half)
    with pytest.warns(cm.ImpactWarning, match="interrupted: 3 of 40"):
        calibrated(level)
    engine(lambda number, sample: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        calibrated(level)


def test_ranks_among_few_draws_are_doubted():
    with pytest.warns(cm.ImpactWarning, match=r"among \d independent draws .*Take more draws"):
        calibrated(level, evidence=(), method="prior", repetitions=3, draws=4, chains=2)


def test_labels_are_at_their_own_elements():
    def field(disciple, loc):
        with pyro.plate("city", 2, dim=-1), pyro.plate("year", 3, dim=-2):
            z = pyro.sample("z", dist.Normal(loc, 1.0))
        cm.measure("y", cm.wire(disciple, idle=0.0)(z.sum((-1, -2))))

    moved = torch.zeros(3, 2)
    moved[2, 0] = 3.0
    result = calibrated(
        partial(field, loc=torch.zeros(3, 2)),
        evidence=(),
        method="prior",
        truth=partial(field, loc=moved),
        repetitions=12,
        coords={"city": ["paris", "rome"], "year": [1990, 2000, 2010]},
    )
    assert result["quantity"].values[0] == "z[1990, paris]"
    assert result["quantity"].values[np.argmax(result["bias"].values)] == "z[2010, paris]"
    assert of(result, "bias", "z[2010, paris]") > 2
    assert result["verdict"].sel(quantity="z[2010, paris]") == "off"


def test_what_never_varies_is_no_quantity():
    def world(disciple):
        root = pyro.sample("root", dist.LKJCholesky(2, 1.0))
        cm.measure("y", cm.wire(disciple, idle=0.0)(root[..., 1, 0]))

    result = calibrated(world, evidence=(), method="prior", repetitions=5)
    assert result["quantity"].values.tolist() == ["root[1, 0]", "root[1, 1]"]
    assert attrs(result)["constant"] == ["root[0, 0]", "root[0, 1]"]


def test_a_study_can_be_kept(tmp_path):
    result = calibrated(level, repetitions=3)
    for ending in (".nc", ".zarr"):
        path = inference.save(
            xr.DataTree.from_dict({"calibration": result}), tmp_path / f"study{ending}"
        )
        again = inference.load(path)["calibration"].to_dataset()
        assert again["verdict"].values.tolist() == result["verdict"].values.tolist()
        assert np.array_equal(again["rank"], result["rank"])
        assert attrs(again)["summary"] == attrs(result)["summary"]


def test_evidence_may_be_a_dict_of_which_the_names_count():
    example = zoo.load("factory")
    named, given = (
        inference.calibrate(example.world, evidence, method="importance", repetitions=2, draws=50)
        for evidence in ("orders", example.evidence)
    )
    assert named.drop_attrs().identical(given.drop_attrs())


def observing(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(z, 1.0), obs=torch.tensor(2.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


def believing(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.factor("belief", -(z**2))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


def scaled(disciple):
    with pyro.poutine.scale(scale=2.0):
        z = pyro.sample("z", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(z, 1.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


def known(disciple):
    pyro.sample("e", dist.Normal(0.0, 1.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(torch.zeros(())))


def fewer_looks(disciple):
    z = pyro.sample("z", dist.Normal(0.0, 1.0))
    with pyro.plate("look", 3):
        pyro.sample("e", dist.Normal(z, 1.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


def clashing(disciple):
    z = pyro.sample("log_likelihood", dist.Normal(0.0, 1.0))
    pyro.sample("e", dist.Normal(z, 1.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(z))


@pytest.mark.parametrize(
    ("world", "options", "message"),
    [
        (observing, {}, "the world observes 'e' itself .* name it in evidence"),
        (believing, {"evidence": ()}, "the world observes 'belief' itself"),
        (level, {"truth": observing}, "the world of truth= observes 'e' itself"),
        (level, {"evidence": ["ee"]}, "Did you mean 'e'"),
        (level, {"evidence": ["X"]}, "names the switch"),
        (level, {"evidence": ["y"]}, "'y', which is computed"),
        (level, {"evidence": [3]}, "got evidence that names 3"),
        (zoo.load("gaussian").world, {"evidence": ["w"]}, "after the switch of the world"),
        (scaled, {}, "'z' is scaled or masked"),
        (known, {}, "nothing to rank: beside the evidence"),
        (level, {"truth": known}, "none of the same name|shape"),
        (level, {"truth": fewer_looks}, r"'e' has shape \(4,\) in the world and \(3,\)"),
        (clashing, {}, "a latent 'log_likelihood', a name"),
        (level, {"repetitions": 1}, "repetitions=1; expected a whole number of at least 2"),
        (level, {"draws": 0}, "draws=0"),
        (level, {"chains": 1.5}, "chains=1.5"),
        (level, {"executor": 4}, "got an executor of type int"),
        (level, {"method": "nutz"}, "first 10 repetitions failed.*Did you mean 'nuts'"),
        (level, {"coords": {"loo": range(4)}}, "Did you mean 'look'"),
        ("level", {}, "expected a function that takes the disciple"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(world, options, message):
    with pytest.raises(cm.CounterfactualError, match=message):
        calibrated(world, **options)
