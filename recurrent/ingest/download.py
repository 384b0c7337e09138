"""Files of others, fetched once by pooch: pinned address and checksum, or mirrors in their place."""

from __future__ import annotations

import hashlib
import shlex
import shutil
import socket
import sys
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from recurrent.storage.atomic import replacing

CHUNK_BYTES = 1 << 18
# "Request Timeout" and "Too Many Requests" pass, like the server's own errors from 500 on; other codes do not.
PASSING = (408, 429)
KAGGLE = "www.kaggle.com"


class DownloadError(ValueError):
    """A file that could not be had; the message says why, and how to get it by hand."""


@dataclass(frozen=True)
class File:
    """What a source wants to find in its folder.

    Parameters
    ----------
    name : in the folder
    url : where it is published
    checksum : md5 or sha256, told apart by their length; None takes what the address gives today, and keeps no copy
    alternatives : (name, checksum) of the same data in another form, taken where a mirror or the cache has it
    """

    name: str
    url: str
    checksum: str | None
    alternatives: tuple[tuple[str, str], ...] = ()

    @property
    def forms(self) -> tuple[tuple[str, str | None], ...]:
        return (self.name, self.checksum), *self.alternatives

    @property
    def by_hand(self) -> str:
        """Return the commands that fetch the file without this program."""
        parts = urllib.parse.urlparse(self.url)
        if parts.netloc == KAGGLE:  # /competitions/NAME/... or /datasets/OWNER/NAME/...
            kind, *rest = parts.path.strip("/").split("/")
            what = f"-c {rest[0]}" if kind == "competitions" else "/".join(rest[:2])
            command = f"kaggle {kind} download {what} -f {shlex.quote(self.name)} -p downloads"
            note = f"Kaggle wants an account, your consent to its rules and a token (https://{KAGGLE}/settings)."
            command = f"{note}\n  pip install kaggle\n  {command}   # unpack it where it arrives as a .zip"
        else:
            target = shlex.quote(f"downloads/{self.name}")
            command = f"  curl --location --create-dirs --output {target} {shlex.quote(self.url)}"
        return f"By hand:\n{command}\nThen the same command again with RECURRENT_MIRROR=downloads before it."


def fetch(
    file: File,
    folder: Path,
    *,
    cache: Path,
    mirror: str | None = None,
    timeout: float = 30.0,
    attempts: int = 4,
    pause: float = 1.0,
) -> Path:
    """Put `file` into `folder`, from the cache, else from the mirror, else from its address.

    Parameters
    ----------
    cache : folder of downloads, each named by its checksum
    mirror : a folder that holds the file somewhere below, or the URL of one; by its name or by its checksum
    timeout : seconds without a byte before a transfer counts as broken
    attempts : how often a transfer is begun
    pause : seconds before the second attempt; three times as many before the third, seven times before the fourth

    Raises
    ------
    DownloadError
        No network, no such file, another checksum, or no attempt succeeded.
    """
    for name, checksum in file.forms:
        kept = cache / str(checksum)
        if kept.is_file() and digest(kept, checksum) == checksum:
            return _place(kept, folder / name)
    if mirror and not _is_url(mirror):
        return _from_folder(file, Path(mirror), folder)
    if not mirror and urllib.parse.urlparse(file.url).netloc == KAGGLE:
        raise DownloadError(f"{file.name}: Kaggle gives files to people only, not to a plain download\n{file.by_hand}")
    for url, name, checksum in _addresses(file, mirror):
        target = cache / checksum if checksum else folder / name
        try:
            _download(url, target, checksum, timeout=timeout, attempts=attempts, pause=pause)
            return _place(target, folder / name) if checksum else target
        except DownloadError as error:
            refused = error
    raise DownloadError(f"{file.name}: {refused}\n{file.by_hand}") from refused


def digest(path: Path, like: str | None = None) -> str:
    """Return the md5 of a file, or its sha256 where `like` is as long as one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256" if like and len(like) == 64 else "md5").hexdigest()


def _is_url(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def _addresses(file: File, mirror: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Yield where to look: (url, name, checksum), best first."""
    if mirror is None:
        yield file.url, file.name, file.checksum
        return
    for name, checksum in file.forms:
        for last in (name, checksum):
            if last:
                yield f"{mirror.rstrip('/')}/{urllib.parse.quote(last)}", name, checksum


def _from_folder(file: File, mirror: Path, folder: Path) -> Path:
    if not mirror.is_dir():
        raise DownloadError(f"{file.name}: the mirror {mirror} is not a directory")
    wrong = ""
    for name, checksum in file.forms:
        for path in sorted(path for path in mirror.rglob("*") if path.name in (name, checksum) and path.is_file()):
            if checksum is None or (found := digest(path, checksum)) == checksum:
                return _place(path, folder / name)
            wrong = f"{path} has the checksum {found}, expected {checksum}"
    names = " or ".join(name for name, _ in file.forms)
    raise DownloadError(f"{file.name}: " + (wrong or f"no {names} anywhere below the mirror {mirror}"))


def _place(source: Path, target: Path) -> Path:
    """Copy completely or not at all; a link would hand the cache's file to whoever writes to the folder."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)
    return target


def _download(url: str, target: Path, checksum: str | None, *, timeout: float, attempts: int, pause: float) -> None:
    """Fetch all of `url`, and only with the right checksum."""
    import pooch  # a fifth of a second, for the one stage that downloads
    import requests

    headers = {"User-Agent": "recurrent", "Accept-Encoding": "identity"}
    http = pooch.HTTPDownloader(sys.stderr.isatty(), CHUNK_BYTES, timeout=timeout, headers=headers)
    for attempt in range(attempts):
        time.sleep(pause * (2**attempt - 1))
        try:
            with replacing(target) as temporary:
                http(url, temporary, None)
                if checksum and (found := digest(temporary, checksum)) != checksum:
                    raise DownloadError(f"{url}: what came has the checksum {found}, expected {checksum}")
                return
        except requests.RequestException as error:
            reason: BaseException = error
            while reason.__context__:  # the libraries on the way wrap the one line that says it
                reason = reason.__context__
            code = 0
            if error.response is not None:
                code = error.response.status_code
                error.response.close()  # pooch leaves its connection open
            if isinstance(reason, socket.gaierror) or (400 <= code < 500 and code not in PASSING):
                break  # waiting seconds will not help
    raise DownloadError(f"{url}: {reason}") from reason
