"""Every test that docs/guarantees.md names exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", re.findall(r"^\| .+ \|$", PAGE, re.MULTILINE))
def test_every_promise_names_tests_that_exist(row):
    if re.fullmatch(r"\| (promise \| test|--- \| ---) \|", row):
        return
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
    assert named, row
    for path, name in named:
        assert name in {node.name for node in ast.parse((ROOT / path).read_text()).body if hasattr(node, "name")}
