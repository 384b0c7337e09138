"""Resume an interrupted run, bit for bit: its state after each epoch, kept outside the outputs.

A checkpoint belongs to one fingerprint: everything that steers the training, except where it ends.
So with other data, parameters or code it starts over, and with a larger max_epochs it resumes.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from recurrent.storage.atomic import locked, naming, remove_abandoned, replacing
from recurrent.storage.digest import of_bytes


def fingerprint(*, parameters: dict[str, Any], code: Iterable[Path]) -> str:
    """Digest the parameters, the contents of the code files and the version of torch."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    digest.update(torch.__version__.encode())
    return digest.hexdigest()[:32]


class Checkpoint:
    """One file per fingerprint in `folder`, replaced in one step, so a kill in mid-write does no harm.

    It has one owner at a time: the process that called `load`, until that ends or calls `remove`.
    """

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self.path = folder / f"{fingerprint}.pt"
        self._lock = folder / f"{fingerprint}.lock"
        self._release: weakref.finalize[..., Checkpoint] | None = None  # closes the file, which ends the lock

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None without an undamaged one; remove temporaries of killed processes.

        Raises
        ------
        ValueError
            Where another process trains the same network; it names the process and its folder.
        """
        self._own()
        remove_abandoned(self.path.parent)
        if not self.path.exists():
            return None
        written, _, content = self.path.read_bytes().partition(b"\n")
        if written != of_bytes(content).encode():
            print(f"{self.path}: damaged checkpoint, not used; training begins anew", file=sys.stderr)
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
        return state

    def save(self, state: dict[str, Any]) -> None:
        """Replace the saved state: its digest, a line, and what torch writes."""
        content = io.BytesIO()
        torch.save(state, content)
        with replacing(self.path) as temporary:
            temporary.write_bytes(b"%s\n%s" % (of_bytes(content.getvalue()).encode(), content.getvalue()))

    def remove(self) -> None:
        """Delete the state of a run that has ended."""
        self.path.unlink(missing_ok=True)
        if self._release:
            self._lock.unlink(missing_ok=True)
            self._release()

    def _own(self) -> None:
        while not (self._release and self._release.alive):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o666)
            release = weakref.finalize(self, os.close, file)
            if not locked(file):
                owner = os.pread(file, 1000, 0).decode()
                raise ValueError(f"process {owner} trains this network already; wait until it ends ({self._lock})")
            if os.fstat(file).st_nlink:  # not where the last owner deleted it just before it was locked
                self._release = release
                with naming(self._lock):
                    os.ftruncate(file, 0)
                    os.pwrite(file, f"{os.getpid()} in {Path.cwd()}".encode(), 0)
