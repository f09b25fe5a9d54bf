"""Do drawn worlds tell what dynamic programming does, and is what cannot be compared refused?"""

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from peers.small_worlds import chain, dynamics, plan, random_dynamics

from counterfactual_models.errors import (
    CounterfactualError,
    DiscipleError,
    MeasurementError,
    WorldError,
)
from inference import peers, penalties

BASELINES = ("start", "inaction", "stepwise")
MEASURES = {
    "state_difference": peers.state_difference,
    "unreachability": peers.unreachability,
    "relative_reachability": peers.relative_reachability,
    "attainable_utility": peers.attainable_utility,
    "utility_preservation": peers.utility_preservation,
}
DIMS = ["disciple", "chain", "draw", "step"]
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def walked(world, policies, *, draws=2000, seed=0, futures=None):
    """Draw trajectories: {disciple: policy (step, state, action)}; the erased one is idle."""
    random = np.random.default_rng(seed)
    steps, states, actions = next(iter(policies.values())).shape
    idle = np.broadcast_to(np.eye(actions)[world.idle], (steps, states, actions))
    paths = []
    for policy in (idle, *policies.values()):
        place = np.full(4 * draws, world.start)
        path = [place]
        for chosen in policy:
            law = np.einsum("na,nat->nt", chosen[place], world.transitions[place])
            drawn = random.random((len(place), 1)) > law.cumsum(axis=1)
            place = drawn.sum(axis=1).clip(max=states - 1)
            path.append(place)
        paths.append(np.stack(path, axis=-1).reshape(4, draws, steps + 1))
    return xr.Dataset(
        {"trajectory": (DIMS, np.stack(paths).astype(np.float32), {"role": "future"})},
        coords={"disciple": ["erased", *policies]},
    )


def measured(laws, *, draws=2000, seed=0):
    """Draw outcomes from {disciple: probabilities}."""
    random = np.random.default_rng(seed)
    site = [random.choice(len(law), p=law, size=(4, draws)) for law in laws.values()]
    values = np.stack(site).astype(np.float32)
    return xr.Dataset(
        {"site": (DIMS[:3], values, {"role": "measurement"})}, coords={"disciple": list(laws)}
    )


def hurricane():
    """T05: the site of a hurricane, of 16."""
    calm = np.zeros(16)
    calm[[7, 8, 6]] = 0.5, 0.25, 0.25
    laws = {"erased": calm, "cool": calm, "target": np.eye(16)[3]}
    return measured({**laws, "anywhere": np.full(16, 1 / 16)}, draws=4000)


def random_policies(seed, steps=4, states=6, actions=3):
    random = np.random.default_rng(seed)
    return {
        name: random.dirichlet(np.full(actions, 0.5), size=(steps, states))
        for name in ("one", "other")
    }


@every_measure
@pytest.mark.parametrize("baseline", BASELINES)
def test_draws_tend_to_the_exact_penalty(measure, baseline):
    world, policies = random_dynamics(7), random_policies(8)
    drawn = walked(world, policies)
    charge = measure(world, baseline=baseline)
    told = charge(drawn)
    for name, policy in policies.items():
        own = told.sel(disciple=name)
        assert own["mcse"] > 0
        assert abs(own["penalty"] - charge.exact(policy)) < 4 * own["mcse"]


@every_measure
@pytest.mark.parametrize("baseline", BASELINES)
def test_laws_of_draws_tend_to_the_exact_laws(measure, baseline):
    world, policies = random_dynamics(7), random_policies(8)
    drawn = walked(world, policies, seed=1)
    options = {"rollouts": False} if measure is peers.unreachability else {}
    charge = measure(world, baseline=baseline, average="law", **options)
    told = charge(drawn)
    for name, policy in policies.items():
        own = told.sel(disciple=name)
        assert own["floor"] >= 0
        assert abs(own["penalty"] - charge.exact(policy)) < 4 * own["mcse"] + own["floor"]


@every_measure
@pytest.mark.parametrize("over_time", ["sum", "mean", "last", "discounted"])
def test_over_time_puts_the_steps_together(measure, over_time):
    world = dynamics([[1, 2, 0], [3, 2, 1], [2, 0, 3], [3, 3, 3]])
    policy = plan(world, [1, 1, 2])
    options = {"baseline": "inaction", "discount": 0.9}
    if measure is peers.utility_preservation:
        options["wait"] = False
    last = [measure(world, over_time="last", **options).exact(policy[:n]) for n in (1, 2, 3)]
    expected = {
        "sum": sum(last),
        "mean": sum(last) / 3,
        "last": last[-1],
        "discounted": last[0] + 0.9 * last[1] + 0.81 * last[2],
    }
    found = measure(world, over_time=over_time, **options).exact(policy)
    assert found == pytest.approx(expected[over_time])


@every_measure
@pytest.mark.parametrize("baseline", BASELINES[1:])
def test_doing_nothing_is_free_in_a_certain_world(measure, baseline):
    world = chain()
    assert measure(world, baseline=baseline).exact(plan(world, [0] * 5)) == 0


@given(seed=st.integers(0, 10**6))
def test_relabelling_states_changes_no_penalty_but_that_of_other_random_utilities(seed):
    world = random_dynamics(seed)
    policy = random_policies(seed)["one"]
    order = np.random.default_rng(seed).permutation(6)
    renamed = SimpleNamespace(
        transitions=world.transitions[order][:, :, order],
        start=int(np.flatnonzero(order == 0)[0]),
        idle=0,
    )
    utilities = np.random.default_rng(1).random((6, 3))
    for measure, options, own in (
        (peers.relative_reachability, {}, {}),
        (peers.unreachability, {}, {}),
        (peers.attainable_utility, {"utilities": utilities}, {"utilities": utilities[order]}),
    ):
        found = measure(renamed, **options | own).exact(policy[:, order])
        assert found == pytest.approx(measure(world, **options).exact(policy), rel=1e-9)


@given(seed=st.integers(0, 10**6))
def test_what_is_gained_counts_only_if_it_is_asked_for(seed):
    world, policy = random_dynamics(seed), random_policies(seed)["one"]
    for measure in (peers.relative_reachability, peers.attainable_utility):
        lost = measure(world, absolute=False).exact(policy)
        assert 0 <= lost <= measure(world, absolute=True).exact(policy) + 1e-12


@given(seed=st.integers(0, 10**6))
def test_to_average_first_never_costs_more(seed):
    world, policy = random_dynamics(seed), random_policies(seed)["one"]
    for measure in (peers.state_difference, peers.relative_reachability, peers.attainable_utility):
        first = measure(world, average="law").exact(policy)
        assert first <= measure(world, average="outcomes").exact(policy) + 1e-9


def test_charges_of_actions_are_what_a_policy_is_charged():
    world, policy = random_dynamics(3), random_policies(4)["one"]
    for baseline in BASELINES:
        charge = peers.relative_reachability(world, baseline=baseline)
        charges = charge.charges(4)
        law, total = np.eye(6)[0], 0.0
        for chosen, each in zip(policy, charges, strict=True):
            total += (law[:, None] * chosen * each).sum()
            law = np.einsum("s,sa,sat->t", law, chosen, world.transitions)
        assert charge.exact(policy) == pytest.approx(total)


def test_a_hurricane_is_charged_for_its_chaos_unless_laws_are_averaged_first():
    drawn = hurricane()
    differ = {"cool": 0.625, "target": 1.0, "anywhere": 15 / 16}
    for charge, unit in (
        (peers.unreachability(), 1.0),
        (peers.state_difference(), 1.0),
        (peers.relative_reachability(), 1 / 16),
        (peers.relative_reachability(absolute=True), 2 / 16),
        (peers.attainable_utility(), 1 / 3),
        (peers.attainable_utility(absolute=False), 1 / 6),
    ):
        told = charge(drawn)
        for name, apart in differ.items():
            own = told.sel(disciple=name)
            assert abs(own["penalty"] - unit * apart) <= 4 * own["mcse"] + 1e-12
        assert told["penalty"].sel(disciple="target") == pytest.approx(unit, abs=1e-12)
    for charge, unit in (
        (peers.unreachability(average="law"), 1.0),
        (peers.relative_reachability(average="law"), 1 / 16),
    ):
        told = charge(drawn)
        cool = told.sel(disciple="cool")
        assert cool["penalty"] < 3 * cool["mcse"] + cool["floor"] < 0.05 * unit
        assert abs(told["penalty"].sel(disciple="target") - unit) < 1e-4 * unit
        # total variation to the uniform law: .25 + .125 + .125 beyond 3/16
        own = told.sel(disciple="anywhere")
        assert abs(own["penalty"] - 13 / 16 * unit) < 4 * own["mcse"] + own["floor"]


def test_the_floor_is_what_the_same_law_shows():
    shown, floors = [], []
    law = np.full(8, 1 / 8)
    charge = peers.relative_reachability(average="law", absolute=True)
    for seed in range(40):
        told = charge(measured({"erased": law, "same": law}, draws=100, seed=seed))
        floors.append(told["floor"].item())
        shown.append(told["penalty"].item())
    # Independent draws: E sum |N(0, 2 (1/8) (7/8) / n)| / 8
    expected = np.sqrt(2 / np.pi) * np.sqrt(2 * 7 / 64 / 400)
    assert np.mean(floors) == pytest.approx(expected, rel=0.1)
    assert np.mean(shown) < expected


def test_the_error_is_the_spread_of_repetitions():
    law, uniform = np.array([0.7, 0.2, 0.1]), np.full(3, 1 / 3)
    for average in ("outcomes", "law"):
        charge = peers.relative_reachability(average=average)
        told = [
            charge(measured({"erased": law, "on": uniform}, draws=200, seed=seed))
            for seed in range(60)
        ]
        spread = np.std([one["penalty"].item() for one in told], ddof=1)
        claimed = np.mean([one["mcse"].item() for one in told])
        assert claimed == pytest.approx(spread, rel=0.35)  # 60 repetitions: 9 % a standard error


def test_another_set_of_utilities_would_have_led_as_far_elsewhere_as_is_said():
    world, policies = random_dynamics(7), random_policies(8)
    drawn = walked(world, policies, draws=50)
    told = [peers.attainable_utility(world, utilities=50, seed=seed)(drawn) for seed in range(40)]
    spread = np.std([one["penalty"].values[0] for one in told], ddof=1)
    claimed = np.mean([one["utilities_mcse"].values[0] for one in told])
    assert claimed == pytest.approx(spread, rel=0.4)


def test_futures_of_a_draw_are_draws_of_one_past():
    world, policies = random_dynamics(7), random_policies(8)
    drawn = walked(world, policies, draws=100)
    split = drawn["trajectory"].values.reshape(3, 4, 50, 2, 5)
    folded = xr.Dataset(
        {"trajectory": (["disciple", "chain", "draw", "future", "step"], split)},
        coords={"disciple": drawn.disciple},
    )
    charge = peers.relative_reachability(world)
    np.testing.assert_allclose(charge(folded)["penalty"], charge(drawn)["penalty"], rtol=1e-12)


def test_a_peer_is_a_penalty_of_this_library():
    drawn = hurricane()
    charge = penalties.build({peers.relative_reachability(): 16.0, peers.unreachability(): 1.0})
    told = charge(drawn, ["target"])
    assert told["penalty"].item() == pytest.approx(2.0)
    assert told["part"].values.tolist() == [
        "relative_reachability, stepwise",
        "unreachability, stepwise",
    ]


def test_measurements_may_be_left_out():
    drawn = hurricane()
    drawn["noise"] = drawn["site"].copy(data=np.random.default_rng(0).random(drawn["site"].shape))
    told = peers.unreachability(measurements="site")(drawn, "target")
    assert told["penalty"].item() == 1
    with pytest.raises(MeasurementError, match=r"'noise' takes .* not applicable to cont"):
        peers.unreachability()(drawn)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.rename(trajectory="path"), "have no 'trajectory'"),
        (lambda w: w.isel(step=slice(1)), "the trajectory has the dims"),
        (lambda w: w + 1, "is at 4 in chain 0, draw 0, step 1; expected the place of one of 4"),
        (lambda w: w.where(w.step < 2), "is at nan in chain 0"),
        (lambda w: w + 0.5, "is at 0.5"),
        (lambda w: w.isel(step=[0, 2, 1]), "which no action leads to|does not lead"),
        (lambda w: w.isel(draw=slice(5)), "20 posterior draws"),
    ],
)
def test_trajectories_that_are_none_are_refused(change, message):
    world = chain()
    policies = {"rescue": np.eye(3)[plan(world, [1, 2])]}
    drawn = walked(world, policies, draws=20).assign_coords(step=np.arange(3))
    with pytest.raises(WorldError, match=message):
        peers.relative_reachability(world)(change(drawn))


def test_an_erased_world_that_does_not_idle_is_refused():
    world = chain()
    drawn = walked(world, {"rescue": np.eye(3)[plan(world, [1, 2])]}, draws=20)
    wrong = drawn.assign_coords(disciple=["rescue", "erased"])
    with pytest.raises(WorldError, match="'erased' goes from state 0 to 3, where the idle action"):
        peers.relative_reachability(world)(wrong)


def test_without_dynamics_there_is_no_start_and_no_policy():
    with pytest.raises(WorldError, match="'start' is not applicable without dynamics"):
        peers.unreachability(baseline="start")(hurricane())
    with pytest.raises(WorldError, match="this penalty has no dynamics"):
        peers.unreachability().exact(np.zeros((2, 2)))


def test_a_disciple_who_is_not_there_is_refused():
    with pytest.raises(DiscipleError, match="Did you mean 'target'"):
        peers.unreachability()(hurricane(), ["targett"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "inactoin"}, "Did you mean 'inaction'"),
        ({"over_time": "total"}, "got over_time='total'"),
        ({"average": "laws"}, "Did you mean 'law'"),
        ({"discount": 0}, "got discount=0"),
        ({"value_discount": 2}, "got value_discount=2"),
        ({"discount": 1.0}, "expected a discount below 1, or rollouts=False"),
    ],
)
def test_options_that_are_none_are_refused(options, message):
    with pytest.raises(CounterfactualError, match=message):
        peers.relative_reachability(chain(), **options)


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (np.full((2, 4), 3), "takes action 3 at step 0 in state 0"),
        (np.zeros((2, 3)), "expected places of actions \\(step, 4\\)"),
        (np.zeros((0, 4)), "expected places of actions"),
        (np.zeros((2, 4, 3)), "expected probabilities of actions"),
        (np.full((2, 4, 3), np.nan), "expected probabilities of actions"),
        (np.full((2, 4), 0.5), "takes action 0.5"),
        ("DD", "type <U2"),
    ],
)
def test_policies_that_are_none_are_refused(policy, message):
    with pytest.raises(WorldError, match=message):
        peers.relative_reachability(chain()).exact(policy)


def test_laws_have_no_charges_of_actions_and_pairs_no_laws():
    with pytest.raises(CounterfactualError, match="no action has a cost of its own"):
        peers.relative_reachability(chain(), average="law").charges(3)
    charge = peers.unreachability(chain(), average="law")
    with pytest.raises(CounterfactualError, match="expected rollouts=False"):
        charge.exact(plan(chain(), [0]))
