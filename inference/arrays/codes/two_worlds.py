r"""How many bits describe each of two worlds, alone and to somebody who knows the other?

The law of a measurement is described as finely as its draws justify. Draws that resemble their
neighbours justify less than their number, and both worlds' are counted as being worth what the
less certain one's are: else the longer description might be that of the longer chain.

A likeliest description jumps from one tree to the next, so its error is not found by leaving out
blocks one by one, which would take every jump for a slope. Every other block is left out instead
and the rest counted twice, at random, in both worlds alike: so the draws stay as many, and the
bits vary about as much as from one sample to another.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from inference.arrays.codes.code import Code
from inference.arrays.codes.flat_codes import flat_code, flat_code_given
from inference.arrays.codes.tree_codes import tree_code, tree_code_given

__all__ = ["DESCRIPTIONS", "LENGTHS", "Described", "described"]

DESCRIPTIONS = ("on", "off", "on_given_off", "off_given_on")
LENGTHS = (*DESCRIPTIONS, "information")


@dataclass(frozen=True)
class Described:
    """The descriptions of two worlds, let in (``on``) and erased (``off``).

    Parameters
    ----------
    lengths
        Of :data:`LENGTHS`, bits, shape (measurement,).
    errors
        Their standard deviations over halves of the blocks, shape (measurement,).
    laws
        By description: what is described and what the decoder starts from, each of shape
        (measurement, leaf) with a power of 2 of leaves.
    """

    lengths: dict[str, np.ndarray]
    errors: dict[str, np.ndarray]
    laws: dict[str, tuple[np.ndarray, np.ndarray]]


def described(
    let_in: np.ndarray,
    erased: np.ndarray,
    *,
    worth: np.ndarray,
    signs: np.ndarray,
    levels: bool = False,
) -> Described:
    """Describe two worlds, each alone and given the other.

    Parameters
    ----------
    let_in, erased
        Counts, shape (block, cell, measurement).
    worth
        How many independent draws a draw is worth, in (0, 1], shape (measurement,).
    signs
        From :func:`inference.arrays.sign_flips.random_signs`: the halves, some forty of them.
    levels
        Whether cells are values, none nearer to one than to another, of which there are as many
        as either world visits; else leaves of a tree.

    Returns
    -------
    Described

    Examples
    --------
    >>> from inference.arrays.sign_flips import random_signs
    >>> counts = np.random.default_rng(0).multinomial(100, [0.1, 0.4, 0.4, 0.1], size=(2, 40))
    >>> found = described(*counts[..., None], worth=np.ones(1), signs=random_signs(40, 40))
    >>> {name: round(bits.item()) for name, bits in found.lengths.items()}
    {'on': 21, 'off': 21, 'on_given_off': 3, 'off_given_on': 3, 'information': 16}
    """
    on, off = (
        np.moveaxis(counts, 1, 2).astype(float) * worth[:, None] for counts in (let_in, erased)
    )
    _, measurements, cells = on.shape
    lengths = {name: np.empty(measurements) for name in LENGTHS}
    errors = {name: np.empty(measurements) for name in LENGTHS}
    laws = {n: np.zeros((2, measurements, _power_of_two(cells))) for n in DESCRIPTIONS}
    twice = 1.0 + signs.astype(float)
    for members, one, other in _groups(on, off, levels):
        codes = _codes(one.sum(axis=0), other.sum(axis=0), levels)
        halves = [np.tensordot(twice, counts, axes=1) for counts in (one, other)]
        varied = _lengths(_codes(halves[0], halves[1], levels))
        for name, code in codes.items():
            laws[name][:, members, : code.start.shape[-1]] = code.probabilities, code.start
        for name, bits in _lengths(codes).items():
            lengths[name][members], errors[name][members] = bits, varied[name].std(axis=0)
    return Described(lengths, errors, {name: (law[0], law[1]) for name, law in laws.items()})


def _codes(on: np.ndarray, off: np.ndarray, levels: bool) -> dict[str, Code]:
    alone = flat_code if levels else tree_code
    other = flat_code_given if levels else tree_code_given
    return {
        "on": alone(on),
        "off": alone(off),
        "on_given_off": other(on, off),
        "off_given_on": other(off, on),
    }


def _lengths(codes: dict[str, Code]) -> dict[str, np.ndarray]:
    found = {name: code.model_bits for name, code in codes.items()}
    return found | {"information": codes["off"].bits - codes["off_given_on"].bits}


def _groups(
    on: np.ndarray, off: np.ndarray, levels: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Group measurements with as many values, or fill up the leaves of a tree."""
    if not levels:
        more = _power_of_two(on.shape[2]) - on.shape[2]
        room = (0, 0), (0, 0), (0, more)
        yield np.arange(on.shape[1]), np.pad(on, room), np.pad(off, room)
        return
    met = (on + off).any(axis=0)
    order = np.argsort(~met, axis=1, kind="stable")
    for size in np.unique(met.sum(axis=1)):
        members = np.flatnonzero(met.sum(axis=1) == size)
        places = order[None, members, :size]
        one, other = (np.take_along_axis(c[:, members], places, axis=2) for c in (on, off))
        yield members, one, other


def _power_of_two(cells: int) -> int:
    return 1 << (cells - 1).bit_length()
