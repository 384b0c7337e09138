"""Every command of the README, typed as it stands there, in a fresh clone on a machine whose last bits are not Git's.

The commands are read out of README.md, so one that CHECKS does not know fails. The first ones run in the suite, on a
small recording; all of them on the recording of the README with `make check-readme`.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from in_git import ROOT, git
from processes import command
from small_project import computed_elsewhere, write_params

BEGINS = re.compile(r"(?:dvc|make|python3?|pip|git|pytest|kaggle)\s")
P4581 = ROOT.parent / "shared" / "data" / "p4581" / "p4581_3800_4100.csv"
SCALE = importlib.util.find_spec("distributed")


@dataclass(frozen=True)
class Check:
    """What a command must show."""

    shows: str = ""  # a pattern that what it prints must hold
    makes: str = ""  # a file that must be there afterwards
    quick: bool = False  # runs in the suite, too
    before: str = ""  # what has to be typed first, which the README leaves to its reader
    here: dict[str, str] = field(default_factory=dict)  # what stands in the README -> what is typed instead
    only_looked_up: str = ""  # why it is not run: then its modules must exist, and make must know it


LONG = Check(only_looked_up="takes from a quarter of an hour to hours")
WINDOWS = Check(only_looked_up="for Windows, where nothing has been tried, as the README says")
KAGGLE = Check(only_looked_up="needs an account and 10 GB")
MENTIONED = Check(only_looked_up="a word in a sentence; other commands type it with its arguments")
INSTALLATION = Check(only_looked_up="test_the_installation_without_make types it")
PREDICT = "python -m stages.predict data/quake/model/forecaster.safetensors data/raw/simulated.csv"
UNTIL_IT_FOLLOWS = "& while kill -0 $! && ! grep -qs '^[0-9]' followed.csv; do sleep 0.2; done; kill $!; wait || :"
PAGE = {"makes": "dvc_plots/index.html", "shows": "dvc_plots/index.html"}

CHECKS = {
    "make run": Check(
        "below that of the best|may be chance|is better|no better", "plots/quake/forecast.png", quick=True
    ),
    "make test": Check(
        "passed", before="export PYTEST_ADDOPTS=tests/test_packaging.py"
    ),  # one file: no clone in a clone
    "python3 -m venv .venv && . .venv/bin/activate": INSTALLATION,
    "pip install .": INSTALLATION,
    "dvc repro": INSTALLATION,
    "pip install -U pip && pip install --group dev && pytest": INSTALLATION,
    "py -m venv .venv": WINDOWS,
    r'$env:PATH = "$PWD\.venv\Scripts;$env:PATH"': WINDOWS,
    "dvc exp save -n first": Check("saved as: first", quick=True),
    "dvc exp run -n short -S train.target_delta=0 -S seq_len=50": Check("Ran experiment.*: short", quick=True),
    "dvc exp run -n long -S train.target_delta=0 -S seq_len=200": Check("Ran experiment.*: long", quick=True),
    "dvc metrics diff short long": Check(r"test\.mean_delta", quick=True),
    "dvc plots diff short long --open": Check(**PAGE),
    'make charts REVS="short long"': Check(**PAGE),
    'make report REVS="short long"': Check("report.html", "dvc_plots/report.html"),
    "make compare A=short B=long": Check("95 % interval", "dvc_plots/compare/comparison.md", quick=True),
    "make exps": Check(r"(?s)long.*short.*first"),
    "make reset": Check("restored from the last commit", "plots/quake/forecast.png", quick=True),
    "dvc exp run --queue -S seq_len=25,75": Check("Queued experiment"),
    "dvc exp run --queue -S 'seq_len=range(50,400,50)'": Check("Queued experiment"),
    "dvc queue start -j 2": Check("Started '2'"),
    "dvc plots show": Check(**PAGE),
    "dvc plots diff A B C": Check(**PAGE, here={"A B C": "first short long"}),
    **{
        f"dvc plots diff short long --targets {target}": Check(**PAGE)
        for target in ("loss", "mean_delta", "prediction", "scores")
    },
    **{
        f"dvc plots diff short long --targets plots/quake/{picture}.png": Check(**PAGE)
        for picture in ("training", "forecast", "error", "attribution")
    },
    "dvc exp run plot -S ingest.csv=/data/press7.csv -S 'ingest.signal=[acoustic_data]' "
    "-S ingest.target=time_to_failure": Check(
        "Ran experiment", before="cp data/raw/simulated.csv press7.csv", here={"/data/press7.csv": "$PWD/press7.csv"}
    ),
    "DASK_WORKERS=2 python -m stages.ingest data/quake/series": Check(
        r"rows, \d+ failures", only_looked_up="" if SCALE else "needs the packages of make test-scale"
    ),
    "python -m benchmarks.workers": LONG,
    "dvc exp run plot -S ingest.csv=/data/experiments -S window.split=recordings": Check(
        "Ran experiment",
        before="git checkout params.yaml; mkdir experiments; "
        "for n in 1 2 3; do head -n 300000 data/raw/simulated.csv > experiments/$n.csv; done",
        here={"/data/experiments": "$PWD/experiments"},
    ),
    "mv newDF_TimeToFailure_from_3800_to_4100_WITHOUT_subwindows.csv data/raw/p4581.csv": Check(
        makes="data/raw/p4581.csv",
        before=f"cp {P4581} newDF_TimeToFailure_from_3800_to_4100_WITHOUT_subwindows.csv",
        only_looked_up="" if P4581.exists() else "the file is not here",
    ),
    f"{PREDICT} -o forecasts.csv": Check(makes="forecasts.csv", quick=True),
    f"{PREDICT} --follow -o followed.csv": Check(
        makes="followed.csv", quick=True, here={"followed.csv": f"followed.csv {UNTIL_IT_FOLLOWS}"}
    ),
    "python -m http.server --bind 127.0.0.1 8000": Check(only_looked_up="test_browser.py opens the page it serves"),
    "dvc plots show plots/quake/attribution.png": Check(**PAGE),
    "python -m stages.export data/quake/model/forecaster.safetensors -o forecaster.onnx": Check(
        makes="forecaster.onnx", quick=True
    ),
    "python -m reports.model_card > model_card.md": Check(makes="model_card.md", quick=True),
    'pip install ".[export]"': MENTIONED,
    "make repair": Check(),
    "dvc exp run -n two -S train.processes=2": Check("Ran experiment.*: two"),
    "torchrun --nnodes 2 --node-rank 0 --nproc-per-node 1 --master-addr 10.0.0.1 --master-port 29500 --no-python "
    "dvc repro train": Check(
        makes="data/quake/model/training.json",
        here={"--nnodes 2 --node-rank 0 --nproc-per-node 1 --master-addr 10.0.0.1 --master-port 29500": "--standalone"},
    ),  # tests/chaos/test_hosts.py has two machines
    "python -m benchmarks.ranks": Check("2 processes, one thread each .* times as fast"),
    "cd systems": Check(),
    "dvc repro plot@sine": Check(makes="plots/sine/pictures/forecast.png"),
    "dvc exp run -n sine50 plot@sine": Check("Ran experiment.*: sine50"),
    "dvc exp run -n sine25 -S systems.sine.seq_len=25 plot@sine": Check("Ran experiment.*: sine25"),
    "dvc plots diff sine50 sine25 --targets plots/sine/pictures": Check(**PAGE),
    "dvc plots diff sine50 sine25 --targets plots/sine/history.csv -x epoch -y validation_loss "
    "-t ../.dvc/plots/curves.json": Check(**PAGE),
    "dvc plots diff sine50 sine25 --targets data/sine/predictions/predictions.csv -x time -y predicted "
    "-t ../.dvc/plots/countdown.json": Check(**PAGE),
    "kaggle competitions download -c LANL-Earthquake-Prediction -f train.csv": KAGGLE,
    "mv train.csv.zip data/raw/lanl.zip": KAGGLE,
    "dvc exp run plot -S ingest.csv=data/raw/lanl.zip -S window.samples_per_step=150000 -S window.stride=1 "
    "-S window.batch_size=16": KAGGLE,
    "make compare": MENTIONED,
    "make report": Check("report.html", "dvc_plots/report.html"),
    "make clean": Check(r"kept: DVC's cache, .dvc/cache"),
    "make install": Check(),
    "dvc exp show": Check("short"),
    "dvc exp apply": MENTIONED,
    "dvc plots diff": MENTIONED,
    "dvc checkout": Check(before="make reset; rm -r plots/quake"),
    "dvc remote add --local --default store ../store": Check("Setting 'store' as a default remote"),
    "dvc push --run-cache": Check("pushed"),
    "dvc exp push origin short": Check(
        "Pushed experiment short", before="git init --quiet --bare ../hub; git remote add origin $PWD/../hub"
    ),
    "dvc pull": Check(before="dvc push; rm -r .dvc/cache data/quake"),
    "dvc exp pull origin short": Check("Pulled experiment.*short", before="dvc exp remove short"),
    **dict.fromkeys(("dvc repro --pull", "dvc exp push", "dvc exp run"), MENTIONED),
    'pip install ".[scale]"': MENTIONED,
    **dict.fromkeys(
        (
            "python -m benchmarks.array grid --minutes 60 --job slurm_partition=cpu "
            "-S seq_len=25,50,100 -S model.cell=manual,gru",
            "python -m benchmarks.study --minutes 60",
        ),
        Check(only_looked_up="needs Slurm; tests/benchmarks/test_array.py runs such tasks without it"),
    ),
    "python -m benchmarks.scaling": Check(only_looked_up="measures for some minutes"),
    **dict.fromkeys(
        (
            "make seeds",
            "make bench",
            "make study",
            "make p4581",
            "make systems",
            "make same-lock",
            "make test-elsewhere",
        ),
        LONG,
    ),
    "python -m benchmarks.full_size --rows 635500000": LONG,
    "python -m benchmarks.whole_reviews": LONG,
    "make check-readme": Check(only_looked_up="this is it"),
}


def written(page):
    """Give (command, folder) of every command of a page: those of its blocks in order, then those in its sentences."""
    found = []
    for block in re.findall(r"^```(?:sh|powershell)\n(.*?)^```", page, re.S | re.M):
        folder = "."
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            typed = re.sub(r"\s+# .*", "", line).strip()
            if typed:
                found.append((typed, folder))
                folder = typed.removeprefix("cd ") if typed.startswith("cd ") else folder
    known = {typed for typed, _ in found}
    prose = re.sub(r"^```\w*\n.*?^```", "", page, flags=re.S | re.M)
    for typed in dict.fromkeys(re.findall(r"`([^`]+)`", prose + "".join(re.findall(r"# .*", page)))):
        if BEGINS.match(typed) and typed not in known:
            found.append((typed, "systems" if "sine" in typed else "."))
    return found


README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = written(README)
OWN = next(typed for typed, _ in COMMANDS if typed.startswith("dvc exp run plot -n p4581"))
CHECKS[OWN] = Check("Ran experiment.*: p4581", only_looked_up="" if P4581.exists() else "the file is not here")


def test_every_command_of_the_readme_is_known_and_every_known_one_is_there():
    assert {typed for typed, _ in COMMANDS} == set(CHECKS)


def test_a_command_is_found_wherever_it_stands():
    page = "Type `dvc doctor` or `x`.\n```sh\ncd there\nmake a \\\n  b    # or `make c`\n```\n"
    assert written(page) == [("cd there", "."), ("make a b", "there"), ("dvc doctor", "."), ("make c", ".")]


@pytest.mark.parametrize("typed", [typed for typed, check in CHECKS.items() if check.only_looked_up])
def test_what_is_not_run_exists(typed):
    if typed.startswith("make "):
        typed = command(ROOT, "make", "-n", "-o", ".venv/installed", *typed.split()[1:])
    for module in re.findall(r"python -m ((?:benchmarks|reports|tests)[\w.]*)", typed):
        assert importlib.util.find_spec(module) is not None


def clone(home, *, small):
    """Make a clone whose last commit was computed elsewhere, with the environment of these tests as its .venv."""
    for path in git("ls-files", "--cached", "--others", "--exclude-standard", "-z").decode().rstrip("\0").split("\0"):
        if (ROOT / path).is_file() and not path.startswith(".venv"):
            (home / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, home / path)
    if small:
        write_params(home, {"simulate.cycles": 24, "window.batch_size": 4, "train.max_epochs": 2})
    (home / ".venv").mkdir()
    for entry in Path(sys.prefix).iterdir():
        (home / ".venv" / entry.name).symlink_to(entry)
    for name in ("installed", "requirements.txt"):
        (home / ".venv" / name).unlink(missing_ok=True)
    (home / ".venv" / "installed").touch()  # so that make installs nothing through the links
    for words in (["init", "--quiet"], ["config", "user.name", "A Tester"], ["config", "user.email", "t@example.org"],
                  ["add", "--all"], ["commit", "--quiet", "--message", "as published"]):  # fmt: skip
        command(home, "git", *words)
    computed_elsewhere(home)


def environment(home):
    """Give what a person's shell has after `. .venv/bin/activate`; a browser opens nothing."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS", "DVC", "PYTEST"))}
    path = f"{home / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return kept | {"PATH": path, "BROWSER": "true", "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "150"}


def run(home, typed, folder):
    """Type one command of the README and look at what it shows."""
    check, text = CHECKS[typed], typed
    for there, here in check.here.items():
        text = text.replace(there, here)
    script = f"set -e\n{check.before}\n{text}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=home / folder, env=environment(home), capture_output=True, text=True
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{typed}\n{printed}"
    assert re.search(check.shows, printed), f"{typed}\n{printed}"
    assert not check.makes or (home / folder / check.makes).is_file(), typed
    if typed == "dvc queue start -j 2":
        wait_for_the_queue(home)
    return printed


def wait_for_the_queue(home):
    """Wait until no experiment is queued or running; all must have succeeded."""
    for _ in range(600):
        queue = subprocess.run(
            ["dvc", "queue", "status"], cwd=home, env=environment(home), capture_output=True, text=True
        )
        if not re.search("Queued|Running", queue.stdout):
            break
        time.sleep(2)
    assert "Success" in queue.stdout and not re.search("Queued|Running|Failed", queue.stdout), queue.stdout


def test_the_first_hour_on_a_small_recording(tmp_path):
    clone(tmp_path, small=True)
    for typed, folder in COMMANDS:
        if CHECKS[typed].quick:
            run(tmp_path, typed, folder)


@pytest.mark.slow
def test_every_command_does_what_the_readme_says(tmp_path):
    clone(tmp_path, small=False)
    printed = {typed: run(tmp_path, typed, folder) for typed, folder in COMMANDS if not CHECKS[typed].only_looked_up}
    assert "differ from it" in printed["make reset"]  # it tells that the commit was computed elsewhere
    found = re.search(r"test\.mean_delta\s+([\d.]+)\s+([\d.]+)", printed["dvc metrics diff short long"])
    assert float(found[2]) < float(found[1]), "the longer sequence is better, as the study says"


@pytest.mark.slow
def test_the_installation_without_make(tmp_path):
    """The packages are those of this environment: only pip's own way to them is tried."""
    clone(tmp_path, small=True)
    shutil.rmtree(tmp_path / ".venv")
    first, *others = [typed for typed, _ in COMMANDS if CHECKS[typed] is INSTALLATION]
    more = {"PYTEST_ADDOPTS": "tests/test_packaging.py", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    typing = {"cwd": tmp_path, "env": environment(tmp_path) | more, "capture_output": True, "text": True}
    subprocess.run(["bash", "-c", first], check=True, **typing)
    (site,) = (tmp_path / ".venv" / "lib").glob("*/site-packages")
    (site / "known.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    done = subprocess.run(["bash", "-c", "\n".join(["set -e", ". .venv/bin/activate", *others])], **typing)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout and (tmp_path / "plots" / "quake" / "forecast.png").is_file()
