r"""How few bits describe a text?

The least of several codes, each of which a decoder can be told the name of: its symbols one by
one, deflate, LZMA, and adaptive codes that learn how often each symbol follows the last k,

.. math:: -\log_2 \prod_t \frac{n_{s_t} + 1/2}{n + K/2}

(Krichevsky and Trofimov), which for texts under 200 symbols beat the others by far. All are upper
bounds on the length in their language; nothing bounds it from below.
"""

import lzma
import zlib
from collections import Counter

import numpy as np
from scipy import special

from counterfactual_models.errors import CounterfactualError, refuse_counts

__all__ = ["adaptive_bits", "code_lengths", "description_bits"]

_BYTES = 256
_ORDERS = (0, 1, 2)


def description_bits(text: str, alphabet: str | None = None) -> float:
    """How many bits describe a text by the best of several codes, and name the code?

    Parameters
    ----------
    text
        Anything.
    alphabet
        Symbols that decoder and encoder have agreed on; None for bytes. With an alphabet the
        decoder knows where the text ends (as a path does at the goal); bytes say how many they
        are, where the code does not.

    Returns
    -------
    float
        Bits, more than 0.

    Raises
    ------
    CounterfactualError
        If a symbol is not in the alphabet.

    Examples
    --------
    >>> round(description_bits("RRDDRRRD" * 4, alphabet="UDLR"), 2)  # log2(6) to name the code
    41.01
    """
    lengths = code_lengths(text, alphabet)
    return min(lengths.values()) + float(np.log2(len(lengths)))


def code_lengths(text: str, alphabet: str | None = None) -> dict[str, float]:
    """How many bits does each code take for a text?

    Parameters
    ----------
    text, alphabet
        As in :func:`description_bits`.

    Returns
    -------
    dict of str to float
        Bits of ``symbols``, ``deflate``, ``lzma`` and ``adaptive`` codes that look 0, 1 or 2
        symbols back.

    Raises
    ------
    CounterfactualError
        If a symbol is not in the alphabet, or that is empty.

    Examples
    --------
    >>> code_lengths("RRDDRRRD", alphabet="UDLR")["symbols"]
    16.0
    """
    data = text.encode()
    if alphabet == "":
        raise CounterfactualError(
            "got an empty alphabet; expected one symbol at least, or None for bytes."
        )
    if alphabet is not None and not set(text) <= set(alphabet):
        raise CounterfactualError(
            f"got a text with the symbols {sorted(set(text) - set(alphabet))}; expected only "
            f"those of the alphabet {alphabet!r}."
        )
    size = _BYTES if alphabet is None else len(set(alphabet))
    symbols: str | bytes = data if alphabet is None else text
    ending = 2 * float(np.floor(np.log2(len(data) + 1))) + 1 if alphabet is None else 0.0
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": max(4096, len(data))}]
    return {
        "symbols": len(symbols) * float(np.log2(size)) + ending,
        "deflate": 8.0 * len(squeezer.compress(data) + squeezer.flush()),
        "lzma": 8.0 * len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters)),
        **{
            f"adaptive {order}": adaptive_bits(symbols, size, order=order) + ending
            for order in _ORDERS
        },
    }


def adaptive_bits(symbols: str | bytes, size: int, *, order: int = 0) -> float:
    r"""How many bits does a code take that learns how often each symbol follows the last ones?

    .. math:: \sum_c \log_2 \frac{\Gamma(n_c + K/2)\,\Gamma(1/2)^K}
                                {\Gamma(K/2)\,\prod_s \Gamma(n_{cs} + 1/2)}

    Parameters
    ----------
    symbols
        Text or bytes.
    size
        K, symbols there are, at least those that are met, and 1.
    order
        How many symbols it looks back, at least 0. The first ones have contexts of their own.

    Returns
    -------
    float
        Bits, at least 0; what the arithmetic coder rounds up is not counted (below 2 bits).

    Raises
    ------
    CounterfactualError
        If a count is none, or more symbols are met than there are.

    References
    ----------
    Krichevsky and Trofimov (1981), "The performance of universal encoding", *IEEE IT* 27.

    Examples
    --------
    >>> round(adaptive_bits("aaaa", 2), 6)  # 1/2 * 3/4 * 5/6 * 7/8
    1.870717
    """
    refuse_counts(0, order=order)
    refuse_counts(1, size=size)
    distinct = len(set(symbols))
    if distinct > size:
        raise CounterfactualError(
            f"got size={size} for {distinct} different symbols; expected at least {distinct}."
        )
    pairs = Counter((symbols[max(0, t - order) : t], symbols[t]) for t in range(len(symbols)))
    met = np.array(list(pairs.values()), dtype=float)
    contexts: Counter[str | bytes] = Counter()
    for (context, _), count in pairs.items():
        contexts[context] += count
    totals = np.array(list(contexts.values()), dtype=float)
    nats = np.sum(special.gammaln(totals + size / 2) - special.gammaln(size / 2))
    nats -= np.sum(special.gammaln(met + 0.5) - special.gammaln(0.5))
    return float(max(nats, 0.0) / np.log(2))
