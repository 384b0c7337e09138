"""A scaler fitted block by block is the one of all rows at once, wherever the blocks end."""

import numpy as np
import pytest
from seeds import rng

from recurrent.network.scaler import Scaler


@pytest.mark.parametrize("ends", [[], [1], [7, 90], [50], list(range(1, 100))])
def test_blocks_of_other_means_give_the_mean_and_spread_of_all_rows(ends):
    values = rng(8).normal([3, -500], [2, 0.1], (100, 2)) + np.arange(100)[:, None]
    scaler = Scaler.fit(np.split(values, ends))
    np.testing.assert_allclose(scaler.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(scaler.scale, values.std(axis=0), rtol=1e-12)


def test_a_scaler_of_nothing_is_refused():
    with pytest.raises(ValueError, match="^no rows to fit a scaler on$"):
        Scaler.fit([])


def test_a_scaler_around_zero_has_the_root_mean_square_and_keeps_zero():
    scaler = Scaler.around_zero(np.array([[3, 0], [4, 0]]))
    assert scaler == Scaler((0.0, 0.0), (12.5**0.5, 1.0))
    assert scaler.transform(np.zeros((1, 2))).tolist() == [[0.0, 0.0]]


def test_scaled_values_are_float32_and_the_way_back_is_float64():
    scaler = Scaler((10.0, 0.0), (2.0, 0.5))
    scaled = scaler.transform(np.array([[12, 1], [8, 0]]))
    assert scaled.tolist() == [[1, 2], [-1, 0]] and scaled.dtype == np.float32
    back = scaler.inverse(scaled)
    assert back.tolist() == [[12, 1], [8, 0]] and back.dtype == np.float64
    assert Scaler.identity(2).inverse(scaled).tolist() == scaled.tolist()


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(ValueError, match=r"found a value of 1e\+40, expected less than float32's largest"):
        Scaler((0.0,), (1.0,)).transform(np.array([[1e40]]))
