"""The page on a terabyte: slopes and what they are extrapolated to."""

import re

from benchmarks.scaling import KEPT, LANL, STEPS, Measured, tables


def one(millions):
    """A recording with 10 bytes a row, of which each step takes 1 s and 3 s per GB of CSV; kept are as many GB."""
    gb = millions / 100
    return Measured(millions * 10**6, dict.fromkeys(STEPS, 1 + 3 * gb), dict.fromkeys(KEPT, gb))


def test_the_slope_is_that_of_the_line_and_the_terabyte_has_no_part_of_the_start():
    text = tables([one(10), one(20), one(40)])
    whole = 100 * LANL * 10 / 1e9
    assert f"{whole:.0f} GB, one core" in text
    assert text.count(f"| 1.3 s | 1.6 s | 2.2 s | 3.00 | 0.0 s | {3 * whole / 60:.0f} min |") == len(STEPS)
    assert text.count(f"| 1.000 | {whole:.0f} GB | {whole * 0.023:.0f} |") == len(KEPT)
    assert re.search(r"first three steps .*, 1\.5 times that\.$", text)


def test_what_leaves_the_line_is_told():
    bent = Measured(40 * 10**6, dict.fromkeys(STEPS, 20.0), dict.fromkeys(KEPT, 0.4))
    assert "| 0.0 s |" not in tables([one(10), one(20), bent])
