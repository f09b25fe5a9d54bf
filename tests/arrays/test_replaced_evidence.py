"""What X and each datum are good for: by hand, by law, and by brute force over relabellings."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.finite_laws import entropy_bits, pooled, rearranged_variation
from inference.arrays.finite_laws import variation_distance as variation
from inference.arrays.replaced_evidence import replaced_evidence

LAWS = st.lists(
    st.lists(st.integers(0, 9), min_size=4, max_size=4).filter(any), min_size=4, max_size=4
).map(lambda rows: np.array(rows) / np.sum(rows, axis=1, keepdims=True))


def outer(*laws):
    """Law of independent parts, as one row of cells."""
    found = np.ones(1)
    for law in laws:
        found = np.multiply.outer(found, law).ravel()
    return found


def bernoulli(p):
    return np.array([1 - p, p])


def test_the_takeover_of_the_presidency_by_hand():
    # T09: president 0, code 5 of 8, plant 1; alternatives: president, seven codes, plant.
    def law(governs, plant):
        return outer(bernoulli(0.9 if governs else 0.1), bernoulli(0.5 + 0.1 * plant))

    off = np.array([law(0, 1), law(1, 1), *[law(0, 1)] * 7, law(0, 0)])
    takeover = np.array([law(1, 1), law(1, 1), *[law(0, 1)] * 7, law(1, 0)])
    mimic = np.array([law(0, 1), law(0, 1), *[law(1, 1)] * 7, law(0, 0)])
    data = np.array([0, *[1] * 7, 2])
    found = replaced_evidence(takeover, off, data)
    np.testing.assert_allclose(found.erased, [1.6, 0, 0.2], atol=1e-12)
    np.testing.assert_allclose(found.let_in, [0, 1.6, 0.2], atol=1e-12)
    assert found.ratio == pytest.approx(1.6 / 0.9)
    hidden = replaced_evidence(mimic, off, data)
    assert (hidden.switch, hidden.ratio) == (0, 0)
    for each in (found, hidden):
        assert each.profile_distance == pytest.approx(1.6 / 1.8)
        assert each.gram_distance == pytest.approx(np.hypot(0.6656, 0.0128 * 2**0.5) / 0.682)


def test_a_latent_control_by_hand():
    # T04: gdp follows the harvest; control is 1 if the code is right, and the switch is on.
    good, bad = np.array([0, 0.25, 0.5, 0.25]), np.array([0.25, 0.5, 0.25, 0])
    never, ever = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    off = np.array([outer(good, never), outer(bad, never), *[outer(good, never)] * 7])
    on = np.array([outer(good, ever), outer(bad, ever), *[outer(good, never)] * 7])
    found = replaced_evidence(on, off, np.array([0, *[1] * 7]))
    assert (found.switch, found.ratio) == (2.0, 2.0)
    assert found.profile_distance == pytest.approx(2 / 3)
    assert found.gram_distance == pytest.approx(np.hypot(0.75, 0.125))


def test_only_the_gram_matrix_sees_that_sums_have_become_differences():
    follows = np.array([[0.5, 0.5], [0.6, 0.4], [0.6, 0.4]])
    opposes = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6]])
    found = replaced_evidence(opposes, follows, np.array([0, 1]))
    assert found.profile_distance == pytest.approx(0, abs=1e-12)
    assert found.gram_distance == pytest.approx(1)


def test_alternatives_that_pull_in_opposite_directions_do_not_cancel():
    there_and_back = np.array([[0.5, 0.5], [0.6, 0.4], [0.4, 0.6], [0.7, 0.3]])
    stuck = np.array([[0.5, 0.5], [0.5, 0.5], [0.5, 0.5], [0.7, 0.3]])
    found = replaced_evidence(stuck, there_and_back, np.array([0, 0, 1]))
    assert found.erased[0] == pytest.approx(0.2)
    assert found.gram_distance > 0.1


def test_a_datum_counts_once_however_many_alternatives_it_has():
    off = np.array([[0.5, 0.5, 0], [0.1, 0.9, 0], [0.5, 0.2, 0.3]])
    on = np.array([[0.5, 0.5, 0], [0.2, 0.8, 0], [0.1, 0.2, 0.7]])
    once = replaced_evidence(on, off, np.array([0, 1]))
    thrice = replaced_evidence(on[[0, 1, 1, 1, 2]], off[[0, 1, 1, 1, 2]], np.array([0, 0, 0, 1]))
    for name in ("switch", "erased", "let_in", "ratio", "profile_distance", "gram_distance"):
        np.testing.assert_allclose(getattr(thrice, name), getattr(once, name), atol=1e-12)


@pytest.mark.parametrize(
    ("on", "off", "distance", "ratio"),
    [("stuck", "moves", 1, 0), ("moves", "stuck", 1, 0), ("stuck", "stuck", 0, 0)],
)
def test_what_nothing_matters_to_is_told_by_definition(on, off, distance, ratio):
    laws = {"stuck": np.full((2, 2), 0.5), "moves": np.array([[0.5, 0.5], [0.9, 0.1]])}
    found = replaced_evidence(laws[on], laws[off], np.array([0]))
    assert (found.profile_distance, found.gram_distance, found.ratio) == (
        distance,
        distance,
        ratio,
    )


def test_x_alone_is_infinitely_more_important_than_data_that_do_nothing():
    found = replaced_evidence(np.eye(2)[[0, 0]], np.eye(2)[[1, 1]], np.array([0]))
    assert (found.switch, found.ratio) == (2.0, np.inf)
    alone = replaced_evidence(np.eye(2)[:1], np.eye(2)[1:], np.array([], int))
    assert (alone.ratio, alone.profile_distance) == (np.inf, 0)


def test_rounding_of_single_precision_is_no_importance():
    law = np.array([0.3, 0.7])
    off = np.stack([law, law + np.array([3e-8, -3e-8])])
    assert replaced_evidence(off[::-1], off, np.array([0])).erased.tolist() == [0]
    assert replaced_evidence(off, off, np.array([0]), rounding=0).erased[0] > 0


@given(LAWS, LAWS, st.permutations(range(4)))
def test_distances_are_distances_and_cells_have_no_names(on, off, order):
    data = np.array([0, 1, 1])
    found, same = replaced_evidence(on, off, data), replaced_evidence(off, off, data)
    swapped = replaced_evidence(off, on, data)
    renamed = replaced_evidence(on[:, order], off[:, order], data)
    assert same.profile_distance == 0 and same.gram_distance == pytest.approx(0, abs=1e-9)
    for name in ("profile_distance", "gram_distance"):
        assert -1e-9 <= getattr(found, name) <= 1 + 1e-9
        assert getattr(swapped, name) == pytest.approx(getattr(found, name), abs=1e-9)
        assert getattr(renamed, name) == pytest.approx(getattr(found, name), abs=1e-9)
    # The diagonal is a coarser look than the whole matrix.
    assert 0 <= found.switch <= 2 and renamed.switch == pytest.approx(found.switch)


@given(LAWS)
def test_sorting_finds_the_best_relabelling_of_all(laws):
    best = min(variation(laws[0], laws[1][list(p)]) for p in itertools.permutations(range(4)))
    assert rearranged_variation(laws[0], laws[1]) == pytest.approx(float(best), abs=1e-12)


@given(LAWS)
def test_pooling_keeps_probability_and_never_adds_variation(laws):
    values = np.array([[0.0], [1.0], [0.0], [2.0]])
    rows, found = pooled(values, laws)
    assert rows.ravel().tolist() == [0, 1, 2]
    np.testing.assert_allclose(found[:, 0], laws[:, 0] + laws[:, 2])
    assert variation(found[0], found[1]) <= variation(laws[0], laws[1]) + 1e-12
    assert (entropy_bits(found) <= entropy_bits(laws) + 1e-12).all()
    order, same = pooled(values[[3, 1, 0]] + 0.5, laws[:, :3])
    assert order.ravel().tolist() == [0.5, 1.5, 2.5]
    np.testing.assert_array_equal(same, laws[:, [2, 1, 0]])


@pytest.mark.parametrize("data", [[0], [0, 2, 1, 1], [0.5, 0, 1], [1, 1, 2]])
def test_a_datum_for_each_law_but_the_first_is_asked_for(data):
    laws = np.full((4, 2), 0.5)
    with pytest.raises(CounterfactualError, match=r"4 laws.*without a gap"):
        replaced_evidence(laws, laws, np.array(data))


@pytest.mark.parametrize("laws", [np.ones(3), np.full((2, 2), np.nan), np.ones((0, 2))])
def test_laws_that_are_none_are_refused(laws):
    with pytest.raises(CounterfactualError, match="erased has shape"):
        replaced_evidence(laws, laws, np.array([0]))
