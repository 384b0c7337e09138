"""Run a grid of experiments as an array of Slurm, or as processes of this machine to try it out.

    python -m benchmarks.array grid --minutes 60 -S seq_len=25,50,100 -S model.cell=manual,gru --job slurm_partition=cpu

Each task runs the last commit in a clone of its own, so that it shares no lock with another, and leaves its outputs in
the DVC cache of this checkout and its experiment among those of this checkout (`dvc exp show`). The same command again
runs what is missing: a training that was killed goes on after its last epoch. Inputs that are not in Git need a path
from the root. submitit submits the tasks: `pip install ".[scale]"`.
"""

import argparse
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from dvc.utils.hydra import get_hydra_sweeps

from benchmarks.experiments import (
    DVC,
    FILES,
    Experiment,
    Overrides,
    StudyError,
    check,
    dvc,
    environment,
    known,
    options,
)
from reports.revisions import git

FOLDER = Path(".cache", "array")  # of the tasks' clones and logs
CHECKPOINTS = Path(".cache", "checkpoints")  # where stages/train.py keeps its state
INPUTS = ("dvc.yaml", "params.yaml", "recurrent", "stages")


def task(home: Path, cache: str, commit: str, name: str, overrides: Overrides) -> None:
    """Run one experiment on `commit` of the checkout `home` in a new clone, and add it to those of `home`."""
    clone = home / FOLDER / name

    def run(*words: str | Path) -> None:
        subprocess.run(words, cwd=clone, check=True, env=environment())

    shutil.rmtree(clone, ignore_errors=True)  # what a killed task has left
    clone.mkdir(parents=True)
    run("git", "clone", "--quiet", "--no-checkout", home, ".")
    run("git", "checkout", "--quiet", "--detach", commit)
    run(*DVC, "cache", "dir", "--local", cache)
    (home / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
    (clone / CHECKPOINTS.parent).mkdir()
    (clone / CHECKPOINTS).symlink_to(home / CHECKPOINTS)
    run(*DVC, "exp", "run", "--name", name, *options(overrides))
    run(*DVC, "exp", "push", "--no-cache", "origin", name)
    shutil.rmtree(clone)


def run(plan: Mapping[str, Overrides], executor: Any, say: Callable[[str], None]) -> dict[str, Experiment]:
    """Run what is missing of the plan, to its end; return name -> experiment.

    Parameters
    ----------
    plan : name -> overrides of params.yaml
    executor : submitit's
    say : called with a line of text whenever there is progress

    Raises
    ------
    StudyError
        If the checkout differs from its last commit, or tasks fail.
    """
    from submitit.helpers import as_completed

    if changed := git("diff", "--name-only", "HEAD", "--", *INPUTS).split():
        raise StudyError(f"tasks run the last commit, from which these differ: {', '.join(changed)}")
    finished = {name: one for name, one in known().items() if name in plan and one.state == "success"}
    check(plan, finished)
    missing = [name for name in plan if name not in finished]
    about = (Path.cwd(), dvc("cache", "dir").strip(), git("rev-parse", "HEAD").strip())
    columns = [*([value] * len(missing) for value in about), missing, [plan[name] for name in missing]]
    jobs = executor.map_array(task, *columns) if missing else []
    names = {job.job_id: name for job, name in zip(jobs, missing, strict=True)}
    say(f"{len(missing)} of {len(plan)} experiments are submitted; logs: {executor.folder}")
    failed = {}
    for job in as_completed(jobs, poll_frequency=1):
        failed |= {names[job.job_id]: job.paths.stderr} if job.exception() else {}
        say(f"{names[job.job_id]}: {'failed' if job.exception() else 'finished'}")
    if failed:
        told = "; ".join(f"{name} ({log})" for name, log in failed.items())
        raise StudyError(f"failed: {told}. The same command again runs these only")
    done = known()
    return {name: done[name] for name in plan}


def add_arguments(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the options of an array."""
    parser.add_argument("--minutes", type=int, required=required, help="run as an array; time limit of a task")
    parser.add_argument("--cluster", choices=["slurm", "local"], help="default: slurm, where there is one")
    help = "a parameter of submitit's executor: cpus_per_task=2, slurm_partition=cpu, slurm_array_parallelism=20"
    parser.add_argument("--job", action="append", default=[], metavar="KEY=VALUE", help=help)


def executor(given: argparse.Namespace) -> Any:
    """Return submitit's executor for these options."""
    try:
        from submitit import AutoExecutor
    except ImportError:
        raise StudyError('the package submitit is missing: pip install ".[scale]"') from None
    made = AutoExecutor(folder=FOLDER.absolute() / "logs" / "%j", cluster=given.cluster)
    asked = {key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in given.job)}
    made.update_parameters(name="experiments", timeout_min=given.minutes, **asked)
    return made


def grid(prefix: str, sets: list[str]) -> dict[str, Overrides]:
    """Return the combinations of `-S`, which DVC reads: name -> overrides.

    Raises
    ------
    StudyError
        If two combinations would have one name.
    """
    sweeps = [sweep[FILES["params"]] for sweep in get_hydra_sweeps({FILES["params"]: sets})] if sets else []
    plan = {}
    for sweep in sweeps:
        pairs = {key: yaml.safe_load(value) for key, _, value in (item.partition("=") for item in sweep)}
        name = re.sub(r"[^\w.]+", "-", "-".join([prefix, *map(str, pairs.values())])).strip("-.")
        if name in plan:
            raise StudyError(f"two experiments would be called {name}")
        plan[name] = pairs
    return plan


def main() -> None:
    """Run the grid and list its experiments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="the experiments are called NAME-VALUE-VALUE")
    parser.add_argument("-S", dest="sets", action="append", required=True, metavar="KEY=V1,V2,...", help="a product")
    add_arguments(parser, required=True)
    given = parser.parse_args()
    try:
        done = run(grid(given.name, given.sets), executor(given), partial(print, flush=True))
    except StudyError as error:
        parser.exit(1, f"error: {error}\n")
    print("\n".join(done))


if __name__ == "__main__":
    main()
