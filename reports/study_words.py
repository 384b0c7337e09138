"""Say in words what the tables of docs/study.md show, there and in the README: both columns, whatever they hold.

python -m reports.study_words
"""

import math
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from reports.readme import ROOT, between, fill

EXERCISE = 100  # steps
SEEDS = 3


@dataclass(frozen=True)
class Row:
    """A configuration of the study; errors are mean deltas in per cent, (mean, standard deviation) over the seeds."""

    validation: tuple[float, float]
    test: tuple[float, float]


Study = dict[str, dict[int, Row]]  # cell -> seq_len -> results


def cells(page: str, name: str) -> list[list[str]]:
    """Return the cells of the table between two markers, without its head."""
    lines = [line for line in between(page, name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def read(page: str, name: str) -> Study:
    """Return the results of a table of errors."""
    study: Study = {}
    for cell, seq_len, *errors in cells(page, name):
        pairs = [tuple(map(float, re.findall(r"[\d.]+", text))) for text in errors[:2]]
        validation, test = (pair if len(pair) == 2 else (pair[0], math.nan) for pair in pairs)
        study.setdefault(cell, {})[int(seq_len)] = Row(validation, test)
    return study


def listed(words: Iterable[str]) -> str:
    """Return `a, b and c`."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def differ(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Return whether two means over the seeds are further apart than two standard errors of their difference."""
    return abs(one[0] - other[0]) > 2 * math.sqrt((one[1] ** 2 + other[1] ** 2) / SEEDS)


def settled(lengths: dict[int, Row]) -> int:
    """Return the shortest length which no longer one differs from, on validation and on test."""

    def same(one: Row, other: Row) -> bool:
        return not differ(one.validation, other.validation) and not differ(one.test, other.test)

    return next(n for n, row in lengths.items() if all(same(row, lengths[m]) for m in lengths if m > n))


def answer(page: str) -> str:
    """Return what happens if the sequence becomes longer: three sentences on the cell made from nn.Linear."""
    manual = read(page, "error")["manual"]
    lengths = list(manual)
    first, last = manual[lengths[0]], manual[lengths[-1]]
    signs = {getattr(last, part)[0] < getattr(first, part)[0] for part in ("validation", "test")}
    verb = {True: "falls", False: "does not fall"}[signs.pop()] if len(signs) == 1 else "falls on one set only"
    values = (
        f"{listed(f'{getattr(row, part)[0]:.1f}' for row in manual.values())} % on {part}"
        for part in ("validation", "test")
    )
    limit = settled(manual)
    beyond = (
        f"From {limit} steps on the differences are within what seeds of the network make"
        if limit < lengths[-1]
        else f"The longest, {limit} steps, still differs from all others by more than seeds of the network make"
    )
    costs = {int(row[1]): row for row in cells(page, "cost") if row[0] == "manual"}
    ratio = float(costs[lengths[-1]][2].split()[0]) / float(costs[EXERCISE][2].split()[0])
    return (
        f"The error {verb} with the length: with the recurrence made from `nn.Linear` the mean delta at "
        f"{listed(map(str, lengths))} steps is "
        f"{listed(values)}. {beyond}. An epoch at {lengths[-1]} steps takes {ratio:.1f} times as long as at "
        f"{EXERCISE}, and the gradient of the last step's error reaches back {costs[lengths[-1]][5]} steps, so inputs "
        "further back can hardly be learnt from."
    )


def by_cell(page: str) -> str:
    """Return how the cells compare at the exercise's length, and what an epoch costs."""
    study, costs = read(page, "error"), {(row[0], row[1]): row[2] for row in cells(page, "cost")}
    at = {cell: lengths[EXERCISE] for cell, lengths in study.items()}
    words = (
        f"{row.validation[0]:.1f} % and {row.test[0]:.1f} % with `{cell}` ({costs[cell, str(EXERCISE)]} an epoch)"
        for cell, row in at.items()
    )
    limits = {cell: settled(lengths) for cell, lengths in study.items()}
    others = (
        f"{limits[cell]} steps with `{cell}`" if limits[cell] < max(study[cell]) else f"none of these with `{cell}`"
        for cell in study
    )
    return (
        f"At the exercise's {EXERCISE} steps the mean delta on validation and test is {listed(words)}. The length from "
        f"which a longer one makes no difference beyond that of the seeds is {listed(others)}."
    )


def reach(page: str) -> str:
    """Return how far the gradient reaches by cell, before and after training, at every length."""
    rows = cells(page, "cost")
    before = [int(row[4]) for row in rows]
    lines = []
    for cell in dict.fromkeys(row[0] for row in rows):
        lines.append(f"`{cell}` {listed(f'{row[5]} of {row[1]}' for row in rows if row[0] == cell)} steps")
    return (
        f"Untrained, all cells forget within {min(before)} to {max(before)} steps, with or without gates. After "
        f"training the gradient reaches back, by cell: {'; '.join(lines)}. In no cell does it reach back more than "
        f"{max(int(row[5]) for row in rows)} steps."
    )


def single_samples(page: str) -> str:
    """Return what is lost without reduction."""
    usual, raw = read(page, "error"), read(page, "raw")
    words = (
        f"{row.validation[0]:.1f} % on validation and {row.test[0]:.1f} % on test with `{cell}`, instead of "
        f"{usual[cell][n].validation[0]:.1f} % and {usual[cell][n].test[0]:.1f} %"
        for cell, lengths in raw.items()
        for n, row in lengths.items()
    )
    return f"The mean delta is {'; '.join(words)}."


def wrapped(text: str) -> str:
    """Return the text in lines of the page's width."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


SENTENCES = {"length": answer, "cells": by_cell, "reach": reach, "samples": single_samples}


def main() -> None:
    """Rewrite the sentences of docs/study.md, and the README's answer."""
    study, readme = ROOT / "docs" / "study.md", ROOT / "README.md"
    page = study.read_text(encoding="utf-8")
    for name, words in SENTENCES.items():
        page = fill(page, name, wrapped(words(page)))
    study.write_text(page, encoding="utf-8")
    readme.write_text(fill(readme.read_text(encoding="utf-8"), "length", wrapped(answer(page))), encoding="utf-8")


if __name__ == "__main__":
    main()
