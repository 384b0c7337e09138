"""Files of others, fetched once: pinned address and checksum, broken transfers continued, mirrors in their place."""

from __future__ import annotations

import hashlib
import http.client
import os
import shlex
import shutil
import socket
import time
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

CHUNK_BYTES = 1 << 18
# "Request Timeout" and "Too Many Requests" pass, like the server's own faults from 500 on; other codes do not.
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
        """Commands that fetch the file without this program."""
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
    attempts : how often a transfer is begun or continued
    pause : seconds before the second attempt; doubled before each further one

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
    cache.mkdir(parents=True, exist_ok=True)
    for url, name, checksum in _addresses(file, mirror):
        key = checksum or hashlib.md5(url.encode(), usedforsecurity=False).hexdigest()
        part = cache / f"{key}.part"
        if checksum is None:  # nothing would tell whether an old beginning fits a new end
            part.unlink(missing_ok=True)
        try:
            _download(url, part, timeout=timeout, attempts=attempts, pause=pause)
        except FileNotFoundError as error:
            missing = error
            continue
        except DownloadError as error:
            raise DownloadError(f"{file.name}: {error}\n{file.by_hand}") from error
        if (found := digest(part, checksum)) != checksum and checksum:
            part.unlink()
            told = f"{url} gave a file with checksum {found}, expected {checksum}; it was discarded"
            raise DownloadError(f"{file.name}: {told}\n{file.by_hand}")
        if checksum is None:
            return _place(part, folder / name, move=True)
        os.replace(part, cache / key)
        return _place(cache / key, folder / name)
    raise DownloadError(f"{file.name}: {missing}\n{file.by_hand}")


def digest(path: Path, like: str | None = None) -> str:
    """The md5 of a file, or its sha256 where `like` is as long as one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _algorithm(like)).hexdigest()


def _algorithm(checksum: str | None) -> str:
    return "sha256" if checksum and len(checksum) == 64 else "md5"


def _is_url(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def _addresses(file: File, mirror: str | None) -> Iterator[tuple[str, str, str | None]]:
    """Where to look: (url, name, checksum), best first."""
    if mirror is None:
        yield file.url, file.name, file.checksum
        return
    for name, checksum in file.forms:
        for last in (name, checksum):
            if last:
                yield f"{mirror.rstrip('/')}/{urllib.parse.quote(last)}", name, checksum


def _from_folder(file: File, mirror: Path, folder: Path) -> Path:
    if not mirror.is_dir():
        raise DownloadError(f"{file.name}: the mirror {mirror} is no folder")
    wrong = ""
    for name, checksum in file.forms:
        for path in sorted(path for path in mirror.rglob("*") if path.name in (name, checksum) and path.is_file()):
            if checksum is None or (found := digest(path, checksum)) == checksum:
                return _place(path, folder / name)
            wrong = f"{path} has the checksum {found}, expected {checksum}"
    names = " or ".join(name for name, _ in file.forms)
    raise DownloadError(f"{file.name}: " + (wrong or f"no {names} anywhere below the mirror {mirror}"))


def _place(source: Path, target: Path, *, move: bool = False) -> Path:
    """Copy (a link would hand the cache's file to whoever writes to the folder); whole, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    if move:
        shutil.move(source, temporary)
    else:
        shutil.copyfile(source, temporary)
    os.replace(temporary, target)
    return target


def _download(url: str, part: Path, *, timeout: float, attempts: int, pause: float) -> None:
    """Fetch `url` into `part`, which may hold its beginning; FileNotFoundError where there is no such file."""
    reason = ""
    for attempt in range(attempts):
        if attempt:
            time.sleep(pause * 2 ** (attempt - 1))
        try:
            return _transfer(url, part, timeout)
        except HTTPError as error:
            error.close()
            reason = f"{url} answers {error.code} {error.reason}"
            if error.code in (404, 410):
                raise FileNotFoundError(reason) from error
            if error.code == 416:  # what is here already is no beginning of what is there
                part.unlink(missing_ok=True)
            elif error.code < 500 and error.code not in PASSING:
                raise DownloadError(reason) from error
        except (OSError, http.client.HTTPException) as error:
            cause = error.reason if isinstance(error, URLError) else error
            if isinstance(cause, socket.gaierror):  # no name server: waiting seconds will not help
                host = urllib.parse.urlparse(url).netloc
                raise DownloadError(f"no network, or no machine {host!r}: {cause}") from error
            reason = f"{url}: {cause or type(cause).__name__}"
    raise DownloadError(f"{reason}; given up after {attempts} attempts, the next run goes on from there")


def _transfer(url: str, part: Path, timeout: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "recurrent"} | ({"Range": f"bytes={have}-"} if have else {})
    with urlopen(Request(url, headers=headers), timeout=timeout) as response:
        if response.status != 206:  # a server that ignores the range sends everything again
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem[:8], disable=None) as bar,
        ):
            while data := response.read1(CHUNK_BYTES):  # read() would lose what came before a transfer stalls
                file.write(data)
                bar.update(len(data))
    if total is not None and (got := part.stat().st_size) < total:
        raise ConnectionError(f"broken off after {got} of {total} bytes")
