"""One revision of the project as it can be read back: the workspace, a commit, a branch or a named experiment."""

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from dvc.api import DVCFileSystem
from dvc.repo import Repo
from dvc.scm import RevError, resolve_rev
from dvc_data.index import DataIndexDirError

WORKSPACE = "workspace"


class ReadError(ValueError):
    """A revision that does not exist, or whose results are nowhere to be found."""


@dataclass(frozen=True)
class Revision:
    """What a report says of one revision; paths are those of its own dvc.yaml."""

    name: str
    commit: str
    changed: bool  # whether the workspace differs from that commit
    base: str  # of an experiment: the commit that it started from; else the commit itself
    params: Mapping[str, Any]  # dotted key -> value
    base_params: Mapping[str, Any]
    metrics: Mapping[str, Any]
    lock: str  # text of dvc.lock
    series: Mapping[str, Any]
    windows: Mapping[str, Any]
    outcome: Mapping[str, Any]
    about: Mapping[str, Any]  # target, unit and verdict of the forecasts
    pictures: Mapping[str, bytes]

    @property
    def lock_digest(self) -> str:
        """SHA-256 of dvc.lock, which holds the digest of every file that was read or made."""
        return hashlib.sha256(self.lock.encode()).hexdigest()

    @property
    def best_baseline(self) -> str:
        """The baseline with the least mean absolute error, as the skill has it."""
        others = self.metrics["baselines"]
        return min(others, key=lambda name: float(others[name]["mae"]))


def dotted(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Flatten a mapping: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= dotted(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return flat


def differences(trees: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Give the keys whose values are not the same everywhere: key -> a value for each, None where it is missing."""
    keys = dict.fromkeys(key for tree in trees for key in tree)
    values = {key: [tree.get(key) for tree in trees] for key in keys}
    return {key: found for key, found in values.items() if any(value != found[0] for value in found)}


def read(name: str) -> Revision:
    """Read the revision `name` of the repository that the working directory is in.

    Raises
    ------
    ReadError
        Where there is no such revision, or its results are neither in the workspace nor in DVC's cache.
    """
    rev = None if name == WORKSPACE else resolve(name)
    commit = rev or git("rev-parse", "HEAD")
    # an experiment's ref tells what it started from: refs/exps/ab/cdef.../name
    refs = git("for-each-ref", "--points-at", commit, "--format=%(refname)", "refs/exps/??/*/*").split()
    base = "".join(refs[0].split("/")[2:4]) if refs else commit
    files = DVCFileSystem(rev=rev)

    def text(path: str) -> str:
        try:
            return str(files.read_text(path, encoding="utf-8"))
        except (FileNotFoundError, DataIndexDirError):
            raise ReadError(f"{name}: {path} is neither in Git nor in DVC's cache; `dvc repro` makes it") from None

    pipeline = yaml.safe_load(text("dvc.yaml"))
    outs = {stage: about.get("outs", []) for stage, about in pipeline["stages"].items()}
    model, predictions = outs["train"][0], outs["evaluate"][0]
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
        outcome=json.loads(text(f"{model}/training.json")),
        about=json.loads(text(f"{predictions}/meta.json")),
        pictures={path: files.read_bytes(path) for path in pictures if path not in missing},
    )


def resolve(name: str) -> str:
    """Give the commit of a branch, tag, commit or named experiment."""
    with Repo() as repo:
        try:
            return str(resolve_rev(repo.scm, name))
        except RevError:
            raise ReadError(f"{name}: no such branch, commit or experiment; `dvc exp list` names them") from None


def git(*arguments: str) -> str:
    """Run git and give what it prints."""
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()
