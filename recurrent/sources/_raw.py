"""The keys that every source of one file has, and where that file lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from recurrent.config.schema import Name, Section
from recurrent.ingest.download import File

Url = Annotated[str, Field(pattern="^https?://")]
Checksum = Annotated[str, Field(pattern="^([0-9a-f]{32}|[0-9a-f]{64})$")]


@dataclass(frozen=True)
class RawFile(Section):
    """One file: downloaded under the name `file` into a folder; where `url` is null, your own, wherever it lies."""

    file: Name
    url: Url | None
    checksum: Checksum | None

    def files(self) -> tuple[File, ...]:
        return () if self.url is None else (File(self.file, self.url, self.checksum),)

    def path(self, raw: Path) -> Path:
        return raw if self.url is None else raw / self.file
