"""Downloads against a server of our own: broken off, wrong, missing, slow; mirrors and the cache."""

import errno
import hashlib
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from recurrent.ingest import download
from recurrent.ingest.download import DownloadError, File

CONTENT = bytes(range(256)) * 2000
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT under /f.bin and its checksum; `failures` are what goes wrong with the next requests, in order."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.failures, self.requests, self.content = [], [], CONTENT
        self.over = threading.Event()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        failure = self.server.failures.pop(0) if self.server.failures else None
        if isinstance(failure, int):
            return self.send_error(failure)
        if self.path not in ("/f.bin", "/sub/f.bin", f"/{MD5}"):
            return self.send_error(404)
        body = self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if failure == "stalled":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            self.server.over.wait(300)
        else:
            self.wfile.write(body[: len(body) // 2] if failure == "broken off" else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def fetch(server, folder, *, name="f.bin", checksum=MD5, url=None, **more):
    file = File(name, url or f"{server.url}/f.bin", checksum, more.pop("alternatives", ()))
    arguments = {"cache": folder / "cache", "timeout": 300.0, "pause": 0.0} | more
    return download.fetch(file, folder / "raw", **arguments)


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("checksum", [MD5, SHA256, None])
def test_a_file_arrives_whole_under_its_name(server, tmp_path, checksum):
    path = fetch(server, tmp_path, checksum=checksum)
    assert path == tmp_path / "raw" / "f.bin" and path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["f.bin"]


def test_the_second_time_comes_from_the_cache(server, tmp_path):
    fetch(server, tmp_path).unlink()
    assert fetch(server, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_writing_to_the_folder_leaves_the_cache_alone(server, tmp_path):
    fetch(server, tmp_path).write_bytes(b"mine now")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_a_spoilt_cache_is_not_believed(server, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / MD5).write_bytes(b"spoilt")
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_without_a_checksum_nothing_is_kept_and_todays_file_comes(server, tmp_path):
    fetch(server, tmp_path, checksum=None)
    server.content = b"of tomorrow"
    assert fetch(server, tmp_path, checksum=None).read_bytes() == b"of tomorrow"
    assert files(tmp_path) == ["f.bin"]


@pytest.mark.parametrize("failure", ["broken off", "stalled"])
def test_what_breaks_off_begins_again(server, tmp_path, monkeypatch, failure):
    usual, server.failures = requests.get, [failure, failure]
    # patience with whatever is not stalled, so that a busy machine does not look like a stalled server
    monkeypatch.setattr(
        requests, "get", lambda *a, timeout, **k: usual(*a, timeout=timeout if server.failures else 300, **k)
    )
    assert fetch(server, tmp_path, timeout=1.0).read_bytes() == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize("checksum", [MD5, None])
def test_what_broke_off_leaves_nothing_behind(server, tmp_path, checksum):
    server.failures = ["broken off"]
    with pytest.raises(DownloadError, match=r"f.bin: http.*/f.bin: .*256000 bytes read, 256000 more expected"):
        fetch(server, tmp_path, checksum=checksum, attempts=1)
    assert files(tmp_path) == [] and (checksum is None or not (tmp_path / "raw").exists())
    assert fetch(server, tmp_path, checksum=checksum).read_bytes() == CONTENT


def test_a_wrong_checksum_names_both_and_keeps_nothing(server, tmp_path):
    wrong = "0" * 32
    with pytest.raises(DownloadError, match=rf"f.bin: http.*has the checksum {MD5}, expected {wrong}\n"):
        fetch(server, tmp_path, checksum=wrong)
    assert len(server.requests) == 1
    assert files(tmp_path) == [] and not (tmp_path / "raw").exists()


def test_a_failure_of_the_server_passes(server, tmp_path):
    server.failures = [500, 503, 429]
    assert fetch(server, tmp_path).read_bytes() == CONTENT


def test_pauses_grow(server, tmp_path, monkeypatch):
    pauses = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    server.failures = [500] * 4
    with pytest.raises(DownloadError, match="500 Server Error"):
        fetch(server, tmp_path, pause=1.0)
    assert pauses == [0.0, 1.0, 3.0, 7.0] and len(server.requests) == 4


@pytest.mark.parametrize("code", [403, 404])
def test_a_missing_file_is_asked_for_once_and_said_how_to_get(server, tmp_path, code):
    server.failures = [code]
    with pytest.raises(DownloadError, match=rf"f.bin: .*{code} Client Error.*/f.bin\n") as error:
        fetch(server, tmp_path)
    assert len(server.requests) == 1
    assert f"curl --location --create-dirs --output downloads/f.bin {server.url}/f.bin" in str(error.value)
    assert "RECURRENT_MIRROR=downloads" in str(error.value)


def test_no_network(tmp_path, monkeypatch):
    def no_name_server(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", no_name_server)
    monkeypatch.delenv("http_proxy", raising=False)
    with pytest.raises(DownloadError, match=r"http://example.org/f.bin: .*name resolution\n(.|\n)*curl"):
        fetch(None, tmp_path, url="http://example.org/f.bin", pause=100.0)


def test_nobody_listens(server, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/f.bin"
        with pytest.raises(DownloadError, match=rf"{url}: .*refused\n"):
            fetch(server, tmp_path, url=url, attempts=2)


@pytest.mark.parametrize(
    "address, command",
    [
        ("competitions/LANL-Earthquake-Prediction/data", "competitions download -c LANL-Earthquake-Prediction"),
        ("datasets/sankha1998/student-semester-result/data", "datasets download sankha1998/student-semester-result"),
    ],
)
def test_kaggle_is_not_asked_but_the_person_told_what_to_type(tmp_path, address, command):
    with pytest.raises(DownloadError) as error:
        fetch(None, tmp_path, url=f"https://www.kaggle.com/{address}")
    assert f"  kaggle {command} -f f.bin -p downloads" in str(error.value)


@pytest.mark.parametrize("name", ["deep/below/f.bin", f"cache/{MD5}"])
def test_a_folder_stands_in_by_name_or_by_checksum(tmp_path, name):
    mirror = tmp_path / "mirror"
    (mirror / name).parent.mkdir(parents=True)
    (mirror / name).write_bytes(CONTENT)
    (mirror / "a").mkdir()
    (mirror / "a" / "f.bin").write_bytes(b"another of that name")
    path = fetch(None, tmp_path, url="http://no.such.host/f.bin", mirror=str(mirror))
    assert path.name == "f.bin" and path.read_bytes() == CONTENT


def test_a_folder_without_the_file_or_with_a_wrong_one_says_so(tmp_path):
    for mirror, match in (("mirror", "no f.bin or other anywhere below"), ("none", "is not a directory")):
        (tmp_path / "mirror").mkdir(exist_ok=True)
        with pytest.raises(DownloadError, match=match):
            fetch(None, tmp_path, url="x", mirror=str(tmp_path / mirror), alternatives=(("other", "1" * 32),))
    (tmp_path / "mirror" / "f.bin").write_bytes(CONTENT)
    with pytest.raises(DownloadError, match=f"f.bin has the checksum {MD5}, expected {'0' * 32}"):
        fetch(None, tmp_path, url="x", mirror=str(tmp_path / "mirror"), checksum="0" * 32)


def test_a_mirror_may_hold_the_same_data_in_another_form(server, tmp_path):
    other = (("other.bin", MD5),)
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "other.bin").write_bytes(CONTENT)
    path = fetch(None, tmp_path, url="x", mirror=str(tmp_path / "mirror"), checksum="0" * 32, alternatives=other)
    assert path.name == "other.bin" and path.read_bytes() == CONTENT
    path = fetch(server, tmp_path / "b", name="x.bin", mirror=server.url, checksum="0" * 32, alternatives=other)
    assert path.name == "other.bin" and server.requests[-2:] == ["/other.bin", f"/{MD5}"]


def test_an_address_stands_in(server, tmp_path):
    path = fetch(server, tmp_path, url="http://no.such.host/f.bin", mirror=f"{server.url}/sub/")
    assert path.read_bytes() == CONTENT and server.requests == ["/sub/f.bin"]


@pytest.mark.parametrize("move", ["cache", "mirror"])
def test_an_interrupted_copy_leaves_nothing(tmp_path, monkeypatch, move):
    """Whether it comes from the cache or from a mirror."""
    folder = tmp_path / move
    folder.mkdir()
    content = b"content"
    checksum = hashlib.md5(content).hexdigest()
    (folder / checksum).write_bytes(content)
    places = {"cache": folder} if move == "cache" else {"cache": tmp_path / "none", "mirror": str(folder)}

    def full(source, target):
        Path(target).write_bytes(content[:3])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left on device: '.*raw/a.csv'"):
        download.fetch(File("a.csv", "https://example.org/a.csv", checksum), tmp_path / "raw", **places)
    assert list((tmp_path / "raw").iterdir()) == []
