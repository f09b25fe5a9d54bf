"""Is the easiest path the easiest of all paths?"""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    ThresholdSearch,
    algorithmic_range,
    drawdown,
    reachability,
)


def simple_paths(graph, path, target):
    if path[-1] == target:
        yield path
        return
    for near in graph[path[-1]]:
        if near not in path:
            yield from simple_paths(graph, [*path, near], target)


@st.composite
def landscapes(draw):
    size = draw(st.integers(2, 7))
    pairs = [(i, j) for i in range(size) for j in range(i)]
    edges = draw(st.lists(st.sampled_from(pairs), unique=True))
    graph = {node: [] for node in range(size)}
    for i, j in edges:
        graph[i].append(j)
        graph[j].append(i)
    heights = draw(st.lists(st.integers(0, 9), min_size=size, max_size=size))
    return graph, dict(enumerate(map(float, heights)))


@settings(deadline=None)
@given(landscape=landscapes())
def test_no_path_falls_less(landscape):
    graph, height = landscape
    for target in graph:
        every = simple_paths(graph, [0], target)
        least = min((drawdown([height[n] for n in path]) for path in every), default=np.inf)
        found = reachability(graph, height, 0, target)
        assert found.drawdown == least
        if found.reachable:
            assert (found.path[0], found.path[-1]) == (0, target)
            assert drawdown([height[node] for node in found.path]) == least
            assert all(there in graph[here] for here, there in pairwise(found.path))


@settings(deadline=None)
@given(landscape=landscapes(), tolerance=st.integers(0, 5))
def test_the_range_is_all_that_is_reachable(landscape, tolerance):
    graph, height = landscape
    each = {node: reachability(graph, height, 0, node).drawdown for node in graph}
    within = {node: least for node, least in each.items() if least <= tolerance}
    assert algorithmic_range(graph, height, 0, tolerance) == within
    for node in graph:
        assert reachability(graph, height, 0, node, tolerance).reachable == (node in within)


@pytest.mark.parametrize(("needed", "fall"), [(1, 0.0), (3, 0.0625), (6, 0.390625), (9, 1.0)])
def test_the_more_of_a_search_must_be_there_the_harder_it_is_to_reach(needed, fall):
    code = ThresholdSearch(parts=10, needed=needed)
    found = reachability(code.neighbours, code, (0,) * 10, (1,) * 10)
    assert found.drawdown == fall
    wanted = reachability(code.neighbours, code, (0,) * 10, lambda node: sum(node) >= needed)
    assert wanted.drawdown == fall and sum(wanted.path[-1]) == needed
    short = reachability(code.neighbours, code, (0,) * 10, (1,) * 10, tolerance=0.99 * fall)
    assert short.reachable == (fall == 0)


def test_a_detour_over_a_low_summit_beats_a_high_one():
    """After the higher summit the same valley is further below the best."""
    graph = {"a": ["high", "low"], "high": ["valley"], "low": ["valley"], "valley": ["end"]}
    graph["end"] = []
    height = {"a": 2.0, "high": 9.0, "low": 1.5, "valley": 1.0, "end": 10.0}
    found = reachability(graph, height, "a", "end")
    assert found.path == ("a", "low", "valley", "end")
    assert found.drawdown == 1.0


def test_a_fall_of_just_the_tolerance_is_put_up_with_though_it_rounds():
    line, height = {0: [1], 1: [2], 2: []}, {0: 1.0, 1: 0.7, 2: 2.0}
    assert 1.0 - 0.7 > 0.3
    assert reachability(line, height, 0, 2, tolerance=0.3).reachable
    assert list(algorithmic_range(line, height, 0, 0.3)) == [0, 1, 2]
    assert not reachability(line, height, 0, 2, tolerance=0.3 - 1e-12).reachable
    assert reachability(line, height, 0, 2, tolerance=np.inf).reachable


def test_a_start_is_reached():
    assert reachability({0: []}, {0: -5.0}, 0, 0).path == (0,)


def test_what_is_missing_or_endless_is_refused():
    with pytest.raises(CounterfactualError, match=r"no performance of 'b'\. .*There are: 'a'"):
        reachability({"a": ["b"]}, {"a": 0.0}, "a", "b")
    with pytest.raises(CounterfactualError, match="no neighbours of 'b'"):
        reachability({"a": ["b"]}, {"a": 0.0, "b": 0.0}, "a", "c")
    with pytest.raises(CounterfactualError, match=r"got performance\[1\]=nan"):
        reachability({0: [1], 1: []}, {0: 0.0, 1: np.nan}, 0, 1)
    with pytest.raises(CounterfactualError, match="more than 100 states"):
        reachability(lambda n: [n + 1], lambda n: 0.0, 0, -1, most_states=100)
    with pytest.raises(CounterfactualError, match="expected 1 to 10"):
        ThresholdSearch(parts=10, needed=11)
    with pytest.raises(CounterfactualError, match="expected one number a step"):
        drawdown([])
    for parts, needed in ((10.5, 3), (10, 2.5), (10, 0)):
        with pytest.raises(CounterfactualError, match="expected a whole number of at least 1"):
            ThresholdSearch(parts, needed)
