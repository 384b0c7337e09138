"""The benchmark of ingest: each tool does the same work."""

import pytest

from benchmarks.ingest import NAMES, OURS, different, run


@pytest.mark.parametrize("tool", [OURS, "pandas", "pyarrow"])
def test_the_tools_end_in_the_same_arrays(tmp_path, tool):
    rows = [f"{i % 90},{(3000 - i) * 1e-5:.5f}" for i in range(3000)]
    csv = tmp_path / "recording.csv"
    csv.write_text("\n".join([",".join(NAMES), *rows]) + "\n")
    for name in (OURS, tool):
        assert run(name, csv, tmp_path / name)
    assert different(tmp_path / tool, tmp_path / OURS) == 0
