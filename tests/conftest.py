"""What several tests share."""

from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """Give the folder of real data beside the repository; its terms keep it out of Git."""
    folder = Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is absent")
    return folder
