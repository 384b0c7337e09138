"""The truth about a part, read once; every score is a function of it and of a forecast.

One class for each task of recurrent/network/task.py: what scores it has, which of them decide, which tables.
Legend of shapes: N windows, K targets, C classes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recurrent.evaluate import metrics
from recurrent.network.task import Classification, Regression, task_of
from recurrent.numerics import mean
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
Scores = dict[str, float]


def measured(windows: Windows, steps: npt.NDArray[np.int64]) -> Floats:
    """Return what the network reads of the targets' quantities at these steps, (N, K)."""
    return np.asarray(windows.steps.signal[steps][:, windows.meta.measured_columns], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Quantities:
    """Quantities at the end of each window.

    Parameters
    ----------
    targets : their names
    actual : (N, K), in their own unit
    last_measured : (N, K) at the window's last step, of targets that the network reads, else None
    scale : the unit that the network learns in: the window's first value where windows are relative to it, otherwise
        the spread of all labels of train
    horizon : steps from `last_measured` to `actual`
    """

    headline: ClassVar = "mean_delta"
    error: ClassVar = "mae"
    constant: ClassVar = "median"  # the baseline that is a constant
    baselines: ClassVar = (
        *("median", "clock", "persistence", "drift", "seasonal_naive", "moving_average", "ridge", "boosted_trees"),
    )

    targets: Sequence[str]
    actual: Floats
    last_measured: Floats | None
    scale: Floats | float
    horizon: int

    @classmethod
    def read(cls, windows: Windows, part: str) -> "Quantities":
        """Read the truth about a part."""
        actual, horizon = windows.labels(part), windows.parts[part].horizon
        if not windows.meta.measures_target:
            return cls(windows.meta.target, actual, None, 1.0, horizon)
        labels = windows.labels("train")
        scale: Floats | float = math.sqrt(metrics.mean_squared_error(labels, np.full_like(labels, mean(labels))))
        if windows.view.relative_to_first:
            batches = [batch.valid().final_step().scale for batch in windows.batches(part, all_steps=False)]
            scale = np.concatenate([np.asarray(values)[:, 0] for values in batches])
        return cls(windows.meta.target, actual, measured(windows, windows.last_steps(part)), scale, horizon)

    def score(self, forecast: Floats) -> Scores:
        """Score a forecast (N, K).

        `normalised_mse` is in units of `scale`; `direction` is the share, of the targets that moved, that were
        forecast to move that way.
        """
        scores = metrics.score(self.actual, forecast)
        if self.last_measured is None:
            return scores
        scale, before = self.scale, self.last_measured
        in_scale = np.all(scale)
        scores["normalised_mse"] = (
            metrics.mean_squared_error(self.actual / scale, forecast / scale) if in_scale else 0.0
        )
        moved = self.actual != before
        if self.horizon and moved.any():
            same_way = np.sign(forecast - before) == np.sign(self.actual - before)
            scores["direction"] = float(same_way[moved].mean())
        return scores

    def losses(self, forecast: Floats) -> dict[str, Floats]:
        """Return for each error that is a mean over the windows what each of them adds to it, (N,)."""
        apart = forecast - self.actual
        absolute = mean(np.abs(apart), axis=1)
        losses = {"mean_delta": absolute / mean(np.abs(self.actual)), "mae": absolute, "mse": mean(apart**2, axis=1)}
        if self.last_measured is not None and np.all(self.scale):
            losses["normalised_mse"] = mean((apart / self.scale) ** 2, axis=1)
        return losses

    def table(self, forecasts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return columns: actual and each forecast; one for each target where there are several."""
        columns: dict[str, Floats] = {}
        for key, values in {"actual": self.actual, **forecasts}.items():
            for i, name in enumerate(self.targets):
                columns[key if len(self.targets) == 1 else f"{key}_{name}"] = values[:, i]
        return columns

    def description(self, forecast: Floats, windows: Windows) -> dict[str, Any]:
        """Return what a reader of the table must know besides: nothing."""
        return {}


@dataclass(frozen=True, eq=False)
class Classes:
    """Classes of the windows.

    Parameters
    ----------
    names : of the classes
    actual : (N, 1), numbers of classes
    """

    headline: ClassVar = "accuracy"
    error: ClassVar = "log_loss"
    constant: ClassVar = "class_prior"
    baselines: ClassVar = ("class_prior", "tfidf")

    names: Sequence[str]
    actual: Floats

    @classmethod
    def read(cls, windows: Windows, part: str) -> "Classes":
        """Read the truth about a part."""
        return cls(windows.meta.classes or (), windows.labels(part))

    def score(self, forecast: Floats) -> Scores:
        """Score probabilities (N, C)."""
        return metrics.score_classes(self.actual[:, 0], forecast)

    def given(self, forecast: Floats) -> Floats:
        """Return the probability that the actual class was given, (N,)."""
        return np.take_along_axis(forecast, self.actual.astype(np.int64), axis=1)[:, 0]

    def losses(self, forecast: Floats) -> dict[str, Floats]:
        """Return what each window adds to the log loss, and 1 where its class is wrong, (N,)."""
        wrong = forecast.argmax(axis=1) != self.actual[:, 0]
        log_loss = -np.log(np.maximum(self.given(forecast), metrics.LEAST_PROBABILITY))
        return {"log_loss": log_loss, "accuracy": wrong.astype(np.float64)}

    def table(self, forecasts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Return columns: actual, and for each forecast the probability of each class."""
        columns = {f"{key}_{name}": f[:, i] for key, f in forecasts.items() for i, name in enumerate(self.names)}
        return {"actual": self.actual[:, 0]} | columns

    def description(self, forecast: Floats, windows: Windows) -> dict[str, Any]:
        """Return the classes, how many windows of each were put into which, (C, C), and the worst mistakes in texts."""
        counts = np.zeros((len(self.names), len(self.names)), np.int64)
        np.add.at(counts, (self.actual[:, 0].astype(np.int64), forecast.argmax(axis=1)), 1)
        worst = {"most_wrong": self._most_wrong(forecast, windows)} if windows.meta.vocabulary else {}
        return {"classes": list(self.names), "confusion": counts.tolist()} | worst

    def _most_wrong(self, forecast: Floats, windows: Windows, count: int = 10) -> list[dict[str, Any]]:
        """Return the texts of the test part that were put into the wrong class with the most conviction."""
        given, vocabulary = self.given(forecast), windows.meta.vocabulary or ()
        worst = np.argsort(given, kind="stable")[:count]
        first, lengths = windows.parts["test"].spans(worst)
        return [
            {
                "actual": self.names[int(self.actual[i, 0])],
                "given": float(given[i]),
                "text": " ".join(vocabulary[word] for word in windows.steps.signal[begin : begin + length, 0]),
            }
            for i, begin, length in zip(worst, first.tolist(), lengths.tolist(), strict=True)
        ]


Truth = Quantities | Classes
_KINDS: dict[type, type[Quantities] | type[Classes]] = {Regression: Quantities, Classification: Classes}


def truth_of(windows: Windows, part: str) -> Truth:
    """Read the truth about a part, of the kind that fits the task."""
    return _KINDS[type(task_of(len(windows.meta.classes or ())))].read(windows, part)
