"""Texts by the words that occur in them, in whatever order.

Legend of shapes: N windows, V words of the vocabulary, C classes.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recurrent.evaluate.metrics import accuracy
from recurrent.window.windows import Windows

Floats = npt.NDArray[np.float64]
INVERSE_PENALTIES = (0.5, 1.0, 2.0, 4.0, 8.0)  # of the logistic regression; validation selects


def tfidf(windows: Windows, part: str, chosen_on: Windows) -> Floats:
    """Logistic regression on word frequencies, each weighted by how rare the word is.

    1 + ln(count) times inverse document frequency in train, rows of length 1 (K. Sparck Jones, Journal of Documentation
    28, 11, 1972), of the words that the network reads. The accuracy on validation, the metric
    that such systems report, selects the penalty. A stronger one exists: words and pairs of neighbouring words of the
    whole text, which the windows do not hold (docs/decisions.md, 44).

    Parameters
    ----------
    chosen_on : windows whose train and validation select the penalty; it is fitted on the train of `windows`

    Returns
    -------
    (N, C) probabilities
    """
    from scipy.sparse import csr_array  # a second of imports that no other system needs
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.linear_model import LogisticRegression

    def counts(of: Windows, name: str) -> Any:
        """Return how often each word occurs in each window, (N, V)."""
        numbers = np.arange(of.parts[name].windows)
        first, lengths = of.parts[name].spans(numbers)
        words = np.concatenate([of.steps.signal[a : a + n, 0] for a, n in zip(first, lengths, strict=True)])
        shape = (len(numbers), len(of.meta.vocabulary or ()))
        found = csr_array((np.ones(len(words)), words, np.r_[0, np.cumsum(lengths)]), shape=shape)
        found.sum_duplicates()  # one entry for each word, whose logarithm is taken
        return found

    def fitted(of: Windows, penalty: float) -> Callable[[Windows, str], Floats]:
        """Return a forecast fitted on the train of `of`."""
        weights = TfidfTransformer(sublinear_tf=True).fit(counts(of, "train"))
        model = LogisticRegression(C=penalty, max_iter=1000)
        model.fit(weights.transform(counts(of, "train")), of.labels("train")[:, 0])
        return lambda asked, name: model.predict_proba(weights.transform(counts(asked, name)))

    models = [fitted(chosen_on, penalty) for penalty in INVERSE_PENALTIES]
    labels = chosen_on.labels("validation")[:, 0]
    best = int(np.argmax([accuracy(labels, model(chosen_on, "validation")) for model in models]))
    again = models[best] if windows is chosen_on else fitted(windows, INVERSE_PENALTIES[best])
    return again(windows, part)
