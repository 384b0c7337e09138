"""Texts by the words that occur in them, in whatever order.

Legend of shapes: N windows, V words of the vocabulary, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import accuracy
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
INVERSE_PENALTIES = (0.5, 1.0, 2.0, 4.0, 8.0)  # of the logistic regression; validation selects


def tfidf(windows: Windows, part: str) -> Floats:
    """Logistic regression on word frequencies, each weighted by how rare the word is.

    1 + ln(count) times inverse document frequency in train, rows of length 1 (K. Sparck Jones, Journal of Documentation
    28, 11, 1972), of the words that the network reads. The accuracy on validation, the metric
    that such systems report, selects the penalty. A stronger one exists: words and pairs of neighbouring words of the
    whole text, which the windows do not hold (docs/decisions.md, 44).

    Returns
    -------
    (N, C) probabilities
    """
    from scipy.sparse import csr_array  # a second of imports that no other system needs
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    def counts(name: str) -> Any:
        """Return how often each word occurs in each window, (N, V)."""
        numbers = np.arange(windows.parts[name].windows)
        first, lengths = windows.parts[name].spans(numbers)
        words = np.concatenate([windows.steps.signal[a : a + n, 0] for a, n in zip(first, lengths, strict=True)])
        shape = (len(numbers), len(windows.meta.vocabulary or ()))
        found = csr_array((np.ones(len(words)), words, np.r_[0, np.cumsum(lengths)]), shape=shape)
        found.sum_duplicates()  # one entry for each word, whose logarithm is taken
        return found

    weights = TfidfTransformer(sublinear_tf=True).fit(counts("train"))
    train, validation, asked = (weights.transform(counts(name)) for name in ("train", "validation", part))
    labels = {name: windows.labels(name)[:, 0] for name in ("train", "validation")}
    models = [LogisticRegression(C=c, max_iter=1000).fit(train, labels["train"]) for c in INVERSE_PENALTIES]
    right = [accuracy(labels["validation"], model.predict_proba(validation)) for model in models]
    best: Floats = models[int(np.argmax(right))].predict_proba(asked)
    return best
