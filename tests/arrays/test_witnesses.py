"""Does each witness learn what it can see, whatever the units, the holes and the ties?"""

import sys

import numpy as np
import pytest
from scipy import stats

from inference.arrays.witnesses import (
    MOST_MEASUREMENTS,
    WITNESSES,
    affordable,
    trained_witness,
)

LEARNT = [kind for kind in WITNESSES if kind != "naive_bayes"]


def gap(kind, let_in, erased, train=2000, **options):
    score = trained_witness(kind, let_in[:, :train], erased[:, :train], **options)
    share = [(score(world[:, train:]) > 0).mean() for world in (let_in, erased)]
    return share[0] - share[1]


def noise(dimensions, rows=4000, seed=0):
    return np.random.default_rng(seed).normal(size=(2, dimensions, rows))


def test_normal_laws_give_the_score_of_their_closed_forms():
    on, off = noise(1, rows=40_000)
    x = np.linspace(-2, 3, 11)
    lda = trained_witness("lda", on + 1, off)(x[None])
    assert lda == pytest.approx(x - 0.5, abs=0.05)
    qda = trained_witness("qda", 2 * on + 1, off)(x[None])
    ratio = stats.norm.logpdf(x, 1, 2) - stats.norm.logpdf(x)
    assert qda == pytest.approx(ratio, abs=0.1)


def test_qda_sees_a_correlation_that_lda_cannot():
    on, off = noise(2)
    on[1] = 0.5 * on[0] + np.sqrt(0.75) * on[1]
    off[1] = -0.5 * off[0] + np.sqrt(0.75) * off[1]
    error = np.sqrt(0.5 / 2000)
    assert gap("lda", on, off) < 4 * error
    for kind in ("qda", "mlp"):
        assert gap(kind, on, off) == pytest.approx(1 / 3, abs=4 * error)
    assert 0.25 < gap("cells", on, off) < 1 / 3 + 4 * error


@pytest.mark.parametrize("kind", LEARNT)
def test_units_offsets_and_order_change_nothing_much(kind):
    on, off = noise(3)
    on += 0.6
    factors, offsets = np.array([[1.0], [1e9], [1e-9]]), np.array([[1e6], [-1e12], [0.0]])
    plain = gap(kind, on, off)
    assert plain > 0.25
    assert gap(kind, on * factors + offsets, off * factors + offsets) == pytest.approx(
        plain, abs=0.03
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", LEARNT)
def test_awkward_measurements_are_survived(kind):
    rng = np.random.default_rng(0)
    on, off = rng.normal(size=(2, 3, 400))
    worlds = {
        "all constant": (np.full((3, 400), 0.1), np.full((3, 400), 0.1)),
        "twins": (np.repeat(on[:1], 3, axis=0), np.repeat(off[:1], 3, axis=0)),
        "one constant": (np.stack([on[0], 0 * on[1]]), np.stack([off[0], 0 * off[1]])),
        "counts": (rng.poisson(1, (2, 400)) * 1.0, rng.poisson(1, (2, 400)) * 1.0),
        "heavy": (rng.standard_cauchy((2, 400)), rng.standard_cauchy((2, 400))),
        "largest": (on * 1e307, off * 1e307),
        "smallest": (on * 1e-308, off * 1e-308),
        "same": (on, on),
        "narrow": (on.astype(np.float32), off.astype(np.float32)),
    }
    for name, (let_in, erased) in worlds.items():
        score = trained_witness(kind, let_in, erased)(let_in)
        assert score.shape == (400,), name
        assert np.isfinite(score).all(), name


@pytest.mark.parametrize("kind", LEARNT)
def test_what_tells_the_worlds_apart_is_learnt(kind):
    zeros = np.zeros((1, 400))
    assert gap(kind, zeros + 1, zeros, train=200) == 1


@pytest.mark.parametrize("kind", ["lda", "qda", "mlp"])
def test_more_measurements_than_draws_are_survived(kind):
    on, off = noise(200, rows=160)
    assert gap(kind, on + 0.5, off, train=80) > 0.6


def test_rare_and_novel_values_count():
    off = np.zeros((1, 4000))
    on = np.where(np.arange(4000) % 5 == 0, 7.0, 0.0)[None]
    for kind in LEARNT:
        assert gap(kind, on, off) == pytest.approx(0.2, abs=1e-9), kind


def test_the_same_seed_gives_the_same_network():
    on, off = noise(4, rows=800)
    first, again = (trained_witness("mlp", on + 0.3, off, seed=3)(on) for _ in range(2))
    assert np.array_equal(first, again)


def test_what_is_not_affordable_is_not_offered():
    assert affordable(3, 100_000, 1000) == WITNESSES
    assert affordable(4, 100_000, 1000) == ("naive_bayes", "lda", "qda", "mlp")
    assert affordable(4, 100_000, 20) == ("naive_bayes", "lda", "qda")
    assert affordable(301, 10**6, 1000) == affordable(2, 10**9, 1000) == ("naive_bayes",)
    assert set(MOST_MEASUREMENTS) == set(WITNESSES)


def test_scikit_learn_is_loaded_only_when_a_witness_is_learnt():
    import subprocess

    code = "import inference.arrays.witnesses, sys; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
