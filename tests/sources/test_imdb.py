"""Reviews: both forms of the data set, words, vocabulary, parts and repeated texts."""

import gzip
from collections import Counter
from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from changed_files import CHANGES, altering
from small_data import REVIEWS, reviews, write_reviews_archive, write_reviews_table

from recurrent.sources import imdb
from recurrent.sources._contract import row_counts

ALL = replace(REVIEWS, vocabulary=1000, words=1000)


def load(folder, rows=None, options=ALL, write=write_reviews_table):
    write(folder, reviews() if rows is None else rows)
    return imdb.read(options, folder)


def texts(recording, part=None):
    """The words of each review, of one part or of all."""
    begin, end = recording.meta.parts[part] if part else (0, len(recording.signal))
    words = np.array(recording.meta.vocabulary)[recording.signal[begin:end, 0]]
    group = recording.group[begin:end]
    return [words[group == number].tolist() for number in np.unique(group)]


def test_the_archive_and_the_table_give_the_same(tmp_path):
    for name in ("table", "archive"):
        (tmp_path / name).mkdir()
    table = load(tmp_path / "table")
    archive = load(tmp_path / "archive", reviews()[::-1], write=write_reviews_archive)
    assert table.signal.tobytes() == archive.signal.tobytes() and table.group.tobytes() == archive.group.tobytes()
    assert table.target.tobytes() == archive.target.tobytes()
    assert replace(table.meta, source=archive.meta.source) == archive.meta
    assert [r.meta.source.name for r in (table, archive)] == ["aclImdb_50000.tsv.gz", "aclImdb_v1.tar.gz"]


def test_every_review_is_complete_in_its_part_under_its_label(tmp_path):
    """Each review has the same four words in another order, so that all are in the vocabulary of every train part."""
    orders = [" ".join(words) for words in permutations(("good", "bad", "film", "plot"))]
    rows = [("train", i % 2, i, text) for i, text in enumerate(orders[:20])]
    rows += [("test", i % 3 % 2, i, f"{text} {text}") for i, text in enumerate(orders[:20])]
    recording = load(tmp_path, rows)
    given = {text: (part, label) for part, label, _, text in rows}
    labels = recording.target[np.unique(recording.group, return_index=True)[1], 0].tolist()
    sizes, found = {"train": 15, "validation": 5, "test": 20}, {}
    for part, size in sizes.items():
        of_part = [" ".join(words) for words in texts(recording, part)]
        assert len(of_part) == size
        for text in of_part:
            found[text] = ("test" if part == "test" else "train", labels[len(found)])
    assert found == given
    assert (np.diff(recording.group, prepend=-1) <= 1).all() and len(labels) == 40
    firsts = recording.target[np.searchsorted(recording.group, recording.group), 0]
    assert (recording.target[:, 0] == firsts).all()  # one label from the first word to the last


def test_the_seed_draws_the_validation_part(tmp_path):
    first, again, other = (texts(load(tmp_path, options=replace(ALL, seed=seed)), "train") for seed in (0, 0, 1))
    assert first == again and first != other
    assert len(texts(load(tmp_path, options=replace(ALL, validation_fraction=0.5)), "validation")) == 10


def test_the_vocabulary_is_the_most_frequent_words_of_train(tmp_path):
    counts = Counter(word for text in texts(load(tmp_path), "train") for word in text)
    expected = sorted(counts, key=lambda word: (-counts[word], word))
    recording = load(tmp_path, options=replace(ALL, vocabulary=7))
    assert [*recording.meta.vocabulary] == ["<padding>", "<unknown>", *expected[:5]]
    assert recording.signal.min() == 1 and recording.signal.max() == 6


@pytest.mark.parametrize("keep, expected", [("first", ["one", "two"]), ("last", ["four", "five"])])
def test_the_first_or_the_last_words_are_kept(keep, expected, tmp_path):
    rows = [*reviews(), ("train", 0, 99, "one two three four five"), ("train", 0, 98, "one two four five")]
    recording = load(tmp_path, rows, replace(ALL, words=2, keep=keep, validation_fraction=0.05, vocabulary=2000))
    assert max(len(text) for text in texts(recording)) == 2
    assert any(text == expected for text in texts(recording))
    cut = sum(len(imdb.tokens(row[3])) > 2 for row in rows)
    assert recording.meta.counts == row_counts(len(rows), unit="reviews", noted={"cut_to_words_kept": cut})


def test_texts_that_stand_in_test_or_twice_are_taken_out_of_train(tmp_path):
    rows = reviews()
    rows[0] = (*rows[0][:3], rows[25][3].upper())  # as in test, but for the case
    rows[1] = (*rows[1][:3], rows[2][3])
    recording = load(tmp_path, rows)
    learned = texts(recording, "train") + texts(recording, "validation")
    assert len(learned) == 18 and len(texts(recording, "test")) == 20
    assert recording.meta.counts.read == len(rows)
    assert recording.meta.counts.dropped == {"in_test_too": 1, "repeated_in_train": 1}


def test_a_review_without_a_word_still_has_a_row(tmp_path):
    recording = load(tmp_path, [*reviews(), ("test", 1, 99, "?!")])
    assert texts(recording)[-1] == ["<unknown>"] and recording.target[-1] == 1


def test_tokens():
    assert imdb.tokens("It's <br /><br/>SO 'great'—don't!  9/10 café") == [
        "it's",
        "so",
        "great",
        "don't",
        "9",
        "10",
        "café",
    ]


BAD = {
    "header": ("a\tb", 1, "header"),
    "fields": ("{h}\ntrain\t0\t1\t7", 2, "4 fields, expected 5"),
    "split": ("{h}\ndev\t0\t1\t7\tx", 2, "column 'split' holds 'dev'"),
    "label": ("{h}\ntrain\t0\t1\t7\tx\ntrain\tpos\t1\t7\tx", 3, "column 'label' holds 'pos'"),
    "id": ("{h}\ntrain\t0\tx\t7\tx", 2, "column 'id' holds 'x'"),
    "not UTF-8": ("{h}\ntrain\t0\t1\t7\t\udce9", 2, "expected UTF-8"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named_by_line(case, tmp_path):
    text, line, message = BAD[case]
    content = text.format(h="\t".join(imdb.HEADER)).encode(errors="surrogateescape")
    (tmp_path / imdb.TABLE).write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=f"{imdb.TABLE}:{line}: .*{message}"):
        imdb.read(ALL, tmp_path)


FORMS = [(imdb.TABLE, write_reviews_table), (imdb.ARCHIVE, write_reviews_archive)]


@pytest.mark.parametrize(("name", "write"), FORMS)
def test_a_cut_or_missing_file_is_refused(name, write, tmp_path):
    with pytest.raises(ValueError, match=f"{imdb.ARCHIVE}: No such file or directory, expected a file"):
        imdb.read(ALL, tmp_path)
    write(tmp_path, reviews())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:300])
    with pytest.raises(ValueError, match=f"{name}: cannot be read to its end"):
        imdb.read(ALL, tmp_path)


def test_parts_must_not_be_empty(tmp_path):
    with pytest.raises(ValueError, match="20 reviews to learn from, 0 of them to validate, 20 to test"):
        load(tmp_path, options=replace(ALL, validation_fraction=0.001))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("name", "write"), FORMS)
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch, name, write, change):
    alter, message = CHANGES[change]
    altering(monkeypatch, imdb, "digest", tmp_path / name, alter)
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        load(tmp_path, write=write)
