"""Which whole numbers stand in the order of these floats, with bits to spare for a label?

A float's bits, read as an integer, are in its order where it is positive, and mirrored where it
is negative. Below one in size, the first bit after the sign is never needed: such a key can be
shifted by one, and take a label, with no digit lost. Sorting integers then sorts labelled floats.
"""

import numpy as np

__all__ = ["as_floats", "as_keys", "room", "root_of_two", "side_by_side"]

SMALLEST_EXPONENT = -1000


def side_by_side(first: np.ndarray, second: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Put rows of both next to each other, divided by a power of two that brings them below one.

    Nothing is rounded, except what is smaller than a row's largest by a factor of 2^1022.

    Parameters
    ----------
    first, second
        Shapes (row, n) and (row, m); finite.
    out
        Where to put them, double precision, shape (row, n + m).

    Returns
    -------
    np.ndarray
        The exponents, shape (row,).

    Examples
    --------
    >>> out = np.empty((1, 3))
    >>> side_by_side(np.array([[1, -6]]), np.array([[3]]), out), out
    (array([3], dtype=int32), array([[ 0.125, -0.75 ,  0.375]]))
    """
    out[:, : first.shape[1]] = first
    out[:, first.shape[1] :] = second
    largest = np.maximum(out.max(axis=1), -out.min(axis=1))
    exponents = np.maximum(np.frexp(largest)[1], SMALLEST_EXPONENT)
    out *= np.ldexp(1.0, -exponents)[:, None]
    return exponents


def as_keys(floats: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """Turn floats into integers in the same order, in the same memory.

    A negative zero comes just before zero.

    Parameters
    ----------
    floats
        Single or double precision, shape (row, draw); overwritten.
    scratch
        As many doubles, or more; overwritten.

    Examples
    --------
    >>> as_keys(np.array([[-0.5, -0.0, 0.0, 0.5]]), np.empty(4)).argsort()
    array([[0, 1, 2, 3]])
    """
    return _mirrored(floats.view(np.int32 if floats.dtype == np.float32 else np.int64), scratch)


def as_floats(keys: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    """Turn them back, in the same memory.

    Examples
    --------
    >>> scratch = np.empty(2)
    >>> as_floats(as_keys(np.array([[-0.3, 7.0]]), scratch), scratch)
    array([[-0.3,  7. ]])
    """
    return _mirrored(keys, scratch).view(np.float32 if keys.dtype == np.int32 else np.float64)


def room(memory: np.ndarray, shape: tuple[int, int], kind: type | np.dtype) -> np.ndarray:
    """Lay an array of this shape and type into doubles that are there.

    Examples
    --------
    >>> room(np.zeros(4), (2, 3), np.int32)
    array([[0, 0, 0],
           [0, 0, 0]], dtype=int32)
    """
    return memory.view(kind)[: shape[0] * shape[1]].reshape(shape)


def root_of_two(exponents: np.ndarray) -> np.ndarray:
    """Root of this power of two, which may itself be too large for a number.

    Examples
    --------
    >>> root_of_two(np.array([4, -1, 1024])).tolist() == [4.0, 0.5**0.5, 2.0**512]
    True
    """
    return np.ldexp(np.sqrt(1.0 + exponents % 2), exponents // 2)


def _mirrored(bits: np.ndarray, scratch: np.ndarray) -> np.ndarray:
    mirror = room(scratch, bits.shape, bits.dtype)
    np.right_shift(bits, 8 * bits.itemsize - 1, out=mirror)
    mirror &= np.iinfo(bits.dtype).max
    bits ^= mirror
    return bits
