"""What a network must beat: forecasts that need no network, fitted on train only.

Legend of shapes: N windows, T steps, D features, K targets, C classes.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import log_loss, mean_absolute_error
from recurrent.numerics import mean, solve, total
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
INVERSE_PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1)  # of the logistic regression; validation chooses


def forecasts(
    windows: Windows, part: str, *, ridge_penalties: Sequence[float], moving_average: int
) -> dict[str, Floats]:
    """Forecast the end of each window with every baseline that applies: name -> (N, K), or (N, C) of classes."""
    meta = windows.meta
    if "classes" in meta:
        return {"majority": majority(windows, part)} | (
            {"word_counts": word_counts(windows, part)} if "vocabulary" in meta else {}
        )
    result = {"median": median(windows, part)}
    if meta["failures"]:
        result["clock"] = clock(windows, part)
    if None not in meta["observed"]:
        result["persistence"] = persistence(windows, part)
        if windows.parts[part].horizon:
            result["linear"] = linear(windows, part)
        if "season" in meta:
            result["season"] = season(windows, part)
        result[f"mean_of_{moving_average}"] = moving(windows, part, moving_average)
    if windows.even:
        result["ridge"] = ridge(windows, part, penalties=ridge_penalties)
    return result


def median(windows: Windows, part: str) -> Floats:
    """Always the median label of train: the constant with the least absolute error."""
    middle: Floats = np.median(windows.labels("train"), axis=0)
    return np.tile(middle, (windows.parts[part].windows, 1))


def persistence(windows: Windows, part: str) -> Floats:
    """What is measured at the window's end stays as it is."""
    return _observed(windows, windows.last_steps(part))


def linear(windows: Windows, part: str) -> Floats:
    """What is measured goes on changing as between the last two steps."""
    first, lengths = windows.parts[part].where(np.arange(windows.parts[part].windows))
    last = first + lengths - 1
    now, before = _observed(windows, last), _observed(windows, np.maximum(last - 1, first))
    return now + windows.parts[part].horizon * (now - before)


def season(windows: Windows, part: str) -> Floats:
    """What was measured at the same phase of the last whole season before the label."""
    horizon, length = windows.parts[part].horizon, windows.meta["season"]
    back = max(1, -(-horizon // length)) * length
    return _observed(windows, np.maximum(windows.last_steps(part) + horizon - back, 0))


def moving(windows: Windows, part: str, steps: int) -> Floats:
    """Mean of what was measured over the last `steps` steps, or those that the window has."""
    first, lengths = windows.parts[part].where(np.arange(windows.parts[part].windows))
    reach = np.minimum(steps, lengths)
    end, summed = first + lengths, np.zeros(())
    for back in range(1, int(reach.max()) + 1):  # a window that is shorter has its own mean, not its neighbour's rows
        summed = summed + _observed(windows, np.maximum(end - back, first)) * (back <= reach)[:, None]
    return np.asarray(summed / reach[:, None])


def _observed(windows: Windows, steps: npt.NDArray[np.int64]) -> Floats:
    return np.asarray(windows.steps.signal[steps][:, windows.meta["observed"]], dtype=np.float64)


def clock(windows: Windows, part: str) -> Floats:
    """Mean interval between failures in train, less the time since the last failure, never below 0.

    The time since the last failure is how far the countdown has come down since then: the length
    of the cycle cancels out, so nothing of the future enters.
    """
    cycle, since = cycles(windows, windows.last_steps(part))
    ends = np.array(windows.meta["failures"]) // windows.meta["samples_per_step"]
    intervals = np.array(windows.meta["first_targets"])[1:]  # from each failure to the next
    train = windows.parts["train"]
    whole = (ends[:-1] >= train.begin) & (ends[1:] <= train.end)
    known = intervals[:-1][whole] if whole.any() else np.array([windows.labels("train").max()])
    return np.maximum(0.0, mean(known) - since)[:, None]


def cycles(windows: Windows, steps: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Floats]:
    """Give the number of failures before each step's last sample, and the time since the last one.

    Before the first failure the recording's own start stands for it.
    """
    rows = (steps + 1) * windows.meta["samples_per_step"] - 1
    cycle = np.searchsorted(windows.meta["failures"], rows, side="right")
    at_start = np.array(windows.meta["first_targets"])
    return cycle, at_start[cycle] - windows.steps.target[steps, 0]


def ridge(windows: Windows, part: str, *, penalties: Sequence[float]) -> Floats:
    """Ridge regression of the label on all T x D features of the window; validation chooses the penalty.

    The normal equations are summed window by window, so memory does not grow with the data. It reads and learns
    what the network does: values over the window's first, differences.
    """
    train = windows.steps.signal[windows.parts["train"].begin : windows.parts["train"].end]
    middle = np.zeros(train.shape[1]) if windows.view.relative_to_first else mean(train, axis=0)
    _, (steps, *_) = windows.parts["train"].where(np.zeros(1, np.int64))
    size, targets = steps * train.shape[1] + 1, windows.steps.target.shape[1]
    gram, moments, product = np.zeros((size, size)), np.zeros((targets, size)), np.empty((size, size))
    for design, batch in _designs(windows, "train", middle):
        for row, label in zip(design, batch.labels[:, -1].astype(np.float64), strict=True):
            gram += np.multiply(row[:, None], row, out=product)
            moments += label[:, None] * row
    free = np.eye(size)
    free[-1, -1] = 0.0  # the intercept is not held back

    def forecast(name: str, weights: Floats) -> Floats:
        found = []
        for design, batch in _designs(windows, name, middle):
            answers = np.stack([total(design * weight, axis=1) for weight in weights], axis=1)
            found.append(batch.restore(answers[:, None])[:, 0])
        return np.concatenate(found)

    fits = [np.stack([solve(gram + penalty * free, moment) for moment in moments]) for penalty in penalties]
    actual = windows.labels("validation")
    errors = [mean_absolute_error(actual, forecast("validation", weights)) for weights in fits]
    return forecast(part, fits[int(np.argmin(errors))])


def _designs(windows: Windows, part: str, middle: Floats) -> Iterator[tuple[Floats, Any]]:
    """Yield (B, T x D + 1) features with a column of ones, and the windows they are of, real ones only."""
    for padded in windows.batches(part, every=False):
        batch = padded.first(padded.real)
        flat = (batch.signal - middle).reshape(batch.real, -1)
        yield np.c_[flat, np.ones(batch.real)], batch


def majority(windows: Windows, part: str) -> Floats:
    """Always the classes' shares in train."""
    shares = np.bincount(windows.labels("train")[:, 0].astype(np.int64), minlength=len(windows.meta["classes"]))
    return np.tile(shares / shares.sum(), (windows.parts[part].windows, 1))


def word_counts(windows: Windows, part: str) -> Floats:
    """Logistic regression on how often each word occurs; validation chooses the penalty."""
    from scipy.sparse import csr_array  # a second of imports that no other system needs
    from sklearn.linear_model import LogisticRegression

    def counts(name: str) -> Any:
        numbers = np.arange(windows.parts[name].windows)
        first, lengths = windows.parts[name].where(numbers)
        words = np.concatenate([windows.steps.signal[a : a + n, 0] for a, n in zip(first, lengths, strict=True)])
        shape = (len(numbers), len(windows.meta["vocabulary"]))
        return csr_array((np.ones(len(words)), words, np.r_[0, np.cumsum(lengths)]), shape=shape)

    train, validation, asked = counts("train"), counts("validation"), counts(part)
    labels = {name: windows.labels(name)[:, 0] for name in ("train", "validation")}
    models = [LogisticRegression(C=c, max_iter=1000).fit(train, labels["train"]) for c in INVERSE_PENALTIES]
    errors = [log_loss(labels["validation"], model.predict_proba(validation)) for model in models]
    best: Floats = models[int(np.argmin(errors))].predict_proba(asked)
    return best
