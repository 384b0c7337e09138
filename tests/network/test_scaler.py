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
