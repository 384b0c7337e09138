"""With refit, opponents learn validation too, but choose their settings where validation is not learnt."""

import numpy as np
import pytest
from seeds import rng
from small_windows import cut, write_series

from recurrent.evaluate import trees, words
from recurrent.window.windows import Windows

N = 400


def noise(folder, *, texts=False) -> Windows:
    """Labels that the inputs do not tell, so that the simplest setting is the best."""
    random = rng(0)
    if not texts:
        signal = random.normal(size=(N, 3))
        return cut(folder, write_series(folder, signal, random.normal(size=N)), seq_len=3)
    group, meta = np.repeat(np.arange(N), 8), {"vocabulary": tuple(map(str, range(40))), "classes": ("no", "yes")}
    target = random.integers(0, 2, N)[group]
    series = write_series(folder, random.integers(0, 40, 8 * N), target, group=group, **meta)
    return cut(folder, series, split="groups", one_window_per_group=True, seq_len=8)


def test_trees_learn_no_more_of_it_than_validation_allows(tmp_path):
    windows = noise(tmp_path)
    both = windows.with_validation()
    (_, chosen), *_ = trees.fit_trees(both, windows).models
    (_, alone), *_ = trees.fit_trees(windows).models
    (_, overfit), *_ = trees.fit_trees(both).models
    assert chosen == alone < overfit


def test_the_penalty_of_word_counts_is_chosen_where_validation_is_not_learnt(tmp_path, monkeypatch):
    windows = noise(tmp_path, texts=True)
    both, seen = windows.with_validation(), []
    monkeypatch.setattr(words, "accuracy", lambda labels, forecast: seen.append((len(labels), forecast)) or len(seen))
    found = words.tfidf(both, "test", windows)
    assert {n for n, _ in seen} == {windows.parts["validation"].windows} and len(seen) == len(words.INVERSE_PENALTIES)
    again = words.tfidf(windows, "test", windows)
    for (_, one), (_, other) in zip(seen[: len(seen) // 2], seen[len(seen) // 2 :], strict=True):
        np.testing.assert_allclose(one, other)  # chosen on the same forecasts of validation
    assert np.abs(found - again).max() > 1e-3  # fitted on more
    assert found.shape == (windows.parts["test"].windows, 2) and found.sum(axis=1) == pytest.approx(1)
