"""Are many measurements together judged at the stated rate, however they depend on each other?"""

import numpy as np
import pytest

from inference.arrays.multiplicity import Family, false_discoveries
from inference.arrays.sign_flips import flipped, random_signs


def judged(seed, measurements, same, shares, chunks=1):
    """Smallest family-wise chance and the chance of the mean, in the same world."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(25, shares, size=(2, 40, 1 if same else measurements))
    difference = np.broadcast_to(
        (drawn[1] - drawn[0]).swapaxes(1, 2), (40, len(shares), measurements)
    )
    signs, family = random_signs(200, 40, seed=seed), Family()
    scores = []
    for part in np.array_split(np.arange(measurements), chunks):
        own = difference[:, :, part]
        norms = flipped(own, signs)[0]
        scores.append(family.update(0.5 * np.abs(own.sum(axis=0)).sum(axis=0), norms))
    return family.p_family(np.concatenate(scores)).min(), family.p_mean()


@pytest.mark.parametrize("same", [False, True], ids=["apart", "all the same"])
@pytest.mark.parametrize("shares", [np.full(8, 0.125), np.array([0.02, 0.98])], ids=["8", "rare"])
def test_the_same_world_is_called_different_at_the_stated_rate(same, shares):
    repeats = 400
    found = np.array([judged(seed, 20, same, shares) for seed in range(repeats)])
    allowed = 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / repeats)
    assert np.mean(found <= 0.05, axis=0) == pytest.approx([allowed / 2] * 2, abs=allowed / 2)


def test_chunks_do_not_change_the_answer():
    whole, pieces = (judged(3, 20, False, np.full(8, 0.125), chunks) for chunks in (1, 7))
    assert whole[0] == pieces[0]
    assert whole[1] == pytest.approx(pieces[1])


def test_an_effect_too_small_to_see_anywhere_is_seen_on_average():
    rng = np.random.default_rng(0)
    shares = np.array([[0.5, 0.5], [0.53, 0.47]])
    drawn = np.stack([rng.multinomial(25, share, size=(40, 300)) for share in shares])
    difference = (drawn[1] - drawn[0]).swapaxes(1, 2)
    family = Family()
    norms = flipped(difference, random_signs(200, 40))[0]
    scores = family.update(0.5 * np.abs(difference.sum(axis=0)).sum(axis=0), norms)
    assert family.p_family(scores).min() > 0.01
    assert family.p_mean() < 1e-4


def test_what_says_nothing_is_left_out():
    rng = np.random.default_rng(0)
    norms = rng.gamma(9, size=(5, 200))
    family = Family()
    wider = np.array([1, 1, np.inf, 1, 1])
    scores = family.update(np.full(5, 30.0), norms, wider=wider)
    assert scores[2] == -np.inf
    assert family.p_family(scores)[2] == 1
    assert (np.delete(family.p_family(scores), 2) < 0.01).all()
    assert family.measurements == 4
    nothing = Family()
    assert (nothing.p_family(nothing.update(np.ones(2), norms[:2], wider=np.inf)) == 1).all()
    assert nothing.p_mean() == 1


def test_flips_that_never_vary_are_no_evidence():
    family = Family()
    scores = family.update(np.array([5.0]), np.full((1, 200), 5.0))
    assert family.p_family(scores).tolist() == [1.0]
    assert family.p_mean() == 1


def test_false_discoveries_are_as_rare_as_promised():
    rng = np.random.default_rng(0)
    chances = rng.random((300, 200))
    chances[:, :40] **= 8
    called = false_discoveries(chances) <= 0.1
    false = called[:, 40:].sum(axis=1) / np.maximum(called.sum(axis=1), 1)
    assert false.mean() < 0.1
    assert called[:, :40].mean() > 0.3
