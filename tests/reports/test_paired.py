"""The difference of two revisions: paired by window, three verdicts, and no promise where nothing can be paired."""

import json
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from markdown_it import MarkdownIt
from seeds import rng

from reports import paired
from reports.compare import escaped, table
from reports.revisions import columns


def revision(name, off, *, first=0, n=400, seq_len=20, stride=2):
    """Give a revision whose forecasts of rows first, first + 1, ... are wrong by `off`."""
    time = np.arange(first, first + n, dtype=float)
    actual = 5 + np.sin(time)
    return SimpleNamespace(
        name=name,
        forecasts={"time": time, "actual": actual, "predicted": actual + np.resize(off, n)},
        windows={"seq_len": seq_len, "stride": stride},
        predictions={"unit": "s"},
    )


NOISE = rng(0).normal(size=400)


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (NOISE * 2, NOISE, "b is better than a"),
        (NOISE, NOISE * 2, "b is worse than a"),
        (NOISE, NOISE[::-1], "b differs from a by no more than"),
    ],
)
def test_the_verdict_is_that_of_the_interval(one, other, verdict):
    a, b = revision("a", one), revision("b", other)
    found, back = paired.gain(a, b), paired.gain(b, a)
    assert verdict in paired.in_words(a, b)
    assert found.low < found.errors[0] - found.errors[1] < found.high
    assert (found.low, found.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert found.block == 10


def test_only_windows_of_both_are_compared():
    a, b = revision("a", NOISE), revision("b", 2 * np.roll(NOISE, -100), first=100, seq_len=50)
    found = paired.gain(a, b)
    assert (found.windows, found.block) == (300, 25)
    assert found.errors[1] == pytest.approx(2 * found.errors[0])
    assert "a errs as a does" in paired.in_words(a, a)
    assert "on the 300 windows" in paired.in_words(a, b) and "the same 400" in paired.in_words(a, a)


def test_where_no_window_is_common_there_is_no_interval():
    assert paired.in_words(revision("a", 1.0), revision("b", 1.0, first=1000)) == (
        "No 95 % interval: a and b forecast no window in common."
    )


def test_windows_that_share_steps_make_a_wider_interval():
    slow = np.repeat(NOISE[:20], 20)  # neighbours are wrong alike
    near, far = (paired.gain(revision("a", slow, seq_len=n), revision("b", 0.7, seq_len=n)) for n in (2, 40))
    assert far.high - far.low > 2 * (near.high - near.low)


def test_a_table_of_numbers_is_read():
    assert {k: v.tolist() for k, v in columns("a,b\n1,2.5\n-3,4e2\n").items()} == {"a": [1, -3], "b": [2.5, 400]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<img src=x>|a&b", r"&lt;img src=x&gt;\|a&amp;b"),
        ("[a](javascript:x) `c` **d** _e_", r"\[a\](javascript:x) \`c\` \*\*d\*\* \_e\_"),
        ("test.mean_delta\n# x", r"test.mean_delta \# x"),
        ("a.__b__ c_d_", r"a.\_\_b\_\_ c_d\_"),
    ],
)
def test_what_is_told_stays_text(text, shown):
    assert escaped(text) == shown


class Shown(HTMLParser):
    """What a page shows, and the tags it is made of."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.real_data
def test_naughty_names_of_experiments_and_scores_stay_text(real_data):
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    for text in json.loads((real_data / "odd" / "naughty-strings" / "blns.json").read_text(encoding="utf-8")):
        page = Shown(reader.render(table([text, "score"], [[text, "1"]])))
        assert page.tags <= {"table", "thead", "tbody", "tr", "th", "td"}, text
        assert page.text.count(" ".join(text.split())) >= 2, text
