"""Intervals cover what they promise, depend on the forecast, and are honest about too few windows."""

import numpy as np
import pytest
from seeds import rng

from recurrent.network.interval import COVERAGE, Interval


def draw(n, seed=0):
    """Forecasts from 0 to 10, whose error grows with them."""
    random = rng(seed)
    predicted = random.uniform(0, 10, (n, 2))
    return predicted, predicted + random.normal(size=(n, 2)) * (0.1 + predicted * [[0.2, 0.05]])


@pytest.mark.parametrize("n", [19, 150, 3000])
def test_unseen_labels_are_inside_as_often_as_promised(n):
    inside = []
    for seed in range(200 if n < 1000 else 20):
        interval = Interval.fit(*draw(n, seed))
        predicted, actual = draw(500, seed + 1000)
        lower, upper = interval.around(predicted)
        inside.append(((lower <= actual) & (actual <= upper)).mean(axis=0))
    np.testing.assert_allclose(np.mean(inside, axis=0), COVERAGE, atol=0.02)


def test_the_width_depends_on_the_forecast():
    interval = Interval.fit(*draw(3000))
    lower, upper = interval.around(np.array([[0.5, 0.5], [9.5, 9.5]]))
    width = upper - lower
    assert width[1, 0] > 4 * width[0, 0] and width[1, 0] > 2 * width[1, 1]


def test_too_few_windows_give_no_interval():
    assert Interval.fit(*draw(18)) is None


def test_it_survives_a_file(tmp_path):
    interval = Interval.fit(*draw(500))
    assert Interval.from_json(interval.to_json(), tmp_path) == interval


def test_the_ends_are_errors_of_the_right_rank():
    predicted, error = np.zeros((99, 1)), np.arange(99.0)[:, None]
    lower, upper = Interval.fit(predicted, predicted + error).around(predicted[:1])
    assert (lower.item(), upper.item()) == (4.0, 94.0)  # the fifth from either end, of 99
