"""The way back: the committed state again, or no outputs at all.

python -m reports.workspace reset    parameters, lock and metrics of the last commit, and outputs that fit them
python -m reports.workspace repair   a dvc.lock that a killed dvc left cut, from the last commit
python -m reports.workspace clean    remove what the pipelines made; files of your own stay
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid
from yaml import CSafeLoader

from reports.revisions import git

COMMITTED = ("params.yaml", "dvc.lock", "metrics")
PROJECTS = (Path(), Path("systems"))
SCRATCH = ("build", ".cache", "dvc_plots", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis",
           "systems/.cache", "systems/dvc_plots")  # fmt: skip


def dvc(*arguments: str, quiet: bool = False) -> int:
    """Run DVC and return its exit status."""
    return subprocess.run([sys.executable, "-m", "dvc", *arguments], capture_output=quiet).returncode


def reset() -> int:
    """Restore the committed state; outputs that are in no cache are computed. Return DVC's exit status."""
    changed = git("diff", "--name-only", "HEAD", "--", *COMMITTED).split()
    git("checkout", "HEAD", "--", *COMMITTED)
    print(
        f"restored from the last commit: {', '.join(changed) or 'nothing, params.yaml, dvc.lock and metrics were it'}"
    )
    if dvc("checkout", quiet=True) == 0:
        print("restored from DVC's cache: all outputs")
        return 0
    print("Not all outputs are in this machine's cache: computed elsewhere, or the cache was emptied.", flush=True)
    if code := dvc("repro"):
        return code
    differ = git("diff", "--name-only", "HEAD", "--", *COMMITTED).split()
    print("The outputs were computed or restored here, from the committed parameters.")
    if differ:
        print(f"This machine's numbers are not those of the commit: {', '.join(differ)} differ from it.")
    return 0


def repair() -> int:
    """Restore each dvc.lock that is no lock any more: DVC writes it in place, so a kill there leaves it cut.

    Nothing is computed again for it: what has run since the commit is in DVC's run cache, where `dvc repro` finds it.
    """
    for lock in (project / "dvc.lock" for project in PROJECTS):
        if lock.exists() and (problem := _broken(lock)):
            committed = git("ls-tree", "--name-only", "HEAD", str(lock))
            if committed:
                git("checkout", "HEAD", "--", str(lock))
            else:
                lock.unlink()
            how = "restored from the last commit" if committed else "removed, as no commit has it"
            print(f"{lock} was cut when dvc was killed ({problem}): {how}.")
            print("`dvc repro` takes what has been computed since from its run cache.", flush=True)
    for file in (project / ".dvc" / "tmp" / "rwlock" for project in PROJECTS):
        try:
            json.loads(file.read_text() if file.exists() else "{}")
        except ValueError:
            file.unlink()
            print(f"{file}, which dvc writes anew, was cut when dvc was killed: removed.", flush=True)
    return 0


def _broken(lock: Path) -> str:
    """Say why DVC would refuse a lock; nothing where it would not."""
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(lock.read_bytes(), CSafeLoader))  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, Invalid) as error:
        return str(error).splitlines()[0]
    return ""


def clean() -> int:
    """Remove the outputs of both pipelines that DVC keeps, and what tools left; say what remains."""
    for project in PROJECTS:
        if not (project / ".dvc").is_dir():
            continue
        with Repo(str(project)) as repo:
            outs = [Path(out.fs_path) for out in repo.index.outs if out.use_cache]
        for path in outs:
            remove(path)
        folders = {parent for path in outs for parent in path.parents if parent.is_relative_to(project.resolve())}
        for folder in sorted(folders, key=lambda folder: -len(folder.parts)):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    for name in SCRATCH:
        remove(Path(name))
    kept = [path for project in PROJECTS for path in sorted((project / "data").rglob("*")) if path.is_file()]
    if own := [str(path) for path in kept if path.name != "README.md"]:
        print(f"kept, as no stage makes it: {', '.join(own[:5])}{' ...' if len(own) > 5 else ''}")
    size = sum(path.lstat().st_size for path in Path(".dvc/cache").rglob("*") if path.is_file())
    print(f"kept: DVC's cache, .dvc/cache, {size / 1e6:,.0f} MB; `dvc checkout` restores the outputs from it.")
    print("To free it: `dvc gc -w` keeps the workspace's outputs only, experiments lose theirs; or remove .dvc/cache.")
    return 0


def remove(path: Path) -> None:
    """Remove a file, a link or a folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = {"reset": reset, "repair": repair, "clean": clean}
    parser.add_argument("command", choices=commands)
    sys.exit(commands[parser.parse_args().command]())


if __name__ == "__main__":
    main()
