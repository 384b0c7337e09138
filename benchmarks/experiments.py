"""Run many named experiments through DVC's queue; after an interruption, finished ones are not repeated.

DVC alone knows what is queued, running and finished (`dvc exp show --json`); no other list is kept. An experiment
whose worker or machine died stays "running" in DVC for ever: it is killed and queued again, and its training resumes
from its checkpoint.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Overrides = Mapping[str, Any]  # dotted key of params.yaml -> value
DVC = (sys.executable, "-m", "dvc")
TRIES = 3  # of starting workers and of `dvc exp show`


def environment() -> dict[str, str]:
    """Return the environment with this interpreter's folder first in PATH: workers call `dvc`, stages `python`."""
    folders = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {**os.environ, "PATH": os.pathsep.join(folders)}


# files of the earthquake pipeline in the output of `dvc exp show`
FILES = {"params": "params.yaml", "metrics": "metrics/quake.json"}


class StudyError(RuntimeError):
    """An experiment failed, or its name is taken by one with other parameters."""


@dataclass(frozen=True)
class Experiment:
    """One experiment on the current commit, as DVC shows it."""

    name: str
    state: str  # queued, running, failed or success
    pid: int | None
    rev: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any]


def dvc(*arguments: str) -> str:
    """Run a command of DVC and return its standard output."""
    done = subprocess.run([*DVC, *arguments], capture_output=True, text=True, env=environment())
    if done.returncode:
        raise StudyError(f"dvc {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def known() -> dict[str, Experiment]:
    """Return the experiments on the current commit: name -> experiment."""
    experiments = {}
    for baseline in json.loads(_show()):
        for entry in baseline["experiments"] or []:
            executor, revision = entry["executor"] or {}, entry["revs"][0]
            data = revision["data"] or {}
            params, metrics = (_content(data.get(kind) or {}, file) for kind, file in FILES.items())
            pid = (executor.get("local") or {}).get("pid")
            state = executor.get("state") or "success"
            experiments[entry["name"]] = Experiment(entry["name"], state, pid, revision["rev"], params, metrics)
    return experiments


def _show() -> str:
    """Run `dvc exp show`; it fails if an experiment ends, and its folder is removed, meanwhile."""
    for _ in range(TRIES - 1):
        try:
            return dvc("exp", "show", "--json", "--no-pager")
        except StudyError:
            time.sleep(1)
    return dvc("exp", "show", "--json", "--no-pager")


def _content(files: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the content of a file; empty if it is being written and cannot be read yet."""
    content: dict[str, Any] = (files.get(name) or {}).get("data") or {}
    return content


def alive(pid: int | None) -> bool:
    """Return whether a process with this number exists on this machine."""
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid is not None


def value(params: Mapping[str, Any], key: str) -> Any:
    """Return the value at a dotted key."""
    for part in key.split("."):
        params = params[part]
    return params


def enqueue(plan: Mapping[str, Overrides], existing: Mapping[str, Experiment]) -> list[str]:
    """Queue the experiments of the plan that are neither finished nor under way; return their names.

    Raises
    ------
    StudyError
        If an experiment of that name has other parameters.
    """
    present = [name for name in plan if name in existing]
    interrupted = [name for name in present if existing[name].state == "running" and not alive(existing[name].pid)]
    failed = [name for name in present if existing[name].state == "failed"]
    if interrupted:
        dvc("queue", "kill", *interrupted)
    if interrupted or failed:
        dvc("queue", "remove", *interrupted, *failed)
    missing = [name for name in plan if name not in existing or name in interrupted or name in failed]
    check(plan, {name: existing[name] for name in plan if name not in missing})
    for name in missing:
        dvc("exp", "run", "--quiet", "--queue", "--name", name, *options(plan[name]))
    return missing


def check(plan: Mapping[str, Overrides], existing: Mapping[str, Experiment]) -> None:
    """Raise StudyError where an experiment exists with other parameters than planned."""
    for name, experiment in existing.items():
        for key, wanted in plan[name].items():
            if experiment.params and value(experiment.params, key) != wanted:
                raise StudyError(f"an experiment {name} with another {key} exists: dvc exp remove {name}")


def options(overrides: Overrides) -> list[str]:
    """Return the options of `dvc exp run` that set these values."""
    return [word for key, wanted in overrides.items() for word in ("-S", f"{key}={json.dumps(wanted)}")]


def run(
    plan: Mapping[str, Overrides], *, at_once: int, pause: float, say: Callable[[str], None]
) -> dict[str, Experiment]:
    """Run every experiment of the plan to its end; return name -> experiment.

    Parameters
    ----------
    plan : name -> overrides of params.yaml
    at_once : number of experiments that run at the same time
    pause : seconds between two checks of the queue
    say : called with a line of text whenever there is progress
    """
    if queued := enqueue(plan, known()):
        say(f"{len(queued)} of {len(plan)} experiments are queued")
    finished, tries = -1, 0
    while True:
        existing = known()
        present = [name for name in plan if name in existing]
        states = [existing[name].state for name in present]
        if failed := [name for name in present if existing[name].state == "failed"]:
            raise StudyError(f"failed: {', '.join(failed)}; `dvc queue logs {failed[0]}` says why")
        if states.count("success") > finished:
            finished = states.count("success")
            say(f"{finished} of {len(plan)} experiments are finished")
            tries = 0
        if finished == len(plan):
            return {name: existing[name] for name in plan}
        if "running" in states:
            tries = 0
        elif "queued" in states and idle():
            if tries == TRIES:
                raise StudyError("no worker stays alive; `dvc queue start --verbose` says why")
            start(at_once)
            tries += 1
        time.sleep(pause)


def start(jobs: int) -> None:
    """Start workers that outlive this process; without pipes, which they would keep open to their end."""
    command, null = [*DVC, "queue", "start", "--jobs", str(jobs)], subprocess.DEVNULL
    quiet = {"stdin": null, "stdout": null, "stderr": null}
    subprocess.run(command, check=True, **quiet, start_new_session=True, env=environment())


def idle() -> bool:
    """Return whether the queue has no worker."""
    return "Worker status: 0 active, 0 idle" in dvc("queue", "status")
