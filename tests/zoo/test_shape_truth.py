"""Are the laws that three worlds of the zoo are made of what plain quadrature says they are?"""

import numpy as np
import pytest
from closed_forms import shapes
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import norm

from counterfactual_models.errors import WorldError
from counterfactual_models.zoo.shape_truth import Event, NormalMixture

LOW, HIGH = -60.0, 60.0
LAWS = (
    NormalMixture(),
    NormalMixture((1.0,), (2.0,)),
    NormalMixture((-3.0, 2.0, 9.0), (0.5, 2.0, 1.0), (0.2, 0.5, 0.3)),
    NormalMixture((0.0, 0.0), (1.0, 5.0), (0.7, 0.3)),
)
every_law = pytest.mark.parametrize("law", LAWS)
every_pair = pytest.mark.parametrize(
    ("one", "other"), [(a, b) for k, a in enumerate(LAWS) for b in LAWS[:k]]
)
chances = st.floats(0, 1)


@every_law
def test_a_law_as_quadrature_has_it(law):
    entropy, varentropy, _ = shapes.surprisal_cumulants(law.density, LOW, HIGH)
    assert law.entropy == pytest.approx(entropy, abs=1e-6)
    assert law.varentropy == pytest.approx(varentropy, abs=1e-6)
    parts = (law.means, law.sds, law.weights)
    np.testing.assert_allclose(law.cumulants, shapes.mixture_cumulants(*parts), 1e-8, 1e-8)
    grid = np.linspace(LOW, HIGH, 120_001)
    pdf = shapes.mixture_density(*parts)(grid)
    np.testing.assert_allclose(law.density(grid), pdf, atol=1e-14)
    tops = 1 + np.flatnonzero((pdf[1:-1] > pdf[:-2] + 1e-12) & (pdf[1:-1] >= pdf[2:]))
    np.testing.assert_allclose(law.peaks, grid[tops], atol=1e-3)
    np.testing.assert_allclose(np.gradient(law.below(grid), grid)[1:-1], pdf[1:-1], atol=1e-6)


@every_law
def test_no_interval_of_that_width_holds_more(law):
    ends = np.linspace(LOW, HIGH, 120_001)
    for steps in (500, 3000):
        width = steps * (ends[1] - ends[0])
        below = sum(
            w * norm.cdf(ends, m, s)
            for m, s, w in zip(law.means, law.sds, law.weights, strict=True)
        )
        held = (below[steps:] - below[:-steps]).max()
        assert law.concentration(width) == pytest.approx(held, abs=1e-6)
    assert law.concentration(law.shortest_half) == pytest.approx(0.5, abs=1e-9)


@every_pair
def test_two_laws_as_quadrature_has_them(one, other):
    assert one.tv(other) == pytest.approx(
        shapes.tv(one.density, other.density, LOW, HIGH), abs=1e-7
    )
    sorted_cells = shapes.rearranged_tv(one.density, other.density, LOW, HIGH, points=120_000)
    assert one.rearranged_tv(other) == pytest.approx(sorted_cells, abs=5e-4)
    assert one.rearranged_tv(other) == pytest.approx(other.rearranged_tv(one), abs=1e-12)
    grid = np.linspace(LOW, HIGH, 120_001)
    p, q = one.density(grid), other.density(grid)
    bits = sum(rel_entr(f, (p + q) / 2) for f in (p, q)) / 2 / np.log(2)
    assert one.jensen_shannon(other) == pytest.approx(np.trapezoid(bits, grid), abs=1e-6)


@every_law
@pytest.mark.parametrize("slope", [-0.5, 0.3])
def test_a_twisted_law_is_the_law_times_the_twist(law, slope):
    twisted, log_mass = law.tilted(slope)
    grid = np.linspace(LOW, HIGH, 100_001)
    weighed = law.density(grid) * np.exp(slope * grid)
    mass = np.trapezoid(weighed, grid)
    assert log_mass == pytest.approx(np.log(mass), abs=1e-8)
    np.testing.assert_allclose(twisted.density(grid), weighed / mass, atol=1e-9)


@given(chances, chances)
def test_an_event_forgets_its_name_and_gains_nothing_by_it(p, q):
    one, other = Event(p), Event(q)
    assert 0 <= one.rearranged_tv(other) <= one.tv(other) + 1e-15
    assert one.rearranged_tv(Event(1 - p)) == pytest.approx(0, abs=1e-15)
    assert 0 <= one.jensen_shannon(other) <= one.tv(other) + 1e-12, "bits are at most tv"
    np.testing.assert_allclose(one.cumulants, shapes.bernoulli_cumulants(p), atol=1e-9)
    assert one.varentropy >= 0


def test_an_event_as_the_note_has_it():
    assert Event(0.3).jensen_shannon(Event(0.1)) == pytest.approx(0.046785, abs=1e-6)
    assert Event(0.5).entropy == pytest.approx(np.log(2))
    assert Event(0.5).varentropy == 0
    assert Event(0.0).peaks.tolist() == [0.0]


def test_a_law_as_narrow_as_a_needle_is_met_beside_a_wide_one():
    needle = NormalMixture((0.3,), (1e-6,))
    wide = NormalMixture((0.3,), (1.0,))
    for found in (needle.tv(wide), needle.rearranged_tv(wide)):
        assert found == pytest.approx(shapes.scale_tv(1e-6), abs=1e-9)


@pytest.mark.parametrize(
    "parts",
    [
        ((0.0, 1.0), (1.0,), (1.0,)),
        ((0.0,), (-1.0,), (1.0,)),
        ((0.0, 1.0), (1.0, 0.0), (0.5, 0.5)),
        ((0.0, 1.0), (1.0, 1.0), (0.5, 0.6)),
        ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0)),
        ((), (), ()),
    ],
)
def test_parts_that_make_no_law_are_refused(parts):
    with pytest.raises(WorldError, match="expected one of each for every part"):
        NormalMixture(*parts)
