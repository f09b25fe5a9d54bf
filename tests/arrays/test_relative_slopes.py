import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from inference.arrays.blocks import widening
from inference.arrays.evidence_scales import EvidenceScale
from inference.arrays.relative_slopes import relative_slopes
from inference.arrays.score_covariance import block_slopes, squared_norms
from inference.arrays.sign_flips import random_signs
from inference.arrays.slope_products import jackknife, pair_mean, swap_probability, turned

BLOCKS = 20
SIGNS = random_signs(1000, BLOCKS)
DISTANCES = (
    "diagonal_distance",
    "trace_distance",
    "signed_distance",
    "absolute_distance",
    "log_scale",
)
# Section 6 of the research note: what the future is made of, with the disciple let in, and by how
# much it differs in each way.
GASES = {
    "null": ((0.5, 0.5), (0, 0, 0, 0, 0)),
    "benign": ((0.45, 0.45), (0, 0, 0, 0.218218, -0.304006)),
    "turbine": ((0.5, -0.5), (0, 1, 0.707107, 3.086067, 0)),
    "one side": ((1.0, 0.0), (0.5, 0.707107, 0.382683, 2.182179, 1)),
    "sign flipped": ((-0.5, -0.5), (0, 0, 1, 4.364358, 0)),
}
ELECTION = {
    "paperclip": ((0.98, 0.1), (0.000404, 0.002020, 0.001010, 0.017853, -0.057704)),
    "takeover": ((0.05, 1.2), (0.988366, 0.990032, 0.655423, 1.297408, 0.514216)),
    "subtle": ((0.9, 0.4), (0.155047, 0.313195, 0.158605, 0.282279, -0.058299)),
}


def compared(erased, let_in, signs=SIGNS, **options):
    pair = erased, let_in - erased
    return relative_slopes(lambda: [pair], erased.shape[2], signs=signs, **options)


def in_all_blocks(slopes):
    return np.tile(np.atleast_2d(slopes), (BLOCKS, 1, 1))


def in_deviations(reach, erased, blur, noise):
    """The slope of reach @ z in deviations; z ~ N(0, 1), each seen with a noise of its own."""
    spread = blur / (1 + blur)
    deviation = (np.square(erased).sum() * spread + noise) ** 0.5
    return np.array(reach) / (1 + blur) * (1 + blur) ** 0.5 / deviation


@pytest.mark.parametrize(
    ("let_in", "expected", "erased", "blur", "noise"),
    [(*row, (0.5, 0.5), 0.1, 0.05) for row in GASES.values()]
    + [(*row, (1.0, 0.1), 0.5, 0.5) for row in ELECTION.values()],
    ids=[*GASES, *ELECTION],
)
def test_the_tables_of_gases_and_presidents_are_reproduced(let_in, expected, erased, blur, noise):
    slopes = (in_deviations(reach, erased, blur, noise) for reach in (erased, let_in))
    found = compared(*(in_all_blocks(each) for each in slopes))
    for name, value in zip(DISTANCES, expected, strict=True):
        assert found[name] == pytest.approx(value, abs=1e-6), name
        if name != "log_scale" and name != "absolute_distance":
            assert found[f"{name}_plugin"] == pytest.approx(value, abs=1e-6), name
        assert found[f"{name}_mcse"] == pytest.approx(0, abs=1e-6)


def made(seed, outputs=2, data=5, effect=0.3, noise=0.3):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(2, 1, outputs, data))
    truth[1] = truth[0] + effect * truth[1]
    return truth + noise * rng.normal(size=(2, BLOCKS, outputs, data))


def plain_distances(erased, let_in):
    """The formulas, on whole matrices."""
    first, second = erased.mean(0), let_in.mean(0)
    rho = [each.T @ each / np.square(each).sum() for each in (first, second)]
    unit = [each / np.linalg.norm(each) for each in (first, second)]
    return {
        "trace_distance": 0.5 * np.abs(np.linalg.eigvalsh(rho[1] - rho[0])).sum(),
        "diagonal_distance": 0.5 * np.abs(np.diag(rho[1] - rho[0])).sum(),
        "signed_distance": 0.5 * np.linalg.norm(unit[1] - unit[0]),
        "squared_change": np.square(second - first).sum(),
    }


@given(seed=st.integers(0, 2**32), outputs=st.integers(1, 4), data=st.integers(1, 12))
def test_plugins_are_the_formulas_and_the_diagonal_never_sees_more(seed, outputs, data):
    erased, let_in = made(seed, outputs, data, noise=0.05)
    found = compared(erased, let_in)
    if not found["seen"].all():
        return
    for name, value in plain_distances(erased, let_in).items():
        assert found[f"{name}_plugin"] == pytest.approx(value, abs=1e-9)
    assert found["diagonal_distance_plugin"] <= found["trace_distance_plugin"] + 1e-9
    assert found["trace_distance"] <= 1 + 4 * found["trace_distance_mcse"] + 1e-9
    assert found["profile"].sum(axis=1) == pytest.approx(np.ones(2))


@given(seed=st.integers(0, 2**32), data=st.integers(2, 12))
def test_no_rotation_of_the_data_changes_anything_but_the_profile(seed, data):
    erased, let_in = made(seed, data=data, noise=0.1)
    axes = np.linalg.qr(np.random.default_rng(seed).normal(size=(data, data)))[0]
    one, other = compared(erased, let_in), compared(erased @ axes, let_in @ axes)
    for name, value in one.items():
        if "diagonal" not in name and "profile" not in name:
            assert other[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


def test_many_data_in_pieces_give_what_few_give():
    erased, let_in = made(0, outputs=2, data=6)
    wide = [np.pad(each, [(0, 0), (0, 0), (100, 194)]) for each in (erased, let_in)]
    cuts = [slice(0, 103), slice(103, 300)]

    def pieces():
        for cut in cuts:
            yield wide[0][..., cut], (wide[1] - wide[0])[..., cut]

    few, many = compared(erased, let_in), relative_slopes(pieces, 300, signs=SIGNS)
    assert many["profile"].shape == (2, 300)
    assert many["profile"][:, 100:106] == pytest.approx(few["profile"])
    for name, value in few.items():
        if value.ndim == 0:
            assert many[name] == pytest.approx(value, abs=1e-9), name


def test_shares_are_squared_norms_over_their_sum():
    erased, let_in = made(1, data=7)
    found = compared(erased, let_in)
    for world, words in enumerate((erased, let_in)):
        estimate, _, plugin = squared_norms(words)
        assert found["importance"][world] == pytest.approx(estimate.sum())
        assert found["importance_floor"][world] == pytest.approx((plugin - estimate).sum())
        assert found["profile"][world] == pytest.approx(estimate / estimate.sum())
    estimate, error, plugin = squared_norms((let_in - erased).reshape(BLOCKS, -1))
    assert found["squared_change"] == pytest.approx(estimate)
    assert found["squared_change_mcse"] == pytest.approx(error)  # the jackknife is larger here
    assert found["squared_change_plugin"] == pytest.approx(plugin)


def test_without_a_block_is_what_is_left_without_it():
    words = np.random.default_rng(0).normal(size=(8, 3))
    mean, without = pair_mean(words @ words.T)
    for block in range(8):
        left = np.delete(words, block, axis=0)
        assert without[block] == pytest.approx(pair_mean(left @ left.T)[0])
    assert jackknife(np.full(5, mean), wider=np.inf) == 0


@given(seed=st.integers(0, 2**32))
def test_slopes_of_length_one_lie_as_far_apart_as_they_do(seed):
    first, second = np.random.default_rng(seed).normal(size=(2, 6))
    squares = [np.square(each).sum() for each in (first, second, second - first)]
    apart = second / squares[1] ** 0.5 - first / squares[0] ** 0.5
    found = turned(squares[0], squares[1] - squares[0], squares[2])
    assert found == pytest.approx(np.square(apart).sum() / 4)


def test_identical_draws_show_exactly_nothing():
    rng = np.random.default_rng(0)
    outputs, scores = rng.normal(size=(3, 1000)), rng.normal(size=(1000, 30))
    outputs += scores[:, :3].T
    words = block_slopes(outputs, scores, np.arange(0, 1001, 50))
    found = compared(words, words.copy())
    for name in ("trace_distance", "diagonal_distance", "signed_distance", "squared_change"):
        for end in ("", "_mcse", "_plugin", "_floor"):
            assert found[f"{name}{end}"] == 0, (name, end)
    assert found["log_scale"] == 0 == found["log_scale_mcse"] and found["p"] == 1


def test_a_disciple_who_freezes_the_future_is_seen_by_the_scale_alone():
    erased, _ = made(2, noise=0.0)
    found = compared(erased, 0.01 * erased)
    for name in ("trace_distance", "diagonal_distance", "signed_distance"):
        assert found[name] == pytest.approx(0, abs=1e-7)
    assert found["log_scale"] == pytest.approx(2 * np.log2(0.01))


def test_a_disciple_who_turns_all_signs_is_seen_by_the_signed_distance_alone():
    erased, _ = made(2, noise=0.0)
    found = compared(erased, -erased)
    assert found["signed_distance"] == pytest.approx(1)
    for name in ("trace_distance", "diagonal_distance", "log_scale"):
        assert found[name] == pytest.approx(0, abs=1e-7)


def test_what_does_not_depend_on_the_evidence_has_no_proportions():
    erased, let_in = made(3, noise=0.05)
    noise = np.random.default_rng(0).normal(size=(100, *erased.shape))
    for other in noise:
        found = compared(other, let_in)
        assert found["seen"].tolist() == [False, True]
        assert np.isnan(found["trace_distance"]) and np.isnan(found["profile"][0]).all()
        assert np.isfinite(found["profile"][1]).all() and found["squared_change"] > 0
    assert compared(erased, noise[0])["seen"].tolist() == [True, False]


def draws_of(rng, draws, effect=0.0, rho=0.0, shared=0.0):
    """Whitened outputs of two worlds and scores in deviations: two latents, four data."""
    past = rng.normal(size=(4, 200 + draws // 4, 2))
    if rho:
        past = signal.lfilter([(1 - rho**2) ** 0.5], [1, -rho], past, axis=1)
    past = past[:, 200:].reshape(-1, 2)
    common, own = rng.normal(size=(1, 2, draws)), rng.normal(size=(2, 2, draws))
    noise = shared**0.5 * common + (1 - shared) ** 0.5 * own
    outputs = past.T + noise
    outputs[1] += effect * past.T[::-1]
    return outputs / 2**0.5, past @ np.array([[1.0, 0.5, 0.2, 0.0], [0.0, 0.5, 0.2, 1.0]])


def many(repetitions, draws, signs=1000, effective=None, **options):
    rng = np.random.default_rng(0)
    bounds = np.linspace(0, draws, BLOCKS + 1).astype(int)
    found = []
    for seed in range(repetitions):
        (first, second), scores = draws_of(rng, draws, **options)
        words = [block_slopes(each, scores, bounds) for each in (first, second)]
        flips = random_signs(signs, BLOCKS, seed=seed)
        found.append(compared(*words, signs=flips, effective=effective or draws))
    return {name: np.array([one[name] for one in found]) for name in found[0]}


@pytest.mark.parametrize("case", [{}, {"shared": 0.8}], ids=["independent", "shared"])
def test_a_disciple_without_effect_shows_none_on_average(case):
    found = many(200, 400, signs=100, **case)
    assert found["seen"].all()
    for name in ("trace_distance", "diagonal_distance", "squared_change", "signed_square"):
        values = found[name]
        assert abs(values.mean()) < 2 * values.std(ddof=1) / 200**0.5, name
        spread = values.std(ddof=1)
        typical = np.sqrt(np.square(found[f"{name}_mcse"]).mean())
        assert 0.85 * spread < typical < 1.7 * spread, name
        plain = name.replace("square", "distance") if name == "signed_square" else name
        plugin, floor = found[f"{plain}_plugin"], found[f"{plain}_floor"]
        assert plugin.mean() == pytest.approx(floor.mean(), rel=0.1)
        assert plugin.mean() > 3 * abs(values.mean())


def rejected(repetitions, draws, wider=1.0, **options):
    """Share of repetitions with p <= .05."""
    rng, chances = np.random.default_rng(0), []
    bounds = np.linspace(0, draws, BLOCKS + 1).astype(int)
    for seed in range(repetitions):
        (first, second), scores = draws_of(rng, draws, **options)
        change = block_slopes(second, scores, bounds) - block_slopes(first, scores, bounds)
        flat = change.reshape(BLOCKS, -1)
        signs = random_signs(400, BLOCKS, seed=seed)
        chances.append(swap_probability(flat @ flat.T, signs, wider=wider))
    return np.mean(np.array(chances) <= 0.05)


@pytest.mark.parametrize(
    "case",
    [{"draws": 400}, {"draws": 400, "shared": 0.8}, {"draws": 4000, "rho": 0.9}],
    ids=["independent", "shared", "slow"],
)
def test_the_swap_test_errs_as_often_as_it_says(case):
    effective = case["draws"] * (0.1 / 1.9 if "rho" in case else 1.0)
    # 1500 repetitions of 5 % have a standard error of .56 %.
    assert 0.035 <= rejected(1500, wider=float(widening(effective, BLOCKS)), **case) <= 0.065


def test_too_few_effective_draws_make_the_swap_test_careful():
    case = {"draws": 1000, "rho": 0.9}
    assert rejected(300, wider=float(widening(1000 * 0.1 / 1.9, BLOCKS)), **case) <= 0.04


def test_the_swap_test_finds_what_is_there_and_shared_noise_helps_it():
    alone, shared = (rejected(200, 400, effect=0.1, shared=share) for share in (0.0, 0.9))
    assert 0.1 < alone < 0.6 and shared > 0.95


def test_estimates_are_unbiased_or_fall_short_and_their_errors_are_right():
    draws, effect = 4000, 0.4
    found = many(100, draws, signs=100, effect=effect)
    slopes = [
        (np.eye(2) + x * effect * np.eye(2)[::-1])
        @ np.array([[1.0, 0.5, 0.2, 0.0], [0.0, 0.5, 0.2, 1.0]])
        / 2**0.5
        for x in (0, 1)
    ]
    truth = plain_distances(*(each[None] for each in slopes))
    square = truth.pop("squared_change")
    values = found["squared_change"]
    assert abs(values.mean() - square) < 3 * values.std(ddof=1) / 10
    assert np.sqrt(np.square(found["squared_change_mcse"]).mean()) == pytest.approx(
        values.std(ddof=1), rel=0.25
    )
    signed = found["signed_square"]
    assert abs(signed.mean() - truth["signed_distance"] ** 2) < 3 * signed.std(ddof=1) / 10
    for name in ("trace_distance", "diagonal_distance"):
        error = found[name].std(ddof=1) / 10
        assert truth[name] * 0.9 - 3 * error < found[name].mean() < truth[name] + 2 * error
        assert (np.abs(found[name] - truth[name]) < 4 * found[f"{name}_mcse"]).all()


def test_no_probability_is_smaller_than_blocks_can_tell():
    erased, _ = made(4, noise=0.0)
    assert 0.5 ** (BLOCKS - 1) <= compared(erased, 2 * erased)["p"] < 1e-4
    once = np.zeros((BLOCKS, 1, 1))
    once[3] = 1.0
    assert swap_probability(once[:, 0] @ once[:, 0].T, SIGNS) == 1
    slow = compared(*made(4), effective=1.0)
    assert slow["p"] == 1 and np.isinf(slow["squared_change_mcse"])
    assert not slow["seen"].any()


@given(
    seed=st.integers(0, 2**32),
    draws=st.sampled_from([3, 8, 40]),
    data=st.integers(1, 20),
    cut=st.integers(0, 20),
)
def test_data_in_deviations_have_the_covariance_of_the_prior(seed, draws, data, cut):
    rng = np.random.default_rng(seed)
    units, means = rng.uniform(0.1, 3, data), rng.normal(size=(draws, data))
    scale = EvidenceScale(units, means)
    whole = np.atleast_2d(np.cov(means.T)) + np.diag(units**2)
    root = scale.apply(np.eye(data))
    assert root @ root.T == pytest.approx(whole, rel=1e-4, abs=1e-4)
    # In units of the noise it is the symmetric root.
    assert root / units[:, None] == pytest.approx((root / units[:, None]).T, abs=1e-8)
    cuts = [slice(0, min(cut, data)), slice(min(cut, data), data)]
    loaded = sum(scale.loaded(np.eye(data)[:, at], at) for at in cuts)
    parts = [scale.apply(np.eye(data)[:, at], at, loaded) for at in cuts]
    assert np.concatenate(parts, axis=1) == pytest.approx(root)


def test_units_do_not_matter_and_data_without_noise_are_taken():
    rng = np.random.default_rng(0)
    means, slopes = rng.normal(size=(50, 3)), rng.normal(size=(2, 3))
    units, factors = np.array([1.0, 0.0, 0.5]), np.array([1.0, 1000.0, 0.01])
    one = EvidenceScale(units, means).apply(slopes)
    other = EvidenceScale(units * factors, means * factors).apply(slopes / factors)
    assert one == pytest.approx(other)
    whole = np.cov(means.T) + np.diag(units**2)
    assert one @ one.T == pytest.approx(slopes @ whole @ slopes.T, rel=1e-4)
