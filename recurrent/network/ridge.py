"""Ridge regression of the label on all features of the window: the best forecast that is linear in what is read.

Legend of shapes: N windows, B windows of a batch, T steps, D features, K targets, F = T x D + 1 features and the
intercept.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.numerics import cholesky, inverse_diagonal, mean, solve, total
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ridge:
    """A fitted regression; it is called as a network is.

    Parameters
    ----------
    middle : (D,), subtracted from each step
    weights : (K, F), the last of them the intercept
    penalties : (K,), those that were chosen
    """

    middle: Floats
    weights: Floats
    penalties: tuple[float, ...]

    def arrays(self) -> dict[str, Floats]:
        """Return name -> array, which a file holds in float64: rounded, the weights would lose a smooth series."""
        return {name: np.asarray(value, dtype=np.float64) for name, value in vars(self).items()}

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], *, features: int, targets: int) -> "Ridge":
        """Return what `arrays` is of; ValueError where the shapes are not those of such a network."""
        found = cls(arrays["middle"], arrays["weights"], tuple(arrays["penalties"].tolist()))
        rows, columns = found.weights.shape
        if (found.middle.shape, rows, columns % features) != ((features,), targets, 1 % features):
            raise ValueError(f"ridge.weights is {found.weights.shape}, for {features} features and {targets} targets")
        return found

    def __call__(self, signal_BTD: Any, lengths: Any) -> Floats:
        """Return outputs for the end of each window, (B, 1, K)."""
        design_BF = _design(signal_BTD, self.middle)
        return np.stack([total(design_BF * weight, axis=1) for weight in self.weights], axis=1)[:, None]

    def forecast(self, windows: Windows, part: str) -> Floats:
        """Return forecasts of the end of each window of a part in the target's own unit, (N, K)."""
        batches = (padded.valid() for padded in windows.batches(part, all_steps=False))
        return np.concatenate([batch.inverse_transform(self(batch.signal, None))[:, 0] for batch in batches])


def fit_ridge(windows: Windows, penalties: Sequence[float]) -> Ridge:
    """Fit on train; for each target, generalised cross-validation selects one of the penalties.

    It reads and learns what the network does: values over the window's first, differences. The normal equations are
    summed window by window, so memory does not grow with the data. Generalised cross-validation estimates from train
    alone the error on windows left out, n RSS / (n - tr H)^2 with the hat matrix H of the n windows (G. H. Golub,
    M. Heath and G. Wahba, Technometrics 21, 215, 1979): a few validation windows select much less reliably.
    """
    train = windows.steps.signal[windows.parts["train"].steps]
    middle = np.zeros(train.shape[1]) if windows.view.relative_to_first else mean(train, axis=0)
    gram, moments = _normal_equations(windows, middle)
    held = np.eye(len(gram))
    held[-1, -1] = 0.0  # the intercept is not held back
    fits = [
        Ridge(
            middle,
            np.stack([solve(gram + penalty * held, moment) for moment in moments]),
            (float(penalty),) * len(moments),
        )
        for penalty in penalties
    ]
    errors_PK = _generalised_cross_validation(windows, fits, gram, held)
    # of equal errors, and where no penalty leaves a degree of freedom, the largest penalty
    best = [min(range(len(fits)), key=lambda p: (errors[p], -penalties[p])) for errors in errors_PK.T]
    weights = np.stack([fits[p].weights[target] for target, p in enumerate(best)])
    return Ridge(middle, weights, tuple(float(penalties[p]) for p in best))


def _normal_equations(windows: Windows, middle: Floats) -> tuple[Floats, Floats]:
    """Return the sums of products of features, (F, F), and of labels and features, (K, F)."""
    size, targets = next(_rows(windows, middle))[0].shape[1], windows.steps.target.shape[1]
    gram, moments, product = np.zeros((size, size)), np.zeros((targets, size)), np.empty((size, size))
    for design_BF, labels_BK in _rows(windows, middle):
        for row, label in zip(design_BF, labels_BK, strict=True):
            gram += np.multiply(row[:, None], row, out=product)
            moments += label[:, None] * row
    return gram, moments


def _generalised_cross_validation(windows: Windows, fits: Sequence[Ridge], gram: Floats, held: Floats) -> Floats:
    """Return the estimated mean squared error of each fit, (fits, K); infinite where no degree of freedom is left.

    tr H = tr((G + p I)^-1 G) = rank - p tr((G + p I)^-1) with G the sums of products, p the penalty and I without the
    intercept.
    """
    squares, count = np.zeros((len(fits), len(fits[0].weights))), 0
    for design_BF, labels_BK in _rows(windows, fits[0].middle):
        count += len(labels_BK)
        for number, fit in enumerate(fits):
            outputs = np.stack([total(design_BF * weight, axis=1) for weight in fit.weights], axis=1)
            squares[number] += total((labels_BK - outputs) ** 2, axis=0)
    for number, fit in enumerate(fits):
        full, penalty = gram + fit.penalties[0] * held, fit.penalties[0]
        trace = len(cholesky(full)) - penalty * float(total(inverse_diagonal(full) * held.diagonal()))
        left = count - trace
        squares[number] = squares[number] * (count / (left * left)) if left >= 1 else np.inf
    return squares


def _rows(windows: Windows, middle: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield (B, F) features and (B, K) labels of train, as the network reads and learns them, without padding."""
    for padded in windows.batches("train", all_steps=False):
        batch = padded.valid()
        yield _design(batch.signal, middle), batch.labels[:, -1].astype(np.float64)


def _design(signal_BTD: Any, middle: Floats) -> Floats:
    """Return the features of windows with a column of ones, (B, F)."""
    flat = (signal_BTD - middle).reshape(len(signal_BTD), -1)
    return np.c_[flat, np.ones(len(flat))]
