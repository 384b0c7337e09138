"""Sums and elementary functions with the same bits on every machine (docs/numerics.md).

IEEE 754 fixes the last bit of +, -, *, / and the square root, and of nothing else: what numpy sums in, and what exp and
log of a C library give, depends on the CPU. Everything here is made of those operations, one element at a time.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42fee00000p-1"), float.fromhex("0x1.a39ef35793c76p-33")  # their sum is ln 2
LOG2_E = float.fromhex("0x1.71547652b82fep+0")


def total(values: npt.ArrayLike, axis: int | None = None) -> Floats:
    """Sum in float64 over an axis, or over all values: halves are added, element by element, until one is left.

    As accurate as pairwise summation (N. J. Higham, SIAM J. Sci. Comput. 14, 783, 1993).
    """
    rest = np.asarray(values, dtype=np.float64)
    if axis is None or rest.ndim == 1:
        return _total_of_row(rest.reshape(-1))
    before: tuple[Any, ...] = (slice(None),) * (axis % rest.ndim)
    while (count := rest.shape[axis]) > 1:
        half = count // 2
        halves = rest[(*before, slice(half))] + rest[(*before, slice(half, 2 * half))]
        if count % 2:
            halves[(*before, slice(1))] += rest[(*before, slice(2 * half, None))]
        rest = halves
    return rest[(*before, 0)] if rest.shape[axis] else np.zeros(rest.shape[:axis] + rest.shape[axis + 1 :])


def _total_of_row(row: Floats) -> Any:
    while (count := len(row)) > 32:
        half = count // 2
        halves = row[:half] + row[half : 2 * half]
        if count % 2:
            halves[0] += row[-1]
        row = halves
    numbers = row.tolist() or [0.0]
    while (count := len(numbers)) > 1:  # for so few, an array costs more than it saves
        half = count // 2
        pairs = [a + b for a, b in zip(numbers[:half], numbers[half : 2 * half], strict=True)]
        numbers = [pairs[0] + numbers[-1], *pairs[1:]] if count % 2 else pairs
    return np.float64(numbers[0])


def mean(values: npt.ArrayLike, axis: int | None = None) -> Floats:
    """Mean in float64 over an axis, or over all values, by `total`."""
    values = np.asarray(values)
    result: Floats = total(values, axis) / (values.size if axis is None else values.shape[axis])
    return result


def cholesky(gram: Floats) -> list[tuple[int, Floats]]:
    """Factorise a positive semidefinite matrix (F, F), the largest pivot first.

    Returns
    -------
    list of (pivot, column), column (F,); shorter than F where rows are determined by others
    """
    rest, left = gram.copy(), gram.diagonal().copy()
    least = len(gram) * 2.0**-52 * left.max(initial=0.0)
    pivots: list[int] = []
    columns: list[Floats] = []
    while len(pivots) < len(gram) and left[pivot := int(left.argmax())] > least:
        column = rest[:, pivot] / math.sqrt(left[pivot])
        column[pivots] = 0.0
        rest -= column[:, None] * column
        pivots.append(pivot)
        columns.append(column)
        left = rest.diagonal().copy()
        left[pivots] = 0.0
    return [*zip(pivots, columns, strict=True)]


def solve(gram: Floats, moments: Floats) -> Floats:
    """Least squares by the normal equations: Cholesky's factors with pivots, and two rounds of refinement.

    Parameters
    ----------
    gram : (F, F), positive semidefinite. Rows that the others determine get the weight 0
    moments : (F,)
    """
    factors = cholesky(gram)
    weights, wanted = np.zeros(len(gram)), moments
    for _ in range(3):
        known = []
        for pivot, column in factors:
            known.append(wanted[pivot] / column[pivot])
            wanted = wanted - column * known[-1]
        change = np.zeros(len(gram))
        for (pivot, column), value in reversed([*zip(factors, known, strict=True)]):
            change[pivot] = (value - total(column * change)) / column[pivot]
        weights += change
        wanted = moments - total(gram * weights, axis=1)
    return weights


def inverse_diagonal(gram: Floats) -> Floats:
    """Diagonal of the inverse of a positive semidefinite matrix (F, F); 0 for rows that the others determine.

    With gram = L L', it is the squared length of the columns of the inverse of L.
    """
    wanted, squares = np.eye(len(gram)), np.zeros(len(gram))
    for pivot, column in cholesky(gram):
        known = wanted[pivot] / column[pivot]
        wanted -= column[:, None] * known
        squares += known * known
    return squares


def power(base: float, exponent: int) -> float:
    """Raise to a whole power of 0 or more, by squaring."""
    result = 1.0
    while exponent:
        if exponent % 2:
            result *= base
        base *= base
        exponent //= 2
    return result


def exp(values: npt.ArrayLike) -> Floats:
    """Natural exponential of float64, to two units in the last place."""
    x = np.asarray(values, dtype=np.float64)
    twos = np.rint(x * LOG2_E)
    result: Floats = np.ldexp(_exp_near_0(x - twos * LN2_HIGH - twos * LN2_LOW), twos.astype(np.int64))
    return result


def exp_of(x: float) -> float:
    """`exp` of one number: the same bits without an array around it."""
    twos = round(x * LOG2_E)
    return math.ldexp(_exp_near_0(x - twos * LN2_HIGH - twos * LN2_LOW), twos)


def _exp_near_0(r: Any) -> Any:
    """Padé's approximant of order 6 over 6, exact to 2e-19 for |r| <= ln(2) / 2."""
    s = r * r
    even, odd = 665280.0 + s * (75600.0 + s * (840.0 + s)), r * (332640.0 + s * (10080.0 + s * 42.0))
    return (even + odd) / (even - odd)


def log(values: npt.ArrayLike) -> Floats:
    """Natural logarithm of finite float64, to two units in the last place; -inf of 0, NaN below."""
    x = np.asarray(values, dtype=np.float64)
    mantissa, twos = np.frexp(x)
    low = mantissa < math.sqrt(0.5)
    mantissa, twos = np.where(low, 2 * mantissa, mantissa), twos - low
    with np.errstate(divide="ignore", invalid="ignore"):  # of what is not positive
        s = (mantissa - 1) / (mantissa + 1)
        z, series = s * s, np.zeros_like(s)
        for odd in range(21, 0, -2):  # 2 artanh(s), |s| <= 0.172
            series = 1 / odd + z * series
    result = twos * LN2_HIGH + (twos * LN2_LOW + 2 * s * series)
    return np.where(x > 0, result, np.where(x == 0, -np.inf, np.nan))


def cube_root(x: float) -> float:
    """Cube root of one positive number: Halley's iteration, which triples the digits each time."""
    mantissa, twos = math.frexp(x)
    thirds, rest = divmod(twos, 3)
    a, y = math.ldexp(mantissa, rest), 1.2
    for _ in range(4):
        cube = y * y * y
        y *= (cube + 2 * a) / (2 * cube + a)
    return math.ldexp(y, thirds)
