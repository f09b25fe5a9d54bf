r"""How few bits describe each drawn world?

A world is a row of whole numbers. Written as bytes: zigzag (0, -1, 1, -2, ... become 0, 1, 2, 3,
...), then seven bits a byte, the lowest first, the eighth set on all bytes of a number but the
last. The decoder knows how many numbers there are.

The length is the least of raw deflate, raw LZMA (which takes half a millisecond a world, and is
asked from 512 bytes on: below, it does not win), and adaptive codes (Krichevsky and Trofimov) that
learn how often each number follows the last 0, 1 or 2, told at first how many different numbers
are possible:

.. math:: 2 \lfloor \log_2 K \rfloor + 1 - \log_2 \prod_t \frac{n_{s_t} + 1/2}{n + K/2};

plus log2(5) bits that say which. Worlds that are drawn again are not compressed again.
"""

import lzma
import zlib
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from scipy import special

from counterfactual_models.errors import MeasurementError

__all__ = ["serialised", "shortest_code_bits"]

_ORDERS = (0, 1, 2)
_CODES = 2 + len(_ORDERS)
_LONG = 512
_AT_ONCE = 2**19
_KNOWN = 2**25


def shortest_code_bits(
    symbols: np.ndarray, compressor: Callable[[bytes], float] | None = None
) -> np.ndarray:
    """How many bits describe each of these worlds?

    Parameters
    ----------
    symbols
        Whole numbers below 2^62 either way, shape (draw, entry).
    compressor
        Another code: called with the bytes of a world, gives bits.

    Returns
    -------
    np.ndarray
        Bits, shape (draw,).

    Raises
    ------
    MeasurementError
        If the compressor gives no finite number of at least 0.

    Examples
    --------
    >>> still, noisy = np.zeros((1, 400), int), np.random.default_rng(0).integers(0, 4, (1, 400))
    >>> bits = shortest_code_bits(np.concatenate([still, noisy]))
    >>> bool(bits[0] < 20), bool(780 < bits[1] < 860)
    (True, True)
    >>> shortest_code_bits(still, lambda data: 8.0 * len(data))
    array([3200.])
    """
    found = np.empty(len(symbols))
    known: dict[bytes, float] = {}
    step = max(1, _AT_ONCE // max(1, symbols.shape[1]))
    for start in range(0, len(symbols), step):
        part = np.ascontiguousarray(symbols[start : start + step], dtype=np.int64)
        texts = serialised(part)
        if len(known) * symbols.shape[1] > _KNOWN:
            known.clear()
        first = {text: place for place, text in reversed(list(enumerate(texts)))}
        new = [place for text, place in first.items() if text not in known]
        if compressor is None:
            lengths = _least(part[new], [texts[place] for place in new])
        else:
            lengths = np.array([_told(compressor, texts[place]) for place in new])
        known |= {texts[place]: float(bits) for place, bits in zip(new, lengths, strict=True)}
        found[start : start + step] = [known[text] for text in texts]
    return found


def serialised(symbols: np.ndarray) -> list[bytes]:
    """Write each row of whole numbers as bytes; small ones take a single byte.

    Examples
    --------
    >>> [list(text) for text in serialised(np.array([[0, -1, 1, 64]]))]
    [[0, 1, 2, 128, 1]]
    """
    unsigned = _zigzag(symbols)
    if not (unsigned >= 128).any():
        return [row.tobytes() for row in unsigned.astype(np.uint8)]
    length = np.ones(unsigned.shape, dtype=np.int64)
    rest = unsigned >> np.uint64(7)
    while rest.any():
        length += rest > 0
        rest >>= np.uint64(7)
    ends = np.cumsum(length.ravel())
    starts = (ends - length.ravel()).reshape(length.shape)
    written = np.empty(ends[-1], dtype=np.uint8)
    for place in range(int(length.max())):
        has = length > place
        low = (unsigned[has] >> np.uint64(7 * place)) & np.uint64(127)
        more = (length[has] > place + 1).astype(np.uint64) << np.uint64(7)
        written[starts[has] + place] = low | more
    cuts = [0, *ends.reshape(length.shape)[:, -1].tolist()]
    data = written.tobytes()
    return [data[a:b] for a, b in pairwise(cuts)]


def _zigzag(symbols: np.ndarray) -> np.ndarray:
    whole = np.asarray(symbols, dtype=np.int64)
    return ((whole << 1) ^ (whole >> 63)).astype(np.uint64)


def _least(symbols: np.ndarray, texts: list[bytes]) -> np.ndarray:
    """Find the shortest of the codes, and name it."""
    squeezed = np.array([_squeezed(text) for text in texts], dtype=float)
    unsigned = _zigzag(symbols)
    for order in _ORDERS:
        squeezed = np.minimum(squeezed, _adaptive(unsigned, order))
    return squeezed + np.log2(_CODES)


def _squeezed(text: bytes) -> float:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    least = len(squeezer.compress(text)) + len(squeezer.flush())
    if len(text) >= _LONG:
        filters = [{"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": max(4096, len(text))}]
        least = min(least, len(lzma.compress(text, format=lzma.FORMAT_RAW, filters=filters)))
    return 8.0 * least


def _adaptive(unsigned: np.ndarray, order: int) -> np.ndarray:
    """Bits of the adaptive code of all rows at once; shape (draw,)."""
    draws, entries = unsigned.shape
    if not draws or not entries:
        return np.zeros(draws)
    size = unsigned.max(axis=1).astype(float) + 1
    # Any numbering of what occurs will do for contexts.
    numbers = np.unique(unsigned, return_inverse=True)[1].reshape(unsigned.shape).astype(np.int64)
    context = np.repeat(np.arange(draws, dtype=np.int64)[:, None], entries, axis=1)
    for back in range(1, order + 1):
        before = np.zeros_like(numbers)  # the first ones follow what nothing else follows
        before[:, back:] = numbers[:, : max(0, entries - back)] + 1
        joined = context * (numbers.max() + 2) + before
        context = np.unique(joined, return_inverse=True)[1].reshape(unsigned.shape)
    pairs = context * (numbers.max() + 1) + numbers
    nats = np.zeros(draws)
    row = np.repeat(np.arange(draws), entries)
    for keys, sign in ((pairs, -1.0), (context, 1.0)):
        _, place, count = np.unique(keys.ravel(), return_index=True, return_counts=True)
        own = row[place]
        prior = np.full(len(own), 0.5) if sign < 0 else 0.5 * size[own]
        # log Γ(n + K/2) - log Γ(K/2) without the digits that it loses from K = 10^15 on.
        spent = special.gammaln(count) - special.betaln(prior, count)
        nats += sign * np.bincount(own, weights=spent, minlength=draws)
    return np.maximum(nats, 0.0) / np.log(2) + 2 * np.floor(np.log2(size)) + 1


def _told(compressor: Callable[[bytes], float], text: bytes) -> float:
    bits = compressor(text)
    try:
        told = float(bits)
    except (TypeError, ValueError):
        told = np.nan
    if not 0 <= told < np.inf:
        raise MeasurementError(
            f"the compressor gave {bits!r} for a world of {len(text)} bytes; expected bits, a "
            "finite number of at least 0, such as lambda data: 8.0 * len(zlib.compress(data))."
        )
    return told
