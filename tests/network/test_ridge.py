"""Ridge against numpy's linear algebra: weights, the penalty that cross-validation selects, and what it is blind to."""

from dataclasses import replace

import numpy as np
import pytest
from seeds import rng
from small_windows import bounds, cut, with_rows, write_series

from recurrent import numerics
from recurrent.network.ridge import Ridge, fit_ridge
from recurrent.window.meta import PARTS

PENALTIES = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)


def noisy(folder, *, noise, rows=100, seq_len=5, seed=0, targets=1):
    """Labels 3 x(t) - x(t - 1) + 5, and -x(t) + 100, with noise of one size each."""
    random = rng(seed)
    x = random.normal(size=rows)
    both = np.c_[3 * x - np.r_[0, x[:-1]] + 5, 100 - x][:, :targets]
    both = both + random.normal(size=both.shape) * noise
    names = {"target_names": [f"t{i}" for i in range(targets)]}
    return cut(folder, write_series(folder, x, both, **names), seq_len=seq_len)


def design(windows, part):
    """(N, F) features less train's mean, and a column of ones."""
    first, lengths = windows.parts[part].spans(np.arange(windows.parts[part].windows))
    steps = windows.steps.signal[:, 0]
    train = steps[slice(*bounds(windows, "train"))]
    rows = np.array([steps[a : a + n] for a, n in zip(first, lengths, strict=True)])
    return np.c_[rows - train.mean(), np.ones(len(rows))]


def by_numpy(windows, penalties):
    """For each penalty the generalised cross-validation by the whole hat matrix, (penalties, K), and the weights."""
    rows, labels = design(windows, "train"), windows.labels("train")
    held = np.diag([1.0] * (rows.shape[1] - 1) + [0.0])
    errors, weights = [], []
    for penalty in penalties:
        inverse = np.linalg.inv(rows.T @ rows + penalty * held) @ rows.T
        hat = rows @ inverse
        off = labels - hat @ labels
        errors.append((off**2).mean(axis=0) / (1 - np.trace(hat) / len(rows)) ** 2)
        weights.append(inverse @ labels)
    return np.array(errors), np.array(weights)


def test_ridge_recovers_a_linear_relation(tmp_path):
    windows = noisy(tmp_path, noise=0.0)
    for part in PARTS:
        np.testing.assert_allclose(fit_ridge(windows, (1e-9,)).forecast(windows, part), windows.labels(part), atol=1e-8)


def test_ridge_does_not_hold_the_intercept_back(tmp_path):
    windows = noisy(tmp_path, noise=0.0)
    forecast = fit_ridge(windows, (1e12,)).forecast(windows, "test")
    np.testing.assert_allclose(forecast, windows.labels("train").mean(), atol=1e-8)


def test_penalty_0_is_least_squares(tmp_path):
    windows = noisy(tmp_path, noise=1.0)
    weights, *_ = np.linalg.lstsq(design(windows, "train"), windows.labels("train"), rcond=None)
    forecast = fit_ridge(windows, (0.0,)).forecast(windows, "test")
    np.testing.assert_allclose(forecast, design(windows, "test") @ weights, rtol=1e-10)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0, 30.0, 100.0])
def test_generalised_cross_validation_on_train_selects_the_penalty_of_each_target(tmp_path, noise, seed):
    windows = noisy(tmp_path, noise=np.array([noise, 0.1]), rows=60, seed=seed, targets=2)
    errors, weights = by_numpy(windows, PENALTIES)
    chosen = errors.argmin(axis=0)
    for order in (slice(None), slice(None, None, -1)):
        fitted = fit_ridge(windows, PENALTIES[order])
        assert fitted.penalties == tuple(PENALTIES[p] for p in chosen)
        np.testing.assert_allclose(fitted.weights, [weights[p][:, k] for k, p in enumerate(chosen)], rtol=1e-8)


def test_the_cases_select_different_penalties(tmp_path):
    chosen = set()
    for noise in (0.1, 3.0, 10.0, 30.0):
        (tmp_path / str(noise)).mkdir()
        chosen |= {*fit_ridge(noisy(tmp_path / str(noise), noise=noise, rows=60), PENALTIES).penalties}
    assert len(chosen) >= 3 and 0.0 in chosen


@pytest.mark.parametrize("part", ["validation", "test"])
def test_neither_validation_nor_test_selects_anything(tmp_path, part):
    windows = noisy(tmp_path, noise=10.0)
    other = with_rows(windows, slice(*bounds(windows, part)), 1e6)
    one, two = fit_ridge(windows, PENALTIES), fit_ridge(other, PENALTIES)
    assert one.penalties == two.penalties and one.weights.tolist() == two.weights.tolist()


def test_features_that_are_always_the_same_do_not_count_as_degrees_of_freedom(tmp_path):
    """A column twice: least squares has half of the weights, and no more error than the column alone."""
    random = rng(1)
    x, noise = random.normal(size=60), random.normal(size=60)
    found = []
    for name, signal in {"once": x, "twice": np.c_[x, x]}.items():
        (tmp_path / name).mkdir()
        windows = cut(tmp_path / name, write_series(tmp_path / name, signal, x + noise), seq_len=2)
        fitted = fit_ridge(windows, (0.0, 1e-3, 1e9))
        assert fitted.penalties != (1e9,)
        found.append(fitted.forecast(windows, "test"))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-3)


def test_with_more_features_than_windows_what_fits_all_labels_is_not_chosen(tmp_path):
    windows = noisy(tmp_path, noise=1.0, rows=50, seq_len=10)  # 21 windows of 11 features
    assert windows.parts["train"].windows == 21
    (tmp_path / "wide").mkdir()
    wide = noisy(tmp_path / "wide", noise=1.0, rows=50, seq_len=10)
    wide.parts["train"] = replace(wide.parts["test"], group_spans=np.array([[49, 50]]))
    assert wide.parts["train"].windows == 1
    assert fit_ridge(wide, (0.0, 1.0, 100.0)).penalties == (100.0,)


def test_a_called_ridge_is_a_network_of_the_windows(tmp_path):
    windows = noisy(tmp_path, noise=1.0, targets=2)
    fitted = fit_ridge(windows, PENALTIES)
    batch = windows.gather("test", np.arange(4), all_steps=False)
    assert fitted(batch.signal, None)[:, 0].tolist() == fitted.forecast(windows, "test")[:4].tolist()


@pytest.mark.parametrize("columns", [1, 3])
def test_arrays_are_the_same_ridge_again_and_those_of_another_network_are_refused(tmp_path, columns):
    signal = rng(0).normal(size=(90, columns))
    windows = cut(tmp_path, write_series(tmp_path, signal, signal.sum(axis=1)), seq_len=5)
    ridge = fit_ridge(windows, PENALTIES)
    again = Ridge.of_arrays(ridge.arrays(), features=columns, targets=1)
    assert again.penalties == ridge.penalties
    assert (again.forecast(windows, "test") == ridge.forecast(windows, "test")).all()
    for features, targets in ((columns, 2), (columns + 1, 1), (columns + 3, 1)):
        with pytest.raises(ValueError, match=rf"^ridge.weights is .*, for {features} features and {targets} targets$"):
            Ridge.of_arrays(ridge.arrays(), features=features, targets=targets)
    cut_short = ridge.arrays() | {"weights": ridge.weights[:, :-1]}
    if columns > 1:
        with pytest.raises(ValueError, match="ridge.weights is"):
            Ridge.of_arrays(cut_short, features=columns, targets=1)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_diagonal_of_the_inverse(size):
    rows = rng(size).normal(size=(20, size))
    gram = rows.T @ rows
    np.testing.assert_allclose(numerics.inverse_diagonal(gram), np.diag(np.linalg.inv(gram)), rtol=1e-10)


def test_diagonal_of_the_inverse_leaves_out_rows_that_others_determine():
    rows = rng(0).normal(size=(20, 2))
    both = rows[:, [0, 1, 1]]
    found = numerics.inverse_diagonal(both.T @ both)
    np.testing.assert_allclose(sorted(found), sorted([0, *np.diag(np.linalg.inv(rows.T @ rows))]), rtol=1e-10)
