"""Resume an interrupted run, bit for bit: its state after each epoch, kept outside the outputs.

A checkpoint belongs to one fingerprint: everything that steers the training, except where it ends.
So with other data, parameters or code it starts over, and with a larger max_epochs it resumes.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from recurrent.storage.atomic import remove_abandoned, replacing


def fingerprint(*, parameters: dict[str, Any], code: Iterable[Path]) -> str:
    """Digest the parameters, the contents of the code files and the version of torch."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    digest.update(torch.__version__.encode())
    return digest.hexdigest()[:32]


class Checkpoint:
    """One file per fingerprint in `folder`, replaced in one step, so a kill in mid-write does no harm."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f"{fingerprint}.pt"

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None without one that can be read; remove temporaries of killed processes."""
        remove_abandoned(self.path.parent)
        if not self.path.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
        except Exception as error:  # whatever torch raises on a damaged file: training over is the cure
            print(f"{self.path.name}: unreadable checkpoint, starting over ({error})", file=sys.stderr)
            return None
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state."""
        with replacing(self.path) as temporary:
            torch.save(state, temporary)

    def remove(self) -> None:
        """Delete the state of a run that has ended."""
        self.path.unlink(missing_ok=True)
