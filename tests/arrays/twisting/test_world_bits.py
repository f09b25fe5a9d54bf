"""Are worlds written down so that they can be read, in no more bits than they need?"""

import math
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterfactual_models.errors import MeasurementError
from inference.arrays.delegation.code_lengths import adaptive_bits
from inference.arrays.twisting.world_bits import (
    _adaptive,
    _zigzag,
    serialised,
    shortest_code_bits,
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**61), 2**61) | st.integers(-3, 3), min_size=1, max_size=12),
    st.lists(st.integers(-9, 9), min_size=1, max_size=12),
)
def test_what_is_written_down_can_be_read_again(first, second):
    length = min(len(first), len(second))
    rows = np.array([first[:length], second[:length]])
    for row, text in zip(rows, serialised(rows), strict=True):
        read, number, shift = [], 0, 0
        for byte in text:
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                read.append((number >> 1) ^ -(number & 1))
                number = shift = 0
        assert read == row.tolist()


def test_the_shortest_of_the_codes_is_taken_and_named():
    """World by world: numbers that are rare, that follow one another, that follow the last two."""
    rng = np.random.default_rng(11)
    rare = rng.choice([0, -1, 2], p=[0.8, 0.1, 0.1], size=(8, 60))
    steps = np.cumsum(rng.choice([1, 2], p=[0.95, 0.05], size=(8, 60)), axis=1) % 4
    pairs = rng.integers(0, 2, size=(8, 60))
    for place in range(2, 60):
        pairs[:, place] = (pairs[:, place - 1] + pairs[:, place - 2]) % 2 ^ (rng.random(8) < 0.02)
    worlds = np.concatenate([rare, steps, pairs, np.tile(np.arange(30), (1, 2))])
    best = []
    for row, bits in zip(worlds, shortest_code_bits(worlds), strict=True):
        text = bytes(2 * n if n >= 0 else -2 * n - 1 for n in row.tolist())
        size = max(text) + 1
        named = 2 * np.floor(np.log2(size)) + 1
        codes = [adaptive_bits(text, size, order=order) + named for order in (0, 1, 2)]
        squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
        codes.append(8.0 * len(squeezer.compress(text) + squeezer.flush()))
        assert bits == pytest.approx(min(codes) + np.log2(5))
        best.append(int(np.argmin(codes)))
    assert set(best) == {0, 1, 2, 3}, "every code is the shortest of some world"


def test_a_world_is_as_long_whatever_worlds_it_comes_with():
    symbols = np.random.default_rng(12).integers(0, 3, size=(50, 700)) * 300
    together = shortest_code_bits(symbols)
    assert together[:5] == pytest.approx([shortest_code_bits(row[None])[0] for row in symbols[:5]])
    assert (together < 8.0 * 2 * 700).all()


def test_order_is_simple_and_noise_is_not():
    rng = np.random.default_rng(13)
    still, striped = np.zeros((1, 400), int), np.tile([0, 1, 2, 3], 100)[None]
    noise = rng.integers(0, 4, size=(1, 400))
    bits = shortest_code_bits(np.concatenate([still, striped, noise]))
    assert bits[0] < 30 and bits[1] < 120 and 750 < bits[2] < 900


def test_a_compressor_of_ones_own_is_asked_once_for_every_world():
    asked = []

    def compressor(data):
        asked.append(data)
        return 8 * len(zlib.compress(data))

    symbols = np.repeat(np.arange(3), 5)[:, None]
    bits = shortest_code_bits(symbols, compressor)
    assert len(asked) == 3 and (bits == 8 * 9).all()
    for bad in ("many", None, -1.0, np.nan, np.inf):
        with pytest.raises(MeasurementError, match="expected bits"):
            shortest_code_bits(symbols, lambda data, bad=bad: bad)


@pytest.mark.parametrize("exponent", [0, 3, 9, 12, 14, 15, 16, 17, 18])
def test_the_adaptive_code_keeps_its_digits_however_many_numbers_are_possible(exponent):
    """Against exact sums of logarithms: no number below what K alone takes."""
    rng = np.random.default_rng(exponent)
    symbols = np.rint(rng.normal(size=(4, 64)) * 10.0**exponent).astype(np.int64)
    for row, order in ((row, order) for row in symbols for order in (0, 1, 2)):
        unsigned = _zigzag(row[None])
        size, nats = int(unsigned.max()) + 1, 0.0
        seen, before = {}, {}
        for place, number in enumerate(unsigned[0].tolist()):
            last = [*unsigned[0, max(0, place - order) : place].tolist()]
            context = (None,) * (order - len(last)) + tuple(last)
            own = seen.get((context, number), 0)
            nats -= math.log(own + 0.5) - math.log(before.get(context, 0) + size / 2)
            seen[context, number] = own + 1
            before[context] = before.get(context, 0) + 1
        exact = nats / math.log(2) + 2 * math.floor(math.log2(size)) + 1
        assert _adaptive(unsigned, order)[0] == pytest.approx(exact, abs=1e-5)
        assert exact > 64 * (math.log2(size) - 6)
