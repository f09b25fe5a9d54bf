"""Are the differentiable distances right where the truth is known, and do they train?"""

from functools import partial

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import counterfactual_models as cm
import inference
from counterfactual_models.errors import CounterfactualError
from inference import diagnostics, draw_tensors, training

DISTANCES = {
    "chi_squared_halves": training.chi_squared_halves,
    "energy_distance": training.energy_distance,
    "mmd": training.mmd,
    "sliced_wasserstein": training.sliced_wasserstein,
}
every_distance = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)

NORMAL_EDGES = stats.norm.ppf(np.arange(1, 16) / 16)


def normals(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def repeated(distance, repeats, n, shift, **options):
    """Values and gradients by the shift, each with its mean and standard error."""
    noise = normals(repeats, 2, n, 1, seed=1)
    found = []
    for one, none in noise:
        theta = torch.tensor(float(shift), dtype=torch.float64, requires_grad=True)
        value = distance(one + theta, none, **options)
        (slope,) = torch.autograd.grad(value, theta)
        found.append((value.item(), slope.item()))
    found = np.array(found)
    return found.mean(axis=0), found.std(axis=0, ddof=1) / np.sqrt(repeats)


def blurred_chi_squared(shift, noise=0.1):
    """Of N(shift, 1) against N(0, 1), in the 16 cells of the latter read with noise."""
    wide = np.sqrt(1 + noise**2)
    masses = [
        np.diff(stats.norm.cdf(NORMAL_EDGES, s, wide), prepend=0, append=1) for s in (shift, 0)
    ]
    return np.sum((masses[0] - masses[1]) ** 2 / masses[1])


def blurred_slope(shift, step=1e-5):
    return (blurred_chi_squared(shift + step) - blurred_chi_squared(shift - step)) / (2 * step)


@pytest.mark.parametrize(("shift", "slope"), [(0, 0), (0.05, 0.0969), (0.2, 0.3972), (1, 3.0142)])
def test_chi_squared_by_halves_has_the_true_mean_and_the_true_mean_gradient(shift, slope):
    assert blurred_slope(shift) == pytest.approx(slope, abs=1e-4)
    # Scale and base masses are estimated: with 4000 rows that costs 1e-3 of the value.
    options = {"edges": NORMAL_EDGES, "noise": 0.1}
    mean, error = repeated(training.chi_squared_halves, 200, 4000, shift, **options)
    truth = np.array([blurred_chi_squared(shift), blurred_slope(shift)])
    assert (abs(mean - truth) < 4 * error + 0.003 * truth).all()


def test_the_gradient_of_a_modulus_is_wrong_where_that_of_the_product_is_right():
    shift, edges, noise = 0.05, torch.tensor(NORMAL_EDGES), 0.1

    def soft_tv(let_in, erased):
        masses = [training.soft_cells(x, edges, noise=noise) for x in (let_in, erased)]
        return 0.5 * (masses[0] - masses[1]).abs().sum()

    wide = np.sqrt(1 + noise**2)
    truth = stats.norm.pdf(shift / 2 / wide) / wide
    (value, slope), error = repeated(soft_tv, 50, 2000, shift)
    assert slope < truth - 0.15 - 4 * error[1]
    assert value > 2 * (2 * stats.norm.cdf(shift / 2 / wide) - 1) - 4 * error[0]


def test_chi_squared_bounds_the_total_variation_it_is_trained_for():
    for shift in (0.05, 0.2, 1.0):
        masses = [
            np.diff(stats.norm.cdf(NORMAL_EDGES, s), prepend=0, append=1) for s in (shift, 0)
        ]
        exact = np.sum((masses[0] - masses[1]) ** 2 / masses[1])
        assert 0.5 * abs(masses[0] - masses[1]).sum() <= 0.5 * np.sqrt(exact)


@pytest.mark.parametrize(("noise", "blurred"), [(0.1, 0.381177), (0.5, 0.345279)])
def test_soft_cells_show_the_blurred_total_variation(noise, blurred):
    draws = normals(2, 200_000, 1)
    masses = [
        training.soft_cells(draws[k] + shift, [0.5], noise=noise)
        for k, shift in ((0, 1.0), (1, 0))
    ]
    assert [m.sum().item() for m in masses] == pytest.approx([1, 1])
    found = 0.5 * (masses[0] - masses[1]).abs().sum().item()
    assert found == pytest.approx(blurred, abs=4 * np.sqrt(0.5 / 200_000))


def test_each_measurement_can_be_weighed_by_itself():
    let_in, erased = normals(2, 4000, 3) + torch.tensor([[[0.0, 0.5, 1.0]], [[0.0] * 3]])
    each = training.chi_squared_halves(let_in, erased, each=True)
    assert each.shape == (3,)
    assert (each.diff() > 0).all()
    assert training.chi_squared_halves(let_in, erased).item() == pytest.approx(each.mean().item())
    alone = training.chi_squared_halves(let_in[:, 1], erased[:, 1])
    assert alone.item() == pytest.approx(each[1].item())


def test_chains_in_order_do_no_harm_to_halves_and_shuffled_ones_do():
    rho, rng = 0.98, np.random.default_rng(0)
    in_order, shuffled = [], []
    for _ in range(40):
        chains = np.zeros((2, 4, 1000))
        noise = rng.normal(size=chains.shape) * np.sqrt(1 - rho**2)
        chains[..., 0] = rng.normal(size=(2, 4))
        for t in range(1, 1000):
            chains[..., t] = rho * chains[..., t - 1] + noise[..., t]
        one, none = torch.tensor(chains.reshape(2, -1))
        in_order.append(training.chi_squared_halves(one, none, cells=4).item())
        mixed = [x[torch.tensor(rng.permutation(len(x)))] for x in (one, none)]
        shuffled.append(training.chi_squared_halves(*mixed, cells=4).item())
    error = np.std(in_order) / np.sqrt(40)
    assert abs(np.mean(in_order)) < 4 * error
    assert np.mean(shuffled) > 4 * np.std(shuffled) / np.sqrt(40)


def test_the_energy_distance_of_two_normals_is_as_computed_by_hand():
    mean, error = repeated(training.energy_distance, 10, 2000, 1.0)
    assert mean[0] == pytest.approx(0.541807, abs=4 * error[0])
    slope = 2 * (2 * stats.norm.cdf(1 / np.sqrt(2)) - 1)
    assert mean[1] == pytest.approx(slope, abs=4 * error[1])


def test_energy_and_kernel_distances_have_mean_zero_and_no_pull_in_equal_worlds():
    for distance in (training.energy_distance, partial(training.mmd, features=64)):
        mean, error = repeated(distance, 100, 400, 0.0)
        assert (abs(mean) < 4 * error).all()


def test_the_energy_distance_is_that_of_scipy():
    let_in, erased = normals(300, seed=2) + 0.3, normals(200, seed=3)
    off = (erased - erased.mean()) / erased.std()
    on = (let_in - erased.mean()) / erased.std()
    squared = stats.energy_distance(on, off) ** 2
    # scipy's pairs are also of a draw with itself.
    for x in (on, off):
        within = abs(x[:, None] - x[None]).sum().item()
        squared -= within / (len(x) * (len(x) - 1)) - within / len(x) ** 2
    assert training.energy_distance(let_in, erased).item() == pytest.approx(squared, rel=1e-10)


@pytest.mark.parametrize("sizes", [(300, 300), (300, 200), (7, 100), (2, 3)])
def test_the_wasserstein_distance_of_one_measurement_is_that_of_scipy(sizes):
    let_in, erased = 1.5 * normals(sizes[0], seed=4) + 0.3, normals(sizes[1], seed=5)
    found = training.sliced_wasserstein(let_in, erased, power=1)
    truth = stats.wasserstein_distance(let_in, erased) / erased.std().item()
    assert found.item() == pytest.approx(truth, rel=1e-10)


def test_sliced_wasserstein_of_a_shift_is_its_mean_square_projection():
    noise = normals(500, 3)
    noise = (noise - noise.mean(0)) / noise.std(0)
    shift = torch.tensor([1.0, 2.0, 2.0], dtype=torch.float64, requires_grad=True)
    found = training.sliced_wasserstein(noise + shift, noise, projections=5000)
    assert found.item() == pytest.approx(3 / np.sqrt(3), rel=0.03)
    (slope,) = torch.autograd.grad(found, shift)
    assert slope.numpy() == pytest.approx(np.array([1, 2, 2]) / 3 / np.sqrt(3), rel=0.1)


def test_wasserstein_pulls_with_the_same_force_from_near_and_from_far():
    noise = normals(2, 4000, 1)
    for shift in (1.0, 100.0):
        theta = torch.tensor(shift, dtype=torch.float64, requires_grad=True)
        value = training.sliced_wasserstein(noise[0] + theta, noise[1], power=1)
        (slope,) = torch.autograd.grad(value, theta)
        assert slope.item() == pytest.approx(1 / noise[1].std().item(), rel=0.01)


def test_the_kernel_distance_of_two_normals_is_as_computed_by_hand():
    let_in, erased = normals(2, 20_000, 1)
    found = [
        training.mmd(let_in + 1, erased, features=150, bandwidth=[0.5, 1, 2], seed=seed).item()
        for seed in range(20)
    ]
    error = np.std(found, ddof=1) / np.sqrt(20)
    assert np.mean(found) == pytest.approx(0.146892, abs=4 * error + 0.006)


def test_random_features_give_the_kernel_statistic_they_stand_for():
    let_in, erased = normals(2, 60, 2) + torch.tensor([[[0.5, 0.0]], [[0.0, 0.0]]])
    mean, sd = draw_tensors.erased_scale(erased)
    rows = [(x - mean) / sd for x in (let_in, erased)]

    def kernel(ones, others):
        return (-(torch.cdist(ones, others) ** 2) / 2).exp()

    within = sum((kernel(x, x).sum() - len(x)) / (len(x) * (len(x) - 1)) for x in rows)
    truth = (within - 2 * kernel(*rows).mean()).item()
    found = training.mmd(let_in, erased, features=200_000, bandwidth=1.0).item()
    assert found == pytest.approx(truth, abs=0.005)


def test_only_joint_distances_see_a_change_of_correlation():
    base = normals(2, 4000, 2)
    mix = torch.tensor([[1.0, 0.9], [0.0, np.sqrt(1 - 0.81)]], dtype=torch.float64)
    together = base[0] @ mix
    apart = torch.stack([base[1] @ mix[:, 0], -(base[1] @ mix[:, 1])], dim=1)
    assert training.chi_squared_halves(together, apart).abs().item() < 0.02
    assert training.energy_distance(together, apart).item() > 0.1
    assert training.mmd(together, apart).item() > 0.02
    assert training.sliced_wasserstein(together, apart).item() > 0.3


@every_distance
def test_gradients_are_those_of_finite_differences(distance):
    let_in = (normals(8, 2) + 0.3).requires_grad_()
    erased = normals(7, 2, seed=9)
    # The erased world also sets the scale, which is held fixed: its own gradient is partial.
    assert torch.autograd.gradcheck(lambda x: distance(x, erased), (let_in,), atol=1e-6)


def test_a_second_derivative_of_the_energy_distance_is_refused():
    let_in = normals(20, 2).requires_grad_()
    value = training.energy_distance(let_in, normals(20, 2, seed=1))
    (slope,) = torch.autograd.grad(value, let_in, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        slope.sum().backward()


@every_distance
def test_gradients_at_equal_rows_are_finite(distance):
    rows = normals(50, 2)
    let_in = rows.clone().requires_grad_()
    value = distance(let_in, rows)
    (slope,) = torch.autograd.grad(value, let_in)
    assert torch.isfinite(value) and torch.isfinite(slope).all()
    assert value.item() <= 1e-6


@every_distance
def test_single_precision_far_from_zero_loses_nothing(distance):
    noise = normals(2, 1000, 3, dtype=torch.float32)
    noise[0, :, 0] += 0.5
    # Multiples of 1/64 are exact at 1e4 too: the draws themselves have lost nothing.
    noise = (noise * 64).round() / 64
    here, there = distance(*noise).item(), distance(*(noise + 1e4)).item()
    assert there == pytest.approx(here, rel=2e-4, abs=1e-5)
    exact = distance(*noise.double()).item()
    assert there == pytest.approx(exact, rel=1e-3, abs=1e-5)


@every_distance
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_every_dtype_is_served(distance, dtype):
    let_in = (normals(64, 2) + 1).to(dtype).requires_grad_()
    value = distance(let_in, normals(64, 2, seed=1).to(dtype))
    assert value.dtype == torch.promote_types(dtype, torch.float32)
    (slope,) = torch.autograd.grad(value, let_in)
    assert slope.dtype == dtype and torch.isfinite(slope).all()


@every_distance
@given(scale=st.floats(0.01, 100), offset=st.floats(-100, 100), seed=st.integers(0, 99))
def test_units_do_not_matter(distance, scale, offset, seed):
    let_in, erased = normals(2, 40, 2, seed=seed) + torch.tensor([[[0.4]], [[0.0]]])
    moved = distance(scale * let_in + offset, scale * erased + offset).item()
    assert moved == pytest.approx(distance(let_in, erased).item(), rel=1e-6, abs=1e-9)


@every_distance
def test_parts_of_any_size_give_the_same_value_and_gradient(distance, monkeypatch):
    let_in, erased = (normals(120, 3) + 0.2).requires_grad_(), normals(90, 3, seed=1)
    value = distance(let_in, erased)
    (slope,) = torch.autograd.grad(value, let_in)
    monkeypatch.setattr(draw_tensors, "HELD", 700)
    in_parts = distance(let_in, erased)
    (slope_in_parts,) = torch.autograd.grad(in_parts, let_in)
    assert in_parts.item() == pytest.approx(value.item(), rel=1e-9, abs=1e-9)
    assert slope_in_parts.numpy() == pytest.approx(slope.numpy(), rel=1e-6, abs=1e-12)


@every_distance
def test_the_seed_of_the_user_is_left_alone(distance):
    let_in, erased = normals(2, 40, 2)
    before = torch.random.get_rng_state()
    first, second = distance(let_in, erased), distance(let_in, erased)
    assert torch.equal(first, second)
    assert torch.equal(before, torch.random.get_rng_state())


@every_distance
def test_a_constant_erased_measurement_gives_a_number(distance):
    let_in, erased = normals(100, 2), normals(100, 2, seed=1)
    erased[:, 0] = 5.0
    assert torch.isfinite(distance(let_in, erased))
    let_in[:, 0] = 5.0
    assert torch.isfinite(distance(let_in, erased))


@every_distance
def test_what_does_not_fit_is_refused(distance):
    good = normals(20, 2)
    hole = good.clone()
    hole[7, 1] = torch.nan
    with pytest.raises(CounterfactualError, match="let_in is nan in row 7, measurement 1"):
        distance(hole, good)
    with pytest.raises(CounterfactualError, match="erased is nan in row 7"):
        distance(good, hole)
    with pytest.raises(CounterfactualError, match="2 measurements and erased 1"):
        distance(good, good[:, :1])
    with pytest.raises(CounterfactualError, match="at least"):
        distance(good[:1], good)
    with pytest.raises(CounterfactualError, match="tensor of real numbers"):
        distance(good.numpy(), good)


@pytest.mark.parametrize(
    ("distance", "options", "named"),
    [
        ("chi_squared_halves", {"noise": 0.0}, "noise=0.0"),
        ("chi_squared_halves", {"cells": 1}, "cells=1"),
        ("chi_squared_halves", {"edges": [1.0, 0.0]}, "ascending"),
        ("chi_squared_halves", {"edges": [[0.0], [1.0], [2.0]]}, "shape"),
        ("sliced_wasserstein", {"projections": 0}, "projections=0"),
        ("sliced_wasserstein", {"power": 0.5}, "power=0.5"),
        ("mmd", {"bandwidth": -1.0}, "bandwidth=-1.0"),
        ("mmd", {"features": 2}, "features=2"),
    ],
)
def test_options_that_make_no_sense_are_refused(distance, options, named):
    with pytest.raises(CounterfactualError, match=named):
        DISTANCES[distance](*normals(2, 20, 2), **options)


def harbour(disciple):
    """A disciple wants ships to come, and the tide ought not to care."""
    wind = pyro.sample("wind", dist.Normal(0.0, 1.0))
    action = cm.wire(disciple, idle=torch.zeros(()))(wind)
    ships = pyro.sample("ships", dist.Normal(wind + action, 1.0))
    tide = pyro.sample("tide", dist.Normal(0.5 * action - 0.5 * wind, 0.5))
    cm.measure("trade", ships)
    cm.measure("tide_level", tide)


def test_a_disciple_learns_to_leave_the_tide_alone():
    push = torch.nn.Parameter(torch.tensor([1.5, -1.0]))

    def drawn(policy, on, seed):
        with (
            cm.handlers.isolated(seed),
            pyro.poutine.trace() as trace,
            cm.handlers.SetSwitch(on),
            pyro.plate("draws", 2000),
        ):
            harbour(policy)
        return trace.trace.nodes["tide"]["value"]

    learner = torch.optim.Adam([push], lr=0.05)
    first = None
    for step in range(150):
        let_in = drawn(lambda wind: push[0] + push[1] * wind, 1, seed=2 * step)
        erased = drawn(torch.zeros_like, 0, seed=2 * step)
        penalty = training.chi_squared_halves(let_in, erased)
        first = penalty.item() if first is None else first
        learner.zero_grad()
        penalty.backward()
        learner.step()
    assert first > 1
    gentle = push.detach().clone()
    posterior = inference.sample_posterior(
        harbour, {}, "prior", draws=1000, chains=4, progress=False
    )
    disciples = {
        "bold": lambda wind: 1.5 - wind,
        "gentle": lambda wind: gentle[0] + gentle[1] * wind,
    }
    worlds = inference.sample_worlds(harbour, posterior, disciples, progress=False)
    judged = diagnostics.coarse_graining(worlds)["tv"].sel(measurement="tide_level")
    assert judged.sel(disciple="bold").item() > 0.3
    assert judged.sel(disciple="gentle").item() < 0.05
