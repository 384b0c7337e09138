"""A killed run goes on where it was, to the same bits: its state after each epoch, kept outside the outputs.

A checkpoint belongs to one fingerprint: everything that steers the training, except where it ends.
So other data, parameters or code start over, and raising max_epochs after a kill goes on.
"""

import hashlib
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch


def fingerprint(*, parameters: dict[str, Any], code: Iterable[Path]) -> str:
    """Digest the parameters, the contents of the code files and the version of torch."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    digest.update(torch.__version__.encode())
    return digest.hexdigest()[:32]


class Checkpoint:
    """One file per fingerprint in `folder`; replaced whole, so a kill in mid-write does no harm."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f"{fingerprint}.pt"

    def load(self) -> dict[str, Any] | None:
        """Give the saved state, or None where there is none that can be read; clear up after killed writers."""
        for torn in filter(_abandoned, self.path.parent.glob("*.*.tmp")):
            torn.unlink(missing_ok=True)  # another run may clear up at the same time
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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            torch.save(state, temporary)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def remove(self) -> None:
        """Forget the state of a run that has come to its end."""
        self.path.unlink(missing_ok=True)


def _abandoned(temporary: Path) -> bool:
    """Say whether nobody writes NAME.PROCESS.tmp any more; what has this process's number is of an earlier one."""
    number = temporary.name.split(".")[-2]
    if not number.isdecimal():
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # alive, and of another user
        return False
    return False
