"""What one clone has computed, another takes from a DVC remote, a folder or S3, and computes nothing again."""

import re
import shutil

import pytest
import requests
from processes import command, dvc
from small_project import DVC

MISSING = "`make test-scale` installs it"


@pytest.fixture
def folder(tmp_path):
    """A remote in a folder, as on a shared disk: the options of `dvc remote`."""
    return {"url": str(tmp_path / "store")}


@pytest.fixture
def s3(monkeypatch):
    """A remote in a bucket of S3, which moto serves on this machine."""
    pytest.importorskip("dvc_s3", reason=MISSING)
    server = pytest.importorskip("moto.server", reason=MISSING).ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server.start()
    address = "http://{}:{}".format(*server.get_host_and_port())
    requests.put(f"{address}/bucket", timeout=60).raise_for_status()
    yield {"url": "s3://bucket/dvc", "endpointurl": address}
    server.stop()


def stages(said, words):
    """Give the stages of which DVC said these words, in the order of the pipeline."""
    return re.findall(rf"Stage '(\w+)' {words}", said)


def use(home, remote):
    """Make it the default remote of a clone, as `dvc remote add --local --default store URL` does."""
    options = "".join(f"    {name} = {value}\n" for name, value in remote.items())
    text = f"[core]\n    remote = store\n['remote \"store\"']\n{options}"
    (home / ".dvc" / "config.local").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("kind", ["folder", pytest.param("s3", marks=pytest.mark.scale)])
def test_a_second_clone_takes_everything_and_computes_nothing(repository, kind, request, tmp_path):
    first, second, hub = (tmp_path / name for name in ("first", "second", "hub.git"))
    remote = request.getfixturevalue(kind)
    shutil.copytree(repository, first, symlinks=True)
    use(first, remote)
    command(first, "git", "clone", "--quiet", "--bare", ".", str(hub))
    command(first, "git", "remote", "add", "origin", str(hub))
    dvc(first, "push", "--run-cache")
    dvc(first, "exp", "push", "origin", "gru", "short")
    shutil.rmtree(first)

    command(tmp_path, "git", "clone", "--quiet", str(hub), str(second))
    use(second, remote)
    dvc(second, "pull")
    assert stages(dvc(second, "repro"), "didn't change") == list(DVC)

    dvc(second, "exp", "pull", "origin", "gru")
    dvc(second, "exp", "apply", "gru")
    assert "cell: gru" in (second / "params.yaml").read_text()
    assert "uncommitted" not in dvc(second, "data", "status") and (second / "plots/quake/forecast.png").exists()

    command(second, "git", "reset", "--quiet", "--hard")
    params = (second / "params.yaml").read_text()
    (second / "params.yaml").write_text(params.replace("seq_len: 20", "seq_len: 10"))  # as in `short`, not pulled here
    said = dvc(second, "repro", "--pull", "train")
    assert stages(said, "is cached") == ["window", "train"] and "Running stage" not in said
