"""The README's answer on longer sequences is that of the study's tables, whichever way they point."""

import pytest

from reports import study_words as study
from reports.readme import fill

COST = "| manual | 100 | 0.10 s | 1 MB | 8 | 44 | 100% |\n| manual | 400 | 0.25 s | 1 MB | 8 | 54 | 100% |"


def page(*errors):
    """Give a page with these errors at 25, 100 and 400 steps: (validation, test) as the study writes them."""
    rows = "\n".join(
        f"| manual | {n} | {v} | {t} | 33% | 80 |" for n, (v, t) in zip((25, 100, 400), errors, strict=True)
    )
    head = "| a |\n| --- |\n"
    return f"<!-- error -->\n{head}{rows}\n<!-- end of error -->\n<!-- cost -->\n{head}{COST}\n<!-- end of cost -->"


def test_the_committed_sentences_are_those_of_the_tables(committed):
    text = (committed / "docs" / "study.md").read_text(encoding="utf-8")
    for name, words in study.SENTENCES.items():
        assert fill(text, name, study.wrapped(words(text))) == text
    readme = (committed / "README.md").read_text(encoding="utf-8")
    assert fill(readme, "length", study.wrapped(study.answer(text))) == readme


def test_the_answer_has_both_columns_and_three_sentences():
    said = study.answer(
        page(("9.0% ± 0.1%", "8.0% ± 0.1%"), ("7.0% ± 0.1%", "6.0% ± 0.1%"), ("7.1% ± 0.2%", "5.9% ± 0.2%"))
    )
    assert "The error falls" in said and "9.0, 7.0 and 7.1 % on validation and 8.0, 6.0 and 5.9 % on test" in said
    assert "From 100 steps on" in said and "2.5 times as long" in said and "back 54 steps" in said
    assert said.count(". ") == 2


@pytest.mark.parametrize(
    ("last", "verb"),
    [(("9.5% ± 0.1%", "8.5% ± 0.1%"), "does not fall"), (("7.0% ± 0.1%", "9.0% ± 0.1%"), "on one set only")],
)
def test_the_answer_turns_with_the_figures(last, verb):
    said = study.answer(page(("9.0% ± 0.1%", "8.0% ± 0.1%"), ("9.0% ± 0.1%", "8.1% ± 0.1%"), last))
    assert verb in said and "The longest, 400 steps, still differs" in said


def test_one_seed_tells_no_difference_from_chance():
    assert "From 25 steps on" in study.answer(page(("9.0%", "8.0%"), ("7.0%", "6.0%"), ("6.0%", "5.0%")))
