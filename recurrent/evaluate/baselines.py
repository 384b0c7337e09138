"""What a network must beat: forecasts that need no network, fitted on train only.

Legend of shapes: N windows, T steps, D features, K targets, C classes.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import log_loss, mean_absolute_error
from recurrent.evaluate.truth import measured
from recurrent.numerics import mean, solve, total
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
LOGISTIC_C = (0.001, 0.003, 0.01, 0.03, 0.1)  # inverse penalties of the logistic regression; validation selects


def forecasts(
    windows: Windows, part: str, names: Collection[str], *, ridge_penalties: Sequence[float], moving_average: int
) -> dict[str, Floats]:
    """Forecast the end of each window with those baselines in `names` that apply: name -> (N, K), or (N, C)."""
    meta, horizon = windows.meta, windows.parts[part].horizon
    candidates: list[tuple[str, object, Callable[[], Floats]]] = [
        ("class_prior", True, lambda: class_prior(windows, part)),
        ("bag_of_words", meta.vocabulary, lambda: bag_of_words(windows, part)),
        ("median", True, lambda: median(windows, part)),
        ("clock", meta.failures, lambda: clock(windows, part)),
        ("persistence", meta.measures_target, lambda: persistence(windows, part)),
        ("drift", meta.measures_target and horizon, lambda: drift(windows, part)),
        ("seasonal_naive", meta.measures_target and meta.season, lambda: seasonal_naive(windows, part)),
        ("moving_average", meta.measures_target, lambda: moving(windows, part, moving_average)),
        ("ridge", windows.equal_length, lambda: ridge(windows, part, penalties=ridge_penalties)),
    ]
    return {name: forecast() for name, applies, forecast in candidates if name in names and applies}


def median(windows: Windows, part: str) -> Floats:
    """Always the median label of train: the constant with the least absolute error."""
    middle: Floats = np.median(windows.labels("train"), axis=0)
    return np.tile(middle, (windows.parts[part].windows, 1))


def persistence(windows: Windows, part: str) -> Floats:
    """What is measured at the window's end stays as it is."""
    return measured(windows, windows.last_steps(part))


def drift(windows: Windows, part: str) -> Floats:
    """What is measured goes on changing as between the last two steps."""
    first, lengths = windows.parts[part].spans(np.arange(windows.parts[part].windows))
    last = first + lengths - 1
    now, before = measured(windows, last), measured(windows, np.maximum(last - 1, first))
    return now + windows.parts[part].horizon * (now - before)


def seasonal_naive(windows: Windows, part: str) -> Floats:
    """What was measured at the same phase of the last whole season before the label."""
    horizon, length = windows.parts[part].horizon, windows.meta.season or 1
    back = max(1, -(-horizon // length)) * length
    return measured(windows, np.maximum(windows.last_steps(part) + horizon - back, 0))


def moving(windows: Windows, part: str, steps: int) -> Floats:
    """Mean of what was measured over the last `steps` steps, or those that the window has."""
    first, lengths = windows.parts[part].spans(np.arange(windows.parts[part].windows))
    reach = np.minimum(steps, lengths)
    end, summed = first + lengths, np.zeros(())
    for back in range(1, int(reach.max()) + 1):  # a window that is shorter has its own mean, not its neighbour's rows
        summed = summed + measured(windows, np.maximum(end - back, first)) * (back <= reach)[:, None]
    return np.asarray(summed / reach[:, None])


def clock(windows: Windows, part: str) -> Floats:
    """Mean interval between failures in train, less the time since the last failure, never below 0.

    The time since the last failure is how far the countdown has come down since then: the length
    of the cycle cancels out, so nothing of the future enters.
    """
    cycle, since = cycles(windows, windows.last_steps(part))
    ends = np.array(windows.meta.failures) // windows.meta.samples_per_step
    intervals = np.array(windows.meta.first_targets)[1:]  # from each failure to the next
    train = windows.parts["train"]
    complete = (ends[:-1] >= train.begin) & (ends[1:] <= train.end)
    known = intervals[:-1][complete] if complete.any() else np.array([windows.labels("train").max()])
    return np.maximum(0.0, mean(known) - since)[:, None]


def cycles(windows: Windows, steps: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the number of failures before each step's last sample, and the time since the last one.

    Before the first failure the recording's own start stands for it.
    """
    rows = (steps + 1) * windows.meta.samples_per_step - 1
    cycle = np.searchsorted(windows.meta.failures, rows, side="right")
    at_start = np.array(windows.meta.first_targets)
    return cycle, at_start[cycle] - windows.steps.target[steps, 0]


def ridge(windows: Windows, part: str, *, penalties: Sequence[float]) -> Floats:
    """Ridge regression of the label on all T x D features of the window; validation selects the penalty.

    The normal equations are summed window by window, so memory does not grow with the data. It reads and learns
    what the network does: values over the window's first, differences.
    """
    train = windows.steps.signal[windows.parts["train"].begin : windows.parts["train"].end]
    middle = np.zeros(train.shape[1]) if windows.view.relative_to_first else mean(train, axis=0)
    _, (steps, *_) = windows.parts["train"].spans(np.zeros(1, np.int64))
    size, targets = steps * train.shape[1] + 1, windows.steps.target.shape[1]
    gram, moments, product = np.zeros((size, size)), np.zeros((targets, size)), np.empty((size, size))
    for design, batch in _designs(windows, "train", middle):
        for row, label in zip(design, batch.labels[:, -1].astype(np.float64), strict=True):
            gram += np.multiply(row[:, None], row, out=product)
            moments += label[:, None] * row
    free = np.eye(size)
    free[-1, -1] = 0.0  # the intercept is not held back

    def forecast(name: str, weights: Floats) -> Floats:
        parts = []
        for design, batch in _designs(windows, name, middle):
            outputs = np.stack([total(design * weight, axis=1) for weight in weights], axis=1)
            parts.append(batch.inverse_transform(outputs[:, None])[:, 0])
        return np.concatenate(parts)

    fits = [np.stack([solve(gram + penalty * free, moment) for moment in moments]) for penalty in penalties]
    actual = windows.labels("validation")
    errors = [mean_absolute_error(actual, forecast("validation", weights)) for weights in fits]
    return forecast(part, fits[int(np.argmin(errors))])


def _designs(windows: Windows, part: str, middle: Floats) -> Iterator[tuple[Floats, Any]]:
    """Yield (B, T x D + 1) features with a column of ones, and their windows, without padding."""
    for padded in windows.batches(part, all_steps=False):
        batch = padded.valid()
        flat = (batch.signal - middle).reshape(batch.n_valid, -1)
        yield np.c_[flat, np.ones(batch.n_valid)], batch


def class_prior(windows: Windows, part: str) -> Floats:
    """Always the classes' shares in train."""
    shares = np.bincount(windows.labels("train")[:, 0].astype(np.int64), minlength=len(windows.meta.classes or ()))
    return np.tile(shares / shares.sum(), (windows.parts[part].windows, 1))


def bag_of_words(windows: Windows, part: str) -> Floats:
    """Logistic regression on how often each word occurs; validation selects the penalty."""
    from scipy.sparse import csr_array  # a second of imports that no other system needs
    from sklearn.linear_model import LogisticRegression

    def counts(name: str) -> Any:
        numbers = np.arange(windows.parts[name].windows)
        first, lengths = windows.parts[name].spans(numbers)
        words = np.concatenate([windows.steps.signal[a : a + n, 0] for a, n in zip(first, lengths, strict=True)])
        shape = (len(numbers), len(windows.meta.vocabulary or ()))
        return csr_array((np.ones(len(words)), words, np.r_[0, np.cumsum(lengths)]), shape=shape)

    train, validation, asked = counts("train"), counts("validation"), counts(part)
    labels = {name: windows.labels(name)[:, 0] for name in ("train", "validation")}
    models = [LogisticRegression(C=c, max_iter=1000).fit(train, labels["train"]) for c in LOGISTIC_C]
    errors = [log_loss(labels["validation"], model.predict_proba(validation)) for model in models]
    best: Floats = models[int(np.argmin(errors))].predict_proba(asked)
    return best
