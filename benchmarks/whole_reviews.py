"""Sentiment of reviews from all their words and pairs of words, without a network.

    cd systems && dvc repro ingest@reviews_multi_hot && cd ..    # fetches the reviews
    python -m benchmarks.whole_reviews [FOLDER]

Logistic regression on tf-idf of words and pairs of words, the usual strong opponent of text classification (S. Wang,
C. Manning (2012), Baselines and bigrams: simple, good sentiment and topic classification). The systems `reviews_*` read
the last 256 words only, and so does their baseline `tfidf`. Parts and vocabulary are those of the systems: words and
penalty are chosen without the test part.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.seeds import ROOT
from recurrent.config.reader import read
from recurrent.config.schema import System
from recurrent.sources._contract import get_source

SYSTEM = "reviews_multi_hot"
WHOLE = 2**30  # words
PENALTIES = (3.0, 10.0, 30.0)  # C, the inverse of the penalty; validation selects one


def accuracies(folder: Path) -> tuple[float, float, float]:
    """Return the selected C, and the share of reviews that are put into the right class on validation and on test."""
    module, options = get_source(read(ROOT / "systems" / "params.yaml", System, system=SYSTEM).source)
    recording = module.read(replace(options, words=WHOLE, vocabulary=WHOLE), folder)
    begins = np.flatnonzero(np.diff(recording.group, prepend=-1))
    texts = [" ".join(map(str, words)) for words in np.split(recording.signal[:, 0], begins[1:])]
    labels = recording.target[begins, 0]
    parts = {
        name: slice(*np.searchsorted(begins, rows).tolist()) for name, rows in recording.meta.parts.items()
    }  # rows -> reviews
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), analyzer="word", tokenizer=str.split, token_pattern=None, min_df=2, sublinear_tf=True
    )
    learn, validate, test = (parts[name] for name in ("train", "validation", "test"))
    counts = {"train": vectorizer.fit_transform(texts[learn])}
    counts |= {name: vectorizer.transform(texts[parts[name]]) for name in ("validation", "test")}
    models = {c: LogisticRegression(C=c, max_iter=300).fit(counts["train"], labels[learn]) for c in PENALTIES}
    scores = {c: model.score(counts["validation"], labels[validate]) for c, model in models.items()}
    best = max(scores, key=lambda c: scores[c])
    return best, scores[best], models[best].score(counts["test"], labels[test])


def main() -> None:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = ROOT / "systems" / "data" / "raw" / SYSTEM
    parser.add_argument("folder", nargs="?", type=Path, default=default, help="of the reviews; default: %(default)s")
    best, validation, test = accuracies(parser.parse_args().folder)
    print(f"C {best:g}, selected on validation: {validation:.4f} right there, {test:.4f} on test")


if __name__ == "__main__":
    main()
