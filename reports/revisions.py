"""Read the results of one revision: the workspace, a commit, a branch or a named experiment."""

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from dvc.api import DVCFileSystem
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev
from dvc_data.index import DataIndexDirError

WORKSPACE = "workspace"
ELSEWHERE = """{name} was computed elsewhere, or its outputs were removed: {path} is neither in Git nor in DVC's cache.
To compute it here, under a name to use in its place (other revisions than HEAD: git checkout it first):
  make reset && dvc exp save -n first"""


class ReadError(ValueError):
    """A revision does not exist, or its results are neither in Git nor in DVC's cache."""


@dataclass(frozen=True)
class Revision:
    """Contents of one revision; paths are those of its own dvc.yaml."""

    name: str
    commit: str
    changed: bool  # whether the workspace differs from that commit
    base: str  # the commit that an experiment started from; otherwise the commit itself
    params: Mapping[str, Any]  # dotted key -> value
    base_params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    lock: str  # text of dvc.lock
    series: Mapping[str, Any]
    windows: Mapping[str, Any]
    training: Mapping[str, Any]  # how training ended
    predictions: Mapping[str, Any]  # target, unit and verdict of the forecasts
    forecasts: Mapping[str, npt.NDArray[np.float64]]  # column -> (windows of the test set,)
    pictures: Mapping[str, bytes]

    @property
    def lock_digest(self) -> str:
        """SHA-256 of dvc.lock, which holds the digest of each file read or written."""
        return hashlib.sha256(self.lock.encode()).hexdigest()

    @property
    def best_baseline(self) -> str:
        """The baseline with the lowest mean absolute error, which `skill` refers to."""
        baselines = self.metrics["baselines"]
        return min(baselines, key=lambda name: float(baselines[name]["mae"]))


def dotted(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten a mapping: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= dotted(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat


def differences(trees: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the keys whose values differ: key -> one value per mapping, None if missing."""
    keys = dict.fromkeys(key for tree in trees for key in tree)
    values = {key: [tree.get(key) for tree in trees] for key in keys}
    return {key: row for key, row in values.items() if any(value != row[0] for value in row)}


def read(name: str) -> Revision:
    """Read the revision `name` of the repository that the working directory is in.

    Raises
    ------
    ReadError
        If there is no such revision, or its results are neither in the workspace nor in DVC's cache.
    """
    rev = None if name == WORKSPACE else resolve(name)
    commit = rev or git("rev-parse", "HEAD")
    # an experiment's ref names the commit it started from: refs/exps/ab/cdef.../name
    refs = git("for-each-ref", "--points-at", commit, "--format=%(refname)", "refs/exps/??/*/*").split()
    base = "".join(refs[0].split("/")[2:4]) if refs else commit
    files = DVCFileSystem(rev=rev)

    def text(path: str) -> str:
        try:
            return str(files.read_text(path, encoding="utf-8"))
        except (FileNotFoundError, DataIndexDirError):
            raise ReadError(ELSEWHERE.format(name=name, path=path)) from None

    pipeline = yaml.safe_load(text("dvc.yaml"))
    outs = {stage: entry.get("outs", []) for stage, entry in pipeline["stages"].items()}
    model, predicted = outs["train"][0], outs["evaluate"][0]
    pictures = [plot for plot in pipeline["plots"] if isinstance(plot, str)]
    (metrics,) = pipeline["stages"]["evaluate"]["metrics"][0]
    missing = [path for path in pictures if not files.exists(path)]
    return Revision(
        name=name,
        commit=commit,
        changed=name == WORKSPACE and bool(git("status", "--porcelain", "--untracked-files=no")),
        base=base,
        params=dotted(yaml.safe_load(text("params.yaml"))),
        base_params=dotted(yaml.safe_load(git("show", f"{base}:params.yaml"))),
        metrics=json.loads(text(metrics)),
        lock=text("dvc.lock"),
        series=json.loads(text(f"{outs['ingest'][0]}/meta.json")),
        windows=json.loads(text(f"{outs['window'][0]}/meta.json")),
        training=json.loads(text(f"{model}/training.json")),
        predictions=json.loads(text(f"{predicted}/meta.json")),
        forecasts=columns(text(f"{predicted}/predictions.csv")),
        pictures={path: files.read_bytes(path) for path in pictures if path not in missing},
    )


def columns(csv: str) -> dict[str, npt.NDArray[np.float64]]:
    """Return the columns of a CSV of numbers: name -> values."""
    head, *rows = csv.splitlines()
    values = np.array([row.split(",") for row in rows], np.float64).reshape(len(rows), -1)
    return dict(zip(head.split(","), values.T, strict=True))


def params(name: str) -> dict[str, Any]:
    """Return the parameters of a revision, wherever its outputs are: dotted key -> value."""
    text = Path("params.yaml").read_text() if name == WORKSPACE else git("show", f"{resolve(name)}:params.yaml")
    return dotted(yaml.safe_load(text))


def resolve(name: str) -> str:
    """Return the commit of a branch, tag, commit or named experiment."""
    with Repo() as repo:
        try:
            return str(resolve_rev(repo.scm, name))
        except RevError:
            raise ReadError(f"{name}: no such branch, commit or experiment; `dvc exp list` names them") from None


def git(*arguments: str) -> str:
    """Run git and return its output."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()
