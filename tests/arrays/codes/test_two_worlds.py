"""Are two worlds described as the codes say, draw for draw, and with errors that are theirs?"""

from math import lgamma, log, log2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.arrays.codes.flat_codes import flat_code, flat_code_given, nml_regret
from inference.arrays.codes.tree_codes import tree_code, tree_code_given
from inference.arrays.codes.two_worlds import DESCRIPTIONS, LENGTHS, described
from inference.arrays.sign_flips import random_signs

BLOCKS = 20
SIGNS = random_signs(40, BLOCKS)
NORMAL = np.diff(np.array([0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1.0]))
seeds = st.integers(0, 2**32 - 1)


def counts(rng, laws, draws=200, blocks=BLOCKS):
    """Counts of each law, shape (block, cell, measurement)."""
    drawn = [rng.multinomial(draws, law, size=blocks) for law in np.atleast_2d(laws)]
    return np.stack(drawn, axis=-1)


def told(let_in, erased, **options):
    """Describe, every draw being worth one unless something else is said."""
    worth = options.pop("worth", np.ones(let_in.shape[-1]))
    return described(let_in, erased, worth=worth, signs=SIGNS, **options)


def one_by_one(on, off, levels):
    """Lengths of one measurement by the codes themselves, of counts (cell,)."""
    if levels:
        met = (on + off) > 0
        on, off = on[met], off[met]
        codes = flat_code(on), flat_code(off), flat_code_given(on, off), flat_code_given(off, on)
    else:
        room = 1
        while room < len(on):
            room *= 2
        on, off = (np.pad(c, (0, room - len(c))) for c in (on, off))
        codes = tree_code(on), tree_code(off), tree_code_given(on, off), tree_code_given(off, on)
    saved = codes[1].bits - codes[3].bits
    lengths = [*(code.model_bits.item() for code in codes), saved.item()]
    return dict(zip(LENGTHS, lengths, strict=True))


@given(
    seed=seeds,
    cells=st.integers(2, 18),
    worth=st.floats(0.02, 1),
    levels=st.booleans(),
    few=st.booleans(),
)
def test_they_are_the_lengths_of_all_draws_at_their_worth(seed, cells, worth, levels, few):
    rng = np.random.default_rng(seed)
    alpha = np.full(cells, 0.05 if few else 1.0)
    on, off = (counts(rng, rng.dirichlet(alpha, size=3)) for _ in range(2))
    worths = np.array([worth, 1.0, 0.5])
    found = told(on, off, worth=worths, levels=levels)
    for place in range(3):
        both = (c[..., place].sum(axis=0) * worths[place] for c in (on, off))
        expected = one_by_one(*both, levels)
        for name in LENGTHS:
            assert found.lengths[name][place] == pytest.approx(expected[name], abs=1e-6), name


@pytest.mark.parametrize("levels", [False, True])
def test_errors_are_deviations_over_halves_of_the_blocks(levels):
    rng = np.random.default_rng(0)
    on, off = counts(rng, NORMAL), counts(rng, np.roll(NORMAL, 1))
    varied = []
    for signs in SIGNS:
        halves = [np.concatenate([c[signs > 0], c[signs > 0]]) for c in (on, off)]
        varied.append(one_by_one(*(c[..., 0].sum(axis=0).astype(float) for c in halves), levels))
    found = told(on, off, levels=levels)
    for name in LENGTHS:
        expected = np.std([lengths[name] for lengths in varied])
        assert found.errors[name].item() == pytest.approx(expected, abs=1e-6), name


def test_a_coin_takes_as_many_bits_as_its_formula():
    # KT after 300 and 700 draws and after none, by gamma functions; NML by its regret of 2 cells.
    on, off = np.array([290.0, 710.0]), np.array([300.0, 700.0])
    found = described(
        on[None, :, None], off[None, :, None], worth=np.ones(1), signs=SIGNS[:, :1], levels=True
    )
    alone = nml_regret(2, 1000.0).item()
    assert alone == pytest.approx(log2(np.sqrt(np.pi * 500)), abs=0.05)
    prior = on + 0.5
    gained = [lgamma(n + a) - lgamma(a) for n, a in zip(off, prior, strict=True)]
    same = (lgamma(prior.sum() + 1000) - lgamma(prior.sum()) - sum(gained)) / log(2)
    new = -sum(n * log2(n / 1000) for n in off) + alone
    expected = {"on": alone, "off": alone, "on_given_off": 1.0, "off_given_on": 1.0}
    expected["information"] = new - 1 + np.logaddexp2(-same, -new)
    for name in LENGTHS:
        assert found.lengths[name].item() == pytest.approx(expected[name], abs=1e-6), name


def test_a_known_law_takes_its_choices_alone():
    rng = np.random.default_rng(1)
    on, off = counts(rng, NORMAL), counts(rng, NORMAL)
    for levels, bits in ((False, 3.0), (True, 1.0)):
        found = told(on, off, levels=levels)
        assert found.lengths["on_given_off"].item() == bits
        assert found.lengths["off_given_on"].item() == bits
        assert found.lengths["information"].item() > 0
        target, start = found.laws["on_given_off"]
        assert target == pytest.approx(start)


def test_nothing_shared_costs_the_one_bit_that_asks():
    rng = np.random.default_rng(9)
    on, off = (counts(rng, rng.dirichlet(np.ones(32))) for _ in range(2))
    for levels in (False, True):
        found = told(on, off, levels=levels).lengths
        assert found["on_given_off"].item() == pytest.approx(found["on"].item() + 1)
        assert found["off_given_on"].item() == pytest.approx(found["off"].item() + 1)
        assert found["information"].item() == pytest.approx(-1, abs=1e-3)


def test_what_is_the_same_constant_takes_no_bit_alone():
    same = np.full((BLOCKS, 1, 1), 50)
    found = told(
        np.pad(same, ((0, 0), (1, 1), (0, 0))), np.pad(same, ((0, 0), (1, 1), (0, 0))), levels=True
    )
    assert [found.lengths[name].item() for name in LENGTHS] == [0, 0, 1, 1, 0]
    assert all(error.item() == 0 for error in found.errors.values())


@given(seed=seeds, levels=st.booleans())
def test_exchanged_worlds_have_exchanged_descriptions(seed, levels):
    rng = np.random.default_rng(seed)
    on, off = (counts(rng, rng.dirichlet(np.full(6, 0.3), size=4)) for _ in range(2))
    one, other = told(on, off, levels=levels), told(off, on, levels=levels)
    pairs = {"on": "off", "on_given_off": "off_given_on"}
    for name, partner in pairs.items():
        assert (one.lengths[name] == other.lengths[partner]).all()
        assert (one.errors[name] == other.errors[partner]).all()
        assert all(
            (a == b).all() for a, b in zip(one.laws[name], other.laws[partner], strict=True)
        )


@given(seed=seeds, levels=st.booleans())
def test_lengths_are_lawful(seed, levels):
    rng = np.random.default_rng(seed)
    on, off = (counts(rng, rng.dirichlet(np.full(16, 0.2), size=5), 30) for _ in range(2))
    found = told(on, off, worth=rng.uniform(0.1, 1, 5), levels=levels)
    for name in DESCRIPTIONS:
        assert (found.lengths[name] >= (0 if levels else 1)).all()
        assert (found.errors[name] >= 0).all()
        for law in found.laws[name]:
            assert law.shape == (5, 16)
            assert law.sum(axis=1) == pytest.approx(np.ones(5))
            assert law.min() >= 0
    assert (found.lengths["information"] >= -1 - 1e-9).all()
    for given_other in ("on_given_off", "off_given_on"):
        assert (found.lengths[given_other] >= 1).all()


@given(seed=seeds, levels=st.booleans())
def test_measurements_do_not_depend_on_their_company_or_order(seed, levels):
    rng = np.random.default_rng(seed)
    laws = [rng.dirichlet(np.full(12, 0.15), size=7) for _ in range(2)]
    on, off = (counts(rng, law) for law in laws)
    worth, order = rng.uniform(0.2, 1, 7), rng.permutation(7)
    whole = told(on, off, worth=worth, levels=levels)
    moved = told(on[..., order], off[..., order], worth=worth[order], levels=levels)
    alone = told(on[..., 3:4], off[..., 3:4], worth=worth[3:4], levels=levels)
    for name in LENGTHS:
        for kind in ("lengths", "errors"):
            every = getattr(whole, kind)[name]
            assert getattr(moved, kind)[name] == pytest.approx(every[order], abs=1e-6)
            assert getattr(alone, kind)[name].item() == pytest.approx(every[3], abs=1e-6)


def test_the_order_of_values_that_are_levels_says_nothing():
    rng = np.random.default_rng(2)
    on, off = counts(rng, NORMAL), counts(rng, np.roll(NORMAL, 2))
    order = rng.permutation(8)
    straight, shuffled = (
        told(one, other, levels=True) for one, other in ((on, off), (on[:, order], off[:, order]))
    )
    for name in LENGTHS:
        expected = straight.lengths[name].item()
        assert shuffled.lengths[name].item() == pytest.approx(expected, abs=1e-6)


def test_levels_that_nobody_visits_are_no_cells():
    rng = np.random.default_rng(3)
    on, off = counts(rng, NORMAL), counts(rng, NORMAL)
    wide = [np.insert(c, [0, 3, 3, 8], 0, axis=1) for c in (on, off)]
    for name, bits in told(on, off, levels=True).lengths.items():
        assert told(*wide, levels=True).lengths[name].item() == pytest.approx(bits.item())


def test_a_bias_of_one_world_alone_takes_bits_as_draws_grow():
    lengths = []
    for draws in (10, 100, 1000):
        rng = np.random.default_rng(4)
        lengths.append(told(counts(rng, NORMAL, draws), counts(rng, NORMAL, draws)).lengths["on"])
    assert (np.diff(np.ravel(lengths)) > 0).all()


def test_errors_are_about_the_spread_from_sample_to_sample():
    rng, repeats = np.random.default_rng(5), 150
    bell = np.exp(-0.5 * np.linspace(-3, 3, 32) ** 2)
    bell /= bell.sum()
    on, off = (counts(rng, np.tile(bell, (repeats, 1)), 100) for _ in range(2))
    found = told(on, off)
    for name in ("on", "off", "information"):
        ratio = found.lengths[name].std() / found.errors[name].mean()
        assert 0.5 < ratio < 1.3, name  # errors of bits are wider than needed, not narrower
