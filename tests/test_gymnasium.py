"""Is an environment of Gymnasium the same as a world as when it is played by itself?"""

import sys

import numpy as np
import pyro.distributions as dist
import pytest
import torch

import counterfactual_models as cm
import inference
from counterfactual_models.environments import from_gymnasium
from counterfactual_models.environments.episodes import Beginning, Episodes
from counterfactual_models.environments.seeds import Seeds
from counterfactual_models.environments.start_states import place
from counterfactual_models.errors import DiscipleError, MeasurementError, WorldError
from inference import diagnostics

gym = pytest.importorskip(
    "gymnasium", reason="needs Gymnasium: pip install 'counterfactual-models[gymnasium]'"
)


def balance(seen):
    """Push the cart to where the pole falls."""
    return (seen[:, 2] + seen[:, 3] > 0).long()


def left(seen):
    return torch.zeros(len(seen)).long()


def down(seen):
    """Go down on the lake, and right along its lower shore."""
    return torch.where(seen < 12, 1, 2)


CART = {"cart": np.int64(0), "angle": 2, "length": lambda history: history.length.float()}
LAKE = {"place": lambda history: history.last.float(), "said": "prob"}
BOX = dist.Uniform(-0.05 * torch.ones(4), 0.05)


def alone(name, act, steps, *, seed, chance=None, played=(), start=None):
    """One episode, by Gymnasium alone: what was seen, and when it ended."""
    env = gym.make(name)
    seen, _ = env.reset(seed=int(seed))
    if start is not None:
        env.unwrapped.state = np.array(start, float)
        seen = np.float32(start)
    sights, over, length, info = [seen], False, 0, {}
    for step, action in enumerate([*played, *[None] * steps]):
        if step == len(played):
            sights = sights[-1:]
            if chance is not None:
                env.unwrapped.np_random = gym.utils.seeding.np_random(int(chance))[0]
        if not over:
            action = act(seen) if action is None else action
            seen, _, ended, cut, info = env.step(action)
            over, length = ended or cut, length + (step >= len(played))
        sights.append(seen)
    env.close()
    return np.array(sights), length, info


def drawn(world, evidence, disciples, *, draws=20, **options):
    past = inference.sample_posterior(world, evidence, draws=draws, progress=False)
    return inference.sample_worlds(world, past, disciples, progress=False, **options)


def flat(tree, name, disciple):
    return tree["predictions"][name].sel(disciple=disciple).values.ravel()


@pytest.fixture(scope="module")
def cart():
    return drawn(
        from_gymnasium("CartPole-v1", steps=40, idle=0, measures=CART),
        {},
        {"balance": balance, "left": left},
        draws=50,
    )


@pytest.fixture(scope="module")
def lake():
    world = from_gymnasium("FrozenLake-v1", steps=20, idle=0, measures=LAKE)
    return drawn(world, {}, {"down": down}, draws=150)


@pytest.mark.parametrize(
    ("disciple", "act"), [("erased", lambda o: 0), ("balance", lambda o: int(o[2] + o[3] > 0))]
)
def test_the_cart_does_in_a_world_what_it_does_alone(cart, disciple, act):
    seeds = cart["posterior"]["seed"].values.ravel()
    for draw in range(0, 200, 17):
        sights, length, _ = alone("CartPole-v1", act, 40, seed=seeds[draw])
        assert flat(cart, "length", disciple)[draw] == length
        assert flat(cart, "cart", disciple)[draw] == sights[-1][0]
        assert flat(cart, "angle", disciple)[draw] == sights[-1][2]


@pytest.mark.parametrize(
    ("disciple", "act"), [("erased", lambda o: 0), ("down", lambda o: 1 if o < 12 else 2)]
)
def test_the_lake_does_in_a_world_what_it_does_alone(lake, disciple, act):
    seeds, chances = lake["posterior"]["seed"].values.ravel(), flat(lake, "chance", disciple)
    for draw in range(0, 600, 53):
        told = alone("FrozenLake-v1", act, 20, seed=seeds[draw], chance=chances[draw])
        assert flat(lake, "place", disciple)[draw] == told[0][-1]
        assert flat(lake, "said", disciple)[draw] == pytest.approx(told[2]["prob"])


def test_coarse_graining_of_the_lake_is_what_its_table_of_transitions_says(lake):
    table = gym.make("FrozenLake-v1").unwrapped.P
    laws = []
    for act in (lambda s: 0, lambda s: 1 if s < 12 else 2):
        law = np.eye(16)[0]
        for _ in range(20):
            after = np.zeros(16)
            for state in range(16):
                for chance, to, _, _ in table[state][act(state)]:
                    after[to] += law[state] * chance
            law = after
        laws.append(law)
    true = abs(laws[0] - laws[1]).sum() / 2
    found = diagnostics.coarse_graining(lake).sel(disciple="down", measurement="place")
    assert abs(found["tv"] - true) < 4 * found["mcse"]
    assert lake.attrs["vectorised"] == '{"erased": "plate", "down": "plate"}'


def test_a_disciple_that_does_what_happens_anyway_has_no_impact(cart):
    found = diagnostics.coarse_graining(cart).sel(disciple="left")
    # The cart is a function of its seed, which both worlds share.
    np.testing.assert_array_equal(found["tv"], 0.0)
    assert (diagnostics.coarse_graining(cart).sel(disciple="balance")["lower"] > 0.5).all()


@pytest.mark.parametrize("name", ["CartPole-v1", "FrozenLake-v1", "Pendulum-v1", "Blackjack-v1"])
def test_a_batch_of_draws_is_its_draws_one_by_one(name):
    box = name == "Pendulum-v1"
    world = from_gymnasium(name, steps=25, idle=[0.5] if box else 1)
    seeds = np.arange(70)

    def history(rows, count):
        with Episodes(world.source.make, count, place) as envs:
            past = envs.begin(rows, world.known.played)
            return envs.go_on(past, rows.chance, policy, 25)

    def policy(seen):
        if box:
            return 2 * seen[:, :1]
        first = seen[0] if isinstance(seen, tuple) else seen
        return (first.reshape(len(first), -1)[:, -1] > 0).long()

    every = Beginning(seeds, None, seeds + 100)
    whole = history(every, 70)
    for draw in (0, 1, 33, 69):
        one = history(every.rows(draw, draw + 1), 1)
        for field in ("actions", "rewards", "length", "terminated", "truncated"):
            assert torch.equal(getattr(one, field)[0], getattr(whole, field)[draw])
        for mine, theirs in zip(leaves(one), leaves(whole), strict=True):
            assert torch.equal(mine[0], theirs[draw])


def leaves(history):
    seen = history.observations
    return seen if isinstance(seen, tuple) else (seen,)


def test_after_the_end_nothing_happens_any_more():
    world = from_gymnasium("CartPole-v1", steps=40, idle=0)
    with Episodes(world.source.make, 8, place) as envs:
        past = envs.begin(Beginning(np.arange(8)), world.known.played)
        history = envs.go_on(past, None, left, 40)
    assert history.length.max() < 12 and history.terminated.all()
    assert torch.equal(history.rewards.sum(1), history.length.double())
    for draw, length in enumerate(history.length.tolist()):
        after = history.observations[draw, length:]
        assert torch.equal(after, after[:1].expand_as(after))
    assert torch.equal(history.lasting.sum(1), history.length)


def test_a_time_limit_cuts_an_episode_off_and_does_not_end_it():
    arguments = {"max_episode_steps": 5}
    world = from_gymnasium("CartPole-v1", steps=40, idle=0, arguments=arguments)
    with Episodes(world.source.make, 2, place) as envs:
        past = envs.begin(Beginning(np.arange(2)), world.known.played)
        history = envs.go_on(past, None, left, 40)
    assert history.length.tolist() == [5, 5]
    assert history.truncated.all() and not history.terminated.any()


def test_shared_noise_is_the_environments_own():
    world = from_gymnasium("FrozenLake-v1", steps=20, idle=1, measures=LAKE)
    always = {"always": lambda seen: torch.ones_like(seen)}
    shared = drawn(world, {}, always, coupling="shared")
    for name in ("chance", "place"):
        one, other = (flat(shared, name, who) for who in ("erased", "always"))
        np.testing.assert_array_equal(one, other)
    apart = drawn(world, {}, always)
    assert (flat(apart, "place", "erased") != flat(apart, "place", "always")).any()


def test_without_renewal_the_seed_is_all_there_is():
    world = from_gymnasium("FrozenLake-v1", steps=20, idle=0, measures=LAKE, renew=False)
    tree = drawn(world, {"seed": 11}, {"down": down})
    assert "chance" not in tree["predictions"]
    sights, _, _ = alone("FrozenLake-v1", lambda o: 1 if o < 12 else 2, 20, seed=11)
    np.testing.assert_array_equal(flat(tree, "place", "down"), sights[-1])


def test_a_start_is_put_where_evidence_says():
    start = [0.01, -0.02, 0.03, 0.04]
    world = from_gymnasium("CartPole-v1", steps=30, idle=0, measures=CART, start=BOX)
    tree = drawn(world, {"start": start}, {"balance": balance})
    sights, length, _ = alone("CartPole-v1", lambda o: 0, 30, seed=0, start=np.float32(start))
    np.testing.assert_array_equal(flat(tree, "length", "erased"), length)
    np.testing.assert_allclose(flat(tree, "angle", "erased"), sights[-1][2], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("Pendulum-v1", dist.Normal(torch.zeros(2), 1.0)),
        ("Acrobot-v1", dist.Normal(torch.zeros(4), 0.1)),
        ("MountainCar-v0", dist.Uniform(torch.tensor([-0.6, 0.0]), torch.tensor([-0.4, 0.01]))),
        ("FrozenLake-v1", dist.Categorical(torch.eye(16)[14])),
        ("CliffWalking-v1", dist.Categorical(torch.eye(48)[30])),
        ("Taxi-v4", dist.Categorical(torch.eye(500)[321])),
    ],
)
def test_classic_control_and_toy_text_can_be_put_into_a_state(name, start):
    idle = [0.0] if name == "Pendulum-v1" else 0
    world = from_gymnasium(name, steps=3, idle=idle, start=start)
    state = world.known.start.sample()[None].numpy()
    with Episodes(world.source.make, 1, place) as envs:
        seen = envs.begin(Beginning(np.zeros(1, int), state), world.known.played).seen()[0]
    if name == "Pendulum-v1":
        angle = torch.from_numpy(state[:, 0])
        torch.testing.assert_close(seen[:, :2], torch.stack([angle.cos(), angle.sin()], -1))
    elif name == "Acrobot-v1":
        torch.testing.assert_close(seen[0, 0], torch.tensor(state[0, 0]).cos())
    else:
        np.testing.assert_array_equal(seen, state.astype(seen.numpy().dtype))


def test_what_was_seen_weighs_the_seeds_that_there_are():
    played, blur = [0, 1, 1], 0.02
    sights = [seeing(seed, played) for seed in range(50)]
    seen = sights[7] + blur * np.random.default_rng(0).standard_normal(sights[7].shape)
    heights = np.array([-((seen - each) ** 2).sum() / (2 * blur**2) for each in sights])
    weights = np.exp(heights - heights.max())
    weights /= weights.sum()
    world = from_gymnasium(
        "CartPole-v1", steps=10, idle=0, measures=CART, played=played, blur=blur, seeds=50
    )
    past = inference.sample_posterior(
        world, {"seen": np.float32(seen)}, "enumerate", draws=100, progress=False
    )
    found = np.bincount(past["posterior"]["seed"].values.ravel(), minlength=50) / 400
    np.testing.assert_allclose(found, weights, atol=4 * np.sqrt(0.25 / 400))
    tree = inference.sample_worlds(world, past, {"balance": balance}, progress=False)
    seeds = past["posterior"]["seed"].values.ravel()
    for draw in (0, 199, 399):
        told, *_ = alone("CartPole-v1", lambda o: 0, 10, seed=seeds[draw], played=played)
        assert flat(tree, "angle", "erased")[draw] == told[-1][2]


def seeing(seed, played):
    env = gym.make("CartPole-v1")
    sights = [env.reset(seed=int(seed))[0], *(env.step(action)[0] for action in played)]
    env.close()
    return np.array(sights)


def test_what_was_seen_of_places_is_evidence_too():
    seen = [0, 4, 8]  # down, and down again, with chance 1/9
    world = from_gymnasium(
        "FrozenLake-v1", steps=1, idle=0, measures=LAKE, played=[1, 1], blur=1e-4
    )
    tree = drawn(world, {"seen": seen}, {"down": down}, draws=75)
    # From place 8: left stays or slides to 4 or 12, each with chance 1/3.
    counts = np.bincount(flat(tree, "place", "erased").astype(int), minlength=16) / 300
    np.testing.assert_allclose(counts[[4, 8, 12]], 1 / 3, atol=4 * np.sqrt(2 / 9 / 300))
    assert tree["posterior"]["seed"].size == 300


def test_evidence_of_sights_has_scores_and_a_start_has_none():
    options = {"steps": 12, "idle": 0, "measures": CART}
    seen = np.float32(seeing(3, [0, 1]))
    policies = {"balance": balance}
    world = from_gymnasium("CartPole-v1", played=[0, 1], blur=0.05, **options)
    tree = inference.with_scores(world, drawn(world, {"seen": seen}, policies), policies)
    # Of a Normal: d/de log p = -(e - mean) / sd^2, and the mean is what the seed shows.
    seed = tree["posterior"]["seed"].values.ravel()[5]
    expected = (seeing(seed, [0, 1]) - seen) / 0.05**2
    scores = next(iter(tree["evidence_scores"].data_vars.values())).values
    np.testing.assert_allclose(scores.reshape(-1, 3, 4)[5], expected, atol=0.02)
    placed = from_gymnasium("CartPole-v1", start=BOX, **options)
    tree = drawn(placed, {"start": [0.0, 0.0, 0.0, 0.01]}, policies)
    with pytest.raises(WorldError, match="has no gradient"):
        inference.with_scores(placed, tree, policies)


def test_idling_may_be_a_policy():
    world = from_gymnasium("CartPole-v1", steps=30, idle=balance, measures=CART)
    tree = drawn(world, {}, {"balance": balance})
    for name in CART:
        np.testing.assert_array_equal(flat(tree, name, "erased"), flat(tree, name, "balance"))


class Remembering:
    """Policies with a memory, each of another kind."""

    def __init__(self, kind):
        self.kind, self.calls, self.last = kind, 0, None

    def __call__(self, seen):
        self.calls += 1
        if self.kind == "coin":
            return (torch.rand(len(seen)) < 0.5).long()
        if self.kind == "clock":
            return torch.full((len(seen),), self.calls % 2)
        before = self.last if self.last is not None and len(self.last) == len(seen) else 0.0
        self.last = seen[:, 2]
        return (seen[:, 2] > before).long()


@pytest.mark.parametrize("kind", ["clock", "last", "coin"])
def test_a_policy_with_a_memory_is_refused(kind):
    world = from_gymnasium("CartPole-v1", steps=20, idle=0, measures=CART)
    said = "does not do the same twice when it sees the same.*ActionWrapper"
    with pytest.raises(DiscipleError, match=said):
        drawn(world, {}, {kind: Remembering(kind)})
    idle = from_gymnasium("CartPole-v1", steps=20, idle=Remembering(kind), measures=CART)
    with pytest.raises(WorldError, match=said):
        drawn(idle, {}, {"left": left})


def test_a_policy_that_fails_is_told_what_it_got():
    world = from_gymnasium("CartPole-v1", steps=3, idle=0)
    said = r"'odd' failed with IndexError.*got shape \(1, 4\), dtype torch.float32, first axis = d"
    with pytest.raises(DiscipleError, match=said):
        cm.check_world(world, cm.Disciple(lambda seen: int(seen[2] > 0), name="odd"))


class Noisy(gym.Env):
    """Step by a random number; where that comes from, and what is said, differs."""

    observation_space = gym.spaces.Tuple([gym.spaces.Box(-99.0, 99.0, (1,))])
    action_space = gym.spaces.Discrete(2)

    def __init__(self, source="np_random"):
        self.source, self.buffer = source, np.zeros(1, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buffer[:] = self.np_random.random()
        if self.source == "own":
            self.own = np.random.default_rng(seed)
        if self.source == "alias":
            self.own = self.np_random
        if self.source == "global":
            np.random.seed(seed)  # noqa: NPY002
        return (self.buffer,), {}

    def step(self, action):
        own = {"np_random": self.np_random, "global": np.random}
        self.buffer += own[self.source].random() if self.source in own else self.own.random()
        won = self.buffer[0] > 3  # numpy's, as is a success of most environments
        told = {"won": won, "pair": np.array([1.0, 2.0])} if won else {"sure": won}
        return (self.buffer,), 0.0, bool(won), False, told


def still(seen):
    return torch.zeros(len(seen[0])).long()


PLACE = {"place": lambda history: history.last[0][:, 0]}


@pytest.mark.parametrize(("source", "said"), [("own", "self.own"), ("global", "numpy.random")])
def test_random_numbers_that_cannot_begin_anew_are_refused(source, said):
    def make():
        return Noisy(source)

    with pytest.raises(WorldError, match=f"from {said}.*renew=False"):
        from_gymnasium(make, steps=3, idle=0)
    if source == "own":
        world = from_gymnasium(make, steps=3, idle=0, renew=False, measures=PLACE)
        assert len(set(flat(drawn(world, {"seed": 3}, {"still": still}), "place", "still"))) == 1


def test_random_numbers_by_another_name_begin_anew_as_well():
    world = from_gymnasium(lambda: Noisy("alias"), steps=3, idle=0, measures=PLACE)
    tree = drawn(world, {"seed": 3}, {"still": still})
    assert len(set(flat(tree, "place", "still"))) == 80
    same = from_gymnasium(Noisy, steps=3, idle=0, measures=PLACE)
    other = drawn(same, {"seed": 3}, {"still": still})
    np.testing.assert_array_equal(flat(tree, "place", "still"), flat(other, "place", "still"))


def test_what_info_says_only_sometimes_needs_what_holds_otherwise():
    measures = {
        "won": lambda history: history.told("won", otherwise=0.0),
        "second": lambda history: history.told("pair", otherwise=[0.0, -1.0])[:, 1],
        **PLACE,
    }
    tree = drawn(from_gymnasium(Noisy, steps=5, idle=0, measures=measures), {}, {"still": still})
    won = flat(tree, "place", "still") > 3
    assert 0 < won.mean() < 1
    np.testing.assert_array_equal(flat(tree, "won", "still"), won)
    np.testing.assert_array_equal(flat(tree, "second", "still"), np.where(won, 2.0, -1.0))
    assert tree.attrs["vectorised"] == '{"erased": "plate", "still": "plate"}'
    for steps, name, said in (
        (1, "won", r"says nothing of 'won'.*history.told\('won', otherwise=0.0\)"),
        (60, "pair", r"says 2 numbers of 'pair' at once; give a function"),
        (5, "won", r"history.told\('won'"),
    ):
        world = from_gymnasium(Noisy, steps=steps, idle=0, measures={"odd": name})
        with pytest.raises(MeasurementError, match=said):
            drawn(world, {}, {"still": still})


def test_several_environments_in_one_are_refused():
    with pytest.raises(WorldError, match="got 3 environments in one"):
        from_gymnasium(lambda: gym.make_vec("CartPole-v1", num_envs=3), steps=3, idle=0)


def test_a_number_where_a_row_is_asked_for_is_spelled_out():
    with pytest.raises(WorldError, match=r"Or give \[0.0\]"):
        from_gymnasium("Pendulum-v1", steps=3, idle=0)


class Walk(gym.Env):
    """Walk to the right in the dark, one place a step; the end is at three."""

    opened = closed = 0

    def __init__(self, seen=None, broken=""):
        self.observation_space = seen or gym.spaces.Dict(
            place=gym.spaces.Box(-9.0, 9.0, (2,)), lamp=gym.spaces.Discrete(2)
        )
        self.action_space = gym.spaces.Discrete(3, start=-1)
        self.broken, self.episodes = broken, 0
        Walk.opened += 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes += 1
        self.at = 0.01 * self.np_random.random()
        return self._see(), {"episodes": self.episodes, "who": "walker"}

    def step(self, action):
        self.at += float(action)
        if self.broken == "moody":
            self.at += 0.1 * np.random.random()  # noqa: NPY002
        if self.broken == "tired":
            self.at -= 0.1 * self.episodes
        told = {"at": self.at, "who": "walker"} if self.at > 1 else {}
        return self._see(), 1.0, self.at >= 3, False, told

    def _see(self):
        return {"place": np.float32([self.at, -self.at]).clip(-9, 9), "lamp": int(self.at > 1)}

    def close(self):
        Walk.closed += 1


def walker(seen):
    return torch.ones_like(seen["lamp"])


def test_observations_may_be_a_dict_and_actions_begin_below_zero():
    world = from_gymnasium(
        Walk,
        steps=6,
        idle=0,
        measures={"at": lambda h: h.last["place"][:, 0], "length": lambda h: h.length.float()},
        sight=lambda seen: seen["place"][:, 0],
        blur=0.1,
    )
    tree = drawn(world, {"seen": [0.005]}, {"walker": walker})
    assert set(flat(tree, "length", "walker")) == {3.0}
    assert flat(tree, "at", "erased").max() < 0.011 < 3 <= flat(tree, "at", "walker").min()


def test_environments_are_closed_whatever_happens():
    world = from_gymnasium(Walk, steps=2, idle=0)
    assert Walk.opened == Walk.closed
    drawn(world, {}, {"walker": walker})
    assert Walk.opened == Walk.closed
    with pytest.raises(DiscipleError, match="no action of Discrete"):
        drawn(world, {}, {"wild": lambda seen: 7 * walker(seen)})
    assert Walk.opened == Walk.closed


def test_random_states_are_left_as_they_were():
    before = np.random.get_state()[1].copy(), torch.get_rng_state()  # noqa: NPY002
    world = from_gymnasium("FrozenLake-v1", steps=3, idle=0)
    drawn(world, {}, {"down": down})
    assert np.array_equal(before[0], np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(before[1], torch.get_rng_state())


@pytest.mark.parametrize(
    ("broken", "said"), [("moody", "same twice"), ("tired", "from one episode to the next")]
)
def test_an_environment_that_is_no_function_of_its_seed_is_refused(broken, said):
    with pytest.raises(WorldError, match=said):
        from_gymnasium(lambda: Walk(broken=broken), steps=3, idle=0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"idle": 2}, "idle gave 2, which is no action of Discrete"),
        ({"idle": 0.5}, "idle gave 0.5, which is no action"),
        ({"idle": "rest"}, "idle gave 'rest'; expected actions"),
        ({"idle": [0, 1]}, "actions of shape"),
        ({"steps": 0}, "got steps=0"),
        ({"seeds": 0}, "got seeds=0"),
        ({"played": [0, 2]}, "played gave 2"),
        ({"played": 1}, "got played of shape"),
        ({"blur": 0.0}, "got blur=0.0"),
        ({"blur": float("nan")}, "got blur=nan"),
        ({"start": 3.0}, "expected a distribution"),
        ({"start": dist.Normal(torch.zeros(3), 1.0)}, "a start has shape"),
        ({"measures": {}}, "expected a dict"),
        ({"measures": {"seed": 0}}, "a measure is called 'seed'"),
        ({"measures": {"angle": 2.5}}, "measure 'angle' is 2.5"),
    ],
)
def test_bad_options_are_refused(options, said):
    with pytest.raises((WorldError, MeasurementError), match=said):
        from_gymnasium("CartPole-v1", **{"steps": 3, "idle": 0} | options)


@pytest.mark.parametrize(
    ("measure", "said"),
    [
        ("speed", "info says nothing of 'speed'"),
        (7, "which has 4 numbers"),
        (lambda history: history.rewards.sum(), r"gave shape \(\) for 1 draws"),
        (lambda history: history.rewards.sum(1) / 0, "is inf in some draw"),
    ],
)
def test_a_measure_that_cannot_be_taken_is_refused(measure, said):
    world = from_gymnasium("CartPole-v1", steps=3, idle=0, measures={"odd": measure})
    with pytest.raises(MeasurementError, match=said):
        cm.check_world(world, left)


def test_what_info_said_last_is_kept_and_what_it_never_said_is_refused():
    asked = {"at": "at"}
    world = from_gymnasium(Walk, steps=6, idle=1, measures=asked)
    tree = drawn(world, {}, {"walker": walker})
    assert flat(tree, "at", "walker").min() >= 3
    silent = from_gymnasium(Walk, steps=6, idle=0, measures=asked)
    with pytest.raises(MeasurementError, match="says nothing of 'at'"):
        cm.check_world(silent, walker)


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (lambda seen: 3, "gave 3, which is no action"),
        (lambda seen: None, "expected actions: numbers of Discrete"),
        (lambda seen: balance(seen)[:, None], "expected"),
        (lambda seen: balance(seen) + float("nan"), "gave nan"),
    ],
)
def test_a_disciple_that_does_what_cannot_be_done_is_refused(policy, said):
    world = from_gymnasium("CartPole-v1", steps=3, idle=0)
    with pytest.raises(DiscipleError, match=said):
        cm.check_world(world, cm.Disciple(policy, name="odd"))


def test_a_policy_that_mixes_draws_is_run_draw_by_draw():
    world = from_gymnasium("CartPole-v1", steps=20, idle=0, measures=CART)
    crowd = {"crowd": lambda seen: (seen[:, 2] >= seen[:, 2].mean()).long()}
    tree = drawn(world, {}, crowd, draws=10)
    assert "loop" in tree.attrs["vectorised"]
    np.testing.assert_array_equal(flat(tree, "length", "crowd") < 12, True)  # always right


def test_an_environment_without_a_state_asks_how_to_place_it():
    start = dist.Normal(torch.zeros(1), 1.0)
    with pytest.raises(WorldError, match="has no attribute 'state' or 's'"):
        from_gymnasium(Walk, steps=3, idle=0, start=start)

    def there(environment, state):
        environment.unwrapped.at = float(state[0])
        return environment.unwrapped._see()

    asked = {"at": lambda history: history.last["place"][:, 0]}
    world = from_gymnasium(Walk, steps=3, idle=0, start=start, place=there, measures=asked)
    tree = drawn(world, {"start": [0.5]}, {"walker": walker})
    assert set(flat(tree, "at", "erased")) == {0.5}


def test_a_wrapper_that_changes_what_is_seen_asks_how_to_place_it():
    def wrapped():
        env = gym.make("CartPole-v1")
        space = gym.spaces.Box(-np.inf, np.inf, (4,))
        return gym.wrappers.TransformObservation(env, lambda seen: 2 * seen, space)

    assert from_gymnasium(wrapped, steps=3, idle=0).__name__ == "CartPoleEnv"
    with pytest.raises(WorldError, match="give a function: place"):
        from_gymnasium(wrapped, steps=3, idle=0, start=BOX)


def test_a_world_can_be_sent_to_another_process():
    cloudpickle = pytest.importorskip("cloudpickle", reason="needs the extra 'scale'")
    world = from_gymnasium("CartPole-v1", steps=3, idle=0, measures=CART, start=BOX)
    again = cloudpickle.loads(cloudpickle.dumps(world))
    assert list(cm.check_world(again, left).sites) == ["seed", "start", "chance", *CART]


def test_a_misspelled_name_is_answered_with_the_nearest():
    with pytest.raises(WorldError, match="Did you mean 'CartPole-v1'"):
        from_gymnasium("CartPol-v1", steps=3, idle=0)
    with pytest.raises(WorldError, match="expected an environment of Gymnasium"):
        from_gymnasium(dict, steps=3, idle=0)


def test_without_gymnasium_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(WorldError, match=r"counterfactual-models\[gymnasium\]"):
        from_gymnasium("CartPole-v1", steps=3, idle=0)


def test_large_observations_are_held_few_at_a_time():
    space = gym.spaces.Box(0, 255, (1000, 1000, 3), np.uint8)
    world = from_gymnasium("CartPole-v1", steps=3, idle=0)
    big = type(world.source)("big", Walk, None, space, {})
    assert (world.source.abreast(100), big.abreast(10), big.abreast(1000)) == (64, 2, 1)


def test_seeds_are_all_equally_likely():
    few = Seeds(5).expand((2, 1000))
    counts = np.bincount(few.sample().flatten().numpy(), minlength=5) / 2000
    np.testing.assert_allclose(counts, 0.2, atol=4 * np.sqrt(0.16 / 2000))
    assert few.enumerate_support().shape == (5, 2, 1000)
    assert Seeds(5).log_prob(torch.tensor(5)) == -torch.inf
    with pytest.raises(NotImplementedError):
        Seeds(2**31).enumerate_support()
