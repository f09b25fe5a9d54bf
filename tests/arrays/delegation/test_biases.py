"""Does the measured program do what the measured length stands for, and do prices decide?"""

import inspect
import zlib
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csgraph, csr_matrix

from counterfactual_models.errors import CounterfactualError
from inference.arrays.delegation import (
    MOVES,
    Program,
    code_lengths,
    critical_time_price,
    crossing_size,
    description_bits,
    find_path,
    junction_bits,
    mazes_until_search,
    minified,
    moves,
    perfect_maze,
    preferred,
    programs_for_maze,
)
from inference.arrays.delegation.code_lengths import adaptive_bits
from inference.arrays.delegation.mazes import search_steps


def executed(text):
    names = {}
    exec(text, names)
    return names["f"]


@given(size=st.integers(1, 12), seed=st.integers(0, 1000))
def test_a_maze_is_a_tree(size, seed):
    maze = perfect_maze(size, seed=seed)
    assert len(maze) == size**2
    assert search_steps(maze) == 2 * (size**2 - 1)
    assert all(here in maze[there] for here in maze for there in maze[here])
    assert len(find_path(maze, (0, 0), (size - 1, size - 1))) >= 2 * size - 1


@given(size=st.integers(2, 9), seed=st.integers(0, 1000))
def test_the_measured_text_finds_the_shortest_path(size, seed):
    maze = perfect_maze(size, seed=seed)
    path = executed(minified(find_path))(maze, (0, 0), (size - 1, size - 1))
    assert path == find_path(maze, (0, 0), (size - 1, size - 1))
    rows = [(i * size + j, k * size + m) for (i, j), near in maze.items() for k, m in near]
    links = csr_matrix((np.ones(len(rows)), np.array(rows).T), shape=(size**2,) * 2)
    assert len(path) - 1 == csgraph.shortest_path(links, indices=0, unweighted=True)[-1]


def test_the_measured_text_is_the_program_and_short():
    text = minified(find_path)
    assert len(text) < 180 < len(inspect.getsource(find_path))
    assert '"""' not in text and "->" not in text


def test_a_text_keeps_its_blanks_and_its_builtins():
    def greeting(names: list[str]) -> str:
        """Say hello."""
        count: int = len(names)
        return ", ".join(names) + str(count)

    text = minified(greeting)
    assert executed(text)(["a", "b"]) == "a, b2"
    with pytest.raises(CounterfactualError, match="cannot be read"):
        minified(len)


def nested(x):
    def inner(y):
        return y + 1

    return inner(x)


def keyword(numbers, reverse):
    return sorted(numbers, reverse=reverse)


def outer(x):
    global SHARED
    SHARED = x
    return x


def f(x):
    return 2 * x


def reads_f(x):
    return f(x)


def handles(number):
    try:
        return 1 / number
    except ZeroDivisionError as error:
        return str(error)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (nested, "has a FunctionDef in line 2"),
        (outer, "has a Global"),
        (keyword, r"keywords \['reverse'\]"),
        (reads_f, "reads the name 'f'"),
    ],
)
def test_a_text_that_would_mean_something_else_is_refused(function, said):
    with pytest.raises(CounterfactualError, match=said):
        minified(function)


def test_errors_by_name_and_functions_named_f_are_shortened():
    assert executed(minified(handles))(0) == "division by zero"
    assert executed(minified(f))(4) == 8


@given(turns=st.text(MOVES, min_size=1, max_size=60), order=st.integers(0, 2))
def test_an_adaptive_code_is_the_product_of_its_predictions(turns, order):
    seen, chance = Counter(), Fraction(1)
    for t, letter in enumerate(turns):
        context = turns[max(0, t - order) : t]
        total = sum(seen[context, other] for other in MOVES)
        chance *= Fraction(2 * seen[context, letter] + 1, 2 * total + 4)
        seen[context, letter] += 1
    exact = np.log2(float(chance.denominator)) - np.log2(float(chance.numerator))
    assert adaptive_bits(turns, 4, order=order) == pytest.approx(exact, rel=1e-9, abs=1e-9)


def test_adaptive_codes_are_codes():
    words = ["".join(MOVES[k // 4**p % 4] for p in range(5)) for k in range(4**5)]
    for order in (0, 1, 2):
        kraft = sum(2.0 ** -adaptive_bits(word, 4, order=order) for word in words)
        assert kraft == pytest.approx(1, rel=1e-9)


def test_lengths_are_those_of_the_codes():
    text = "abc" * 50
    lengths = code_lengths(text)
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert lengths["deflate"] == 8 * len(squeezer.compress(text.encode()) + squeezer.flush())
    assert code_lengths("UDLR" * 10, MOVES)["symbols"] == 80
    assert description_bits(text) == min(lengths.values()) + np.log2(6)
    with pytest.raises(CounterfactualError, match=r"symbols \['x'\]"):
        code_lengths("Ux", MOVES)
    assert np.isfinite(description_bits(""))


def test_junctions_are_worth_the_logarithm_of_all_leaves_on_average():
    """A code for leaves: 2^-bits over all dead ends adds up to one."""
    maze = perfect_maze(9, seed=4)
    ends = [cell for cell, near in maze.items() if len(near) == 1 and cell != (0, 0)]
    kraft = sum(2.0 ** -junction_bits(maze, find_path(maze, (0, 0), end)) for end in ends)
    assert kraft == pytest.approx(1, rel=1e-9)


def test_length_prefers_the_search_in_large_mazes_and_time_the_path():
    small, large = programs_for_maze(12), programs_for_maze(72)
    assert preferred([small.stored, small.search]) == 0
    assert preferred([large.stored, large.search]) == 1
    price = critical_time_price(large.stored, large.search)
    both = [large.stored, large.search]
    assert 0.01 < price < 1
    assert preferred(both, time_price=0.99 * price) == 1
    assert preferred(both, time_price=1.01 * price) == 0
    assert critical_time_price(small.stored, small.search) == 0
    assert critical_time_price(Program(9, 5), Program(9, 5)) == 0
    assert critical_time_price(Program(9, 5), Program(9, 4)) == np.inf
    assert large.reactive_bits < 0.2 * large.stored.bits


def test_a_search_that_is_longer_and_faster_has_a_price_above_which_it_is_preferred():
    stored, search = Program(10, 1000), Program(900, 100)
    with pytest.raises(CounterfactualError, match="longer and faster"):
        critical_time_price(stored, search)
    price = critical_time_price(search, stored)
    assert preferred([stored, search], 0.99 * price) == 0
    assert preferred([stored, search], 1.01 * price) == 1


def test_state_that_lasts_makes_search_cheaper():
    stored, search = Program(1200.0, 10.0), Program(900.0, 3010.0)
    alone = critical_time_price(stored, search)
    assert alone == pytest.approx(0.1)
    assert critical_time_price(stored, search.serving(10)) > 10 * alone
    assert critical_time_price(stored, search.serving(301)) == np.inf


def test_levins_price_hardly_charges_time():
    large = programs_for_maze(64)
    gained = large.stored.bits - large.search.bits
    assert large.stored.levin_price - large.search.levin_price == pytest.approx(gained, abs=4)


def test_many_small_mazes_are_worth_a_search():
    counts = [
        mazes_until_search(
            [programs_for_maze(size, seed=seed).stored for seed in range(8)],
            programs_for_maze(size).search,
        )
        for size in (6, 8, 16)
    ]
    assert counts == sorted(counts, reverse=True)
    assert 2 < counts[-1] < 15 < counts[0] < 60


def test_the_crossing_comes_between_small_and_large():
    assert crossing_size([16, 32, 64], mazes=5) == 64
    assert crossing_size([16, 64], mazes=5, time_price=10.0) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda: Program(-1.0, 5),
        lambda: Program(1.0, 0),
        lambda: preferred([]),
        lambda: preferred([Program(1, 1)], time_price=-1),
        lambda: mazes_until_search([], Program(1, 1)),
        lambda: programs_for_maze(1),
        lambda: perfect_maze(0),
        lambda: moves([(0, 0), (2, 0)]),
        lambda: adaptive_bits("a", 0),
        lambda: adaptive_bits("abc", 2),
        lambda: code_lengths("", ""),
        lambda: description_bits("", ""),
        lambda: Program([1, 2], 3),
    ],
)
def test_what_makes_no_sense_is_refused(call):
    with pytest.raises(CounterfactualError, match="expected"):
        call()
