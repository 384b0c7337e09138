"""Reviews of films, praise or blame: the Large Movie Review Dataset, as its authors pack it or as a table of the same.

A. Maas et al. (2011), Learning word vectors for sentiment analysis; free for research when cited. The vocabulary
and every decision come from the train part; texts that stand in two parts are taken out of the one that learns.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from recurrent.config.fields import Count, Fraction, Section, Seed
from recurrent.ingest.download import File, digest
from recurrent.ingest.line_blocks import UnreadableError, unchanged
from recurrent.sources._contract import row_counts, series_meta
from recurrent.storage.npy import Array
from recurrent.storage.series import Recording

ARCHIVE = "aclImdb_v1.tar.gz"
TABLE = "aclImdb_50000.tsv.gz"
FILE = File(
    ARCHIVE,
    f"https://ai.stanford.edu/~amaas/data/sentiment/{ARCHIVE}",
    "7c2ac02c03563afcf9b574c7e56c153a",
    alternatives=((TABLE, "500aaabf890e41a1d20f3c2a65d83888"),),
)
PARTS = ("train", "validation", "test")
CLASSES = ("negative", "positive")
PADDING, UNKNOWN = "<padding>", "<unknown>"
MEMBER = re.compile(r"(?:\./)?aclImdb/(train|test)/(neg|pos)/(\d+)_\d+\.txt")
HEADER = ["split", "label", "id", "rating", "text"]
BREAK = re.compile(r"<br ?/?>")
WORD = re.compile(r"\w+(?:'\w+)*")


class Review(NamedTuple):
    """One text; the order of the fields is the order in which the reviews stand."""

    part: str
    label: int
    number: int
    text: str


@dataclass(frozen=True)
class Options(Section):
    """Keys of the source.

    Parameters
    ----------
    vocabulary : words known, padding and unknown included: the most frequent ones of the train part
    words : words kept of each review, its first or last ones
    validation_fraction : share of the published train part that validates; drawn with `seed`
    """

    vocabulary: Count
    words: Count
    keep: Literal["first", "last"]
    validation_fraction: Fraction
    seed: Seed


def files(options: Options) -> tuple[File, ...]:
    """Name the file to download; a table of the same texts will do."""
    return (FILE,)


def read(options: Options, raw: Path) -> Recording:
    """Read the reviews: a group each, signal = number of the word (n, 1), target = class (n, 1).

    Both forms give the same recording: how the table divides train from validation is not used.
    """
    path = next((raw / name for name in (ARCHIVE, TABLE) if (raw / name).is_file()), raw / ARCHIVE)
    try:
        with unchanged(path):
            reviews = sorted(_archive(path) if path.name == ARCHIVE else _table(path))
            md5 = digest(path)
    except UnreadableError as error:
        raise ValueError(f"{path}: {error}") from error
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be read to its end, missing, cut or damaged: {error}") from error
    test = [review for review in reviews if review.part == "test"]
    published = len(reviews)
    learn, dropped = _without_repetitions([review for review in reviews if review.part == "train"], test)
    validating = round(options.validation_fraction * len(learn))
    if not test or not 0 < validating < len(learn):
        found = f"{len(learn)} reviews to learn from, {validating} of them to validate, {len(test)} to test"
        raise ValueError(f"{path}: {found}, expected some of each")
    order = np.random.default_rng(options.seed).permutation(len(learn))
    reviews = [*(learn[i] for i in (*order[validating:], *order[:validating])), *test]
    sizes = len(learn) - validating, validating, len(test)
    words, texts = _numbered(reviews)
    vocabulary, number = _vocabulary(words, texts[: sizes[0]], options.vocabulary)
    cut = slice(options.words) if options.keep == "first" else slice(-options.words, None)
    # a text without any word still is a review, and must have a row
    kept = [number[text[cut]] if len(text) else np.ones(1, np.int32) for text in texts]
    lengths = np.array([len(text) for text in kept])
    ends = np.cumsum(lengths)[np.cumsum(sizes) - 1].tolist()
    long = sum(len(text) > options.words for text in texts)
    meta = series_meta(
        path.name,
        signal=["word"],
        target=["sentiment"],
        units=("word", "class"),
        time_unit="word",
        md5=md5,
        counts=row_counts(published, unit="reviews", dropped=dropped, noted={"cut_to_words_kept": long}),
        classes=list(CLASSES),
        vocabulary=vocabulary,
        parts=dict(zip(PARTS, pairwise([0, *ends]), strict=True)),
    )
    group = np.repeat(np.arange(len(texts)), lengths)
    labels = np.array([review.label for review in reviews])
    return Recording(np.concatenate(kept)[:, None], labels[group][:, None], group, meta)


def tokens(text: str) -> list[str]:
    """Cut `text` into words in lower case: letters, digits and inner apostrophes.

    >>> tokens("It's <br />SO '90s!")
    ["it's", 'so', '90s']
    """
    return WORD.findall(BREAK.sub(" ", text.lower()))


def _archive(path: Path) -> Iterator[Review]:
    with tarfile.open(path, "r:gz") as archive:  # "r|gz" takes the end of a cut file for the end of the archive
        for member in archive:
            if (found := MEMBER.fullmatch(member.name)) and (file := archive.extractfile(member)):
                part, label, number = found.groups()
                try:
                    text = file.read().decode()
                except UnicodeDecodeError as error:
                    raise ValueError(f"{path}: {member.name}: {error}, expected UTF-8 text") from error
                yield Review(part, int(label == "pos"), int(number), text)


def _table(path: Path) -> Iterator[Review]:
    with gzip.open(path, "rb") as file:
        for line, raw in enumerate(file, start=1):
            try:
                fields = raw.decode().rstrip("\r\n").split("\t")
            except UnicodeDecodeError as error:
                raise ValueError(f"{path}:{line}: {error}, expected UTF-8 text") from error
            if line == 1:
                if fields != HEADER:
                    raise ValueError(f"{path}:1: header {fields}, expected {HEADER}")
                continue
            if len(fields) != len(HEADER):
                raise ValueError(f"{path}:{line}: {len(fields)} fields, expected {len(HEADER)} as in the header")
            part, label, number, _, text = fields
            for name, value, allowed in (
                ("split", part, "train|val|test"),
                ("label", label, "0|1"),
                ("id", number, r"\d+"),
            ):
                if not re.fullmatch(allowed, value, re.ASCII):
                    raise ValueError(f"{path}:{line}: column {name!r} holds {value!r}, expected {allowed}")
            yield Review("test" if part == "test" else "train", int(label), int(number), text)


def _without_repetitions(learn: list[Review], test: list[Review]) -> tuple[list[Review], dict[str, int]]:
    """Leave out what test or an earlier review says in the same words, and count both."""
    tested = {" ".join(tokens(review.text)) for review in test}
    seen, kept, overlapping = set[str](), list[Review](), 0
    for review in learn:
        words = " ".join(tokens(review.text))
        overlapping += words in tested
        if words not in tested and words not in seen:
            kept.append(review)
        seen.add(words)
    return kept, {"in_test_too": overlapping, "repeated_in_train": len(learn) - len(kept) - overlapping}


def _numbered(reviews: list[Review]) -> tuple[list[str], list[Array]]:
    """Return all words, and each review as numbers of them: texts as lists of words would fill the memory."""
    numbers = dict[str, int]()
    texts = [np.array([numbers.setdefault(w, len(numbers)) for w in tokens(r.text)], np.int32) for r in reviews]
    return list(numbers), texts


def _vocabulary(words: list[str], train: list[Array], size: int) -> tuple[list[str], Array]:
    """Return the vocabulary, and for each of `words` its number in it; equally frequent words by the alphabet."""
    counts = np.bincount(np.concatenate(train), minlength=len(words))
    found = sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-counts[i], words[i]))[: max(size - 2, 0)]
    number = np.ones(len(words), np.int32)  # that of UNKNOWN
    number[found] = np.arange(2, 2 + len(found))
    return [PADDING, UNKNOWN, *(words[i] for i in found)], number
