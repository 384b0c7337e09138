"""SIGKILL of stages and of dvc at any moment: the same command again ends in the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from processes import command, dvc
from seeds import SEED
from small_project import DVC, ROOT, products, write_params

KILLS = int(os.environ.get("CHAOS", 0))
ROUND = 25  # random kills in each test, so that a long run tells how far it has come
pytestmark = [
    pytest.mark.skipif(not KILLS, reason="minutes of dvc; make chaos runs it"),
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc"),
]
LASTING = {"max_epochs": 300, "patience": 300}  # of a training that is killed: seconds
SECONDS = 900  # for what happens in any case, however busy the machine is
REPAIR = [sys.executable, "-m", "reports.workspace", "repair"]


def all_products(home):
    return {path: content for stage in DVC for path, content in products(home, stage).items()}


def processes_of(home):
    """Return the processes that work in a project or name it: number -> words of its command line."""
    found = {}
    for number in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if os.readlink(f"/proc/{number}/cwd").startswith(str(home)) or str(home) in " ".join(words):
                found[int(number)] = words
    return found


def stages_of(home, name=""):
    """Return the stages that run in the project, without the shells that started them."""
    running = processes_of(home)
    return [number for number, words in running.items() if "-c" not in words and f"stages.{name}" in " ".join(words)]


def dvc_above(stage):
    """Return the dvc that runs a stage; a shell may stand between the two."""
    words = [b"-c"]
    while b"-c" in words:
        stage = int(Path(f"/proc/{stage}/stat").read_text().rpartition(")")[2].split()[1])
        words = Path(f"/proc/{stage}/cmdline").read_bytes().split(b"\0")
    assert any(b"dvc" in word for word in words), words
    return stage


def until(condition, seconds=SECONDS):
    """Wait for something that happens in any case."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


class Dvc(subprocess.Popen):
    """A command of DVC; it speaks to a file, as a pipe is held open by whatever it leaves running."""

    def __init__(self, home, *words):
        self.file = tempfile.TemporaryFile("w+")  # noqa: SIM115 - `said` closes it
        quiet = {"stdout": self.file, "stderr": subprocess.STDOUT}
        super().__init__([sys.executable, "-m", "dvc", *words], cwd=home, start_new_session=True, **quiet)

    def said(self):
        """Wait for its end; give what it said."""
        self.wait(SECONDS)
        self.file.seek(0)
        with self.file:
            return self.file.read()


@pytest.fixture(scope="module", autouse=True)
def stages_find_python():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="module")
def with_systems(repository, tmp_path_factory):
    """Give a copy of the small finished project in which systems/ has a system whose training lasts."""
    home = tmp_path_factory.mktemp("with") / "project"
    shutil.copytree(repository, home, symlinks=True)
    systems = home / "systems"
    (systems / ".dvc").mkdir(parents=True)
    for name in ("dvc.yaml", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / "systems" / name, systems / name)
    params = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))
    sine = params["systems"]["sine"] | {"source": {"name": "sine", "rows": 1001}}
    sine["train"] |= LASTING | {"members": 2, "threads": 1}
    sine["model"] |= {"hidden_size": 8}
    (systems / "params.yaml").write_text(yaml.safe_dump(params | {"systems": {"sine": sine}}), encoding="utf-8")
    dvc(systems, "repro", "window@sine")
    command(home, "git", "add", "--all")
    command(home, "git", "commit", "--quiet", "--message", "another system")
    return home


@pytest.fixture
def home(with_systems, tmp_path):
    """Give a project of one's own; at the end nothing of it runs any more."""
    shutil.copytree(with_systems, tmp_path / "project", symlinks=True)
    yield tmp_path / "project"
    for number in processes_of(tmp_path / "project"):
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


class Training:
    """A training that lasts, in the top folder or in systems/, begun in one of the ways that DVC has."""

    def __init__(self, home, inner):
        self.home, self.project = home, home / inner
        self.stage, name = ("train@sine", "sine") if inner else ("train", "quake")
        self.outs = self.project / "data" / name / "model", self.project / "plots" / name / "history.csv"
        if not inner:
            write_params(home, {f"train.{key}": value for key, value in LASTING.items()})

    def checkpoints(self):
        return list((self.project / ".cache" / "checkpoints").glob("*.pt"))

    def begin(self, way, name, *more):
        """Start it; give the process that tells of it."""
        begun = Dvc(self.project, *way.split(), *([] if way == "repro" else ["--name", name]), *more, self.stage)
        if "--queue" in way:
            out = begun.said()
            assert begun.returncode == 0, out
            begun = Dvc(self.project, "queue", "start")
        return begun

    def end(self, way, name, begun):
        """Wait for its end, with the outputs in the workspace; give what was said."""
        out = begun.said()
        assert begun.returncode == 0, out
        if "--queue" in way:
            self.settle()
            out = dvc(self.project, "queue", "logs", name)
        if "--" in way:
            # where later stages have not run yet it says so, and ends with 1
            Dvc(self.project, "exp", "apply", name).said()
        return out

    def settle(self):
        """Wait until the queue is at rest."""
        until(lambda: not {"Running", "Queued"} & set(dvc(self.project, "queue", "status").split()))

    def made(self):
        model, history = self.outs
        return {path.name: path.read_bytes() for path in (*model.iterdir(), history)}


@pytest.fixture(scope="module")
def undisturbed(with_systems, tmp_path_factory):
    """Give what the trainings make that nobody kills."""
    home = tmp_path_factory.mktemp("undisturbed") / "project"
    shutil.copytree(with_systems, home, symlinks=True)
    trainings = {inner: Training(home, inner) for inner in ("", "systems")}
    for training in trainings.values():
        training.end("repro", "", training.begin("repro", ""))
    return {inner: training.made() for inner, training in trainings.items()}


@pytest.mark.parametrize("inner", ["", "systems"], ids=["quake", "systems"])
@pytest.mark.parametrize("way", ["repro", "exp run", "exp run --temp", "exp run --queue"])
def test_a_killed_dvc_takes_its_stage_along_and_the_rerun_resumes(home, undisturbed, way, inner):
    training = Training(home, inner)
    doomed = training.begin(way, "first")
    until(training.checkpoints)
    (stage,) = stages_of(home, "train")
    os.kill(dvc_above(stage), signal.SIGKILL)
    until(lambda: not stages_of(home), 60)
    doomed.said()
    assert len(training.checkpoints()) >= 1
    if "--queue" in way:
        training.settle()
    training = Training(home, inner)  # DVC may have taken the changed parameters away
    assert "resuming after epoch" in training.end(way, "again", training.begin(way, "again"))
    assert training.made() == undisturbed[inner] and not training.checkpoints()


def test_two_experiments_at_once_share_a_folder_of_checkpoints(home, undisturbed):
    """Each of two networks ends as if it were alone; of one network, the second experiment names the first."""
    training, way = Training(home, ""), "exp run --temp"
    first = training.begin(way, "first")
    until(training.checkpoints)
    (stage,) = stages_of(home, "train")
    os.kill(stage, signal.SIGSTOP)
    second = training.begin(way, "second")
    out = second.said()
    assert second.returncode and f"process {stage} in " in out and "trains this network already" in out
    other = training.begin(way, "other", "--set-param", "model.hidden_size=6")
    until(lambda: len(training.checkpoints()) == 2)
    os.kill(stage, signal.SIGCONT)
    training.end(way, "first", first)
    assert training.made() == undisturbed[""]
    training.end(way, "other", other)
    at_once = training.made()
    alone = training.begin(way, "alone", "--set-param", "model.hidden_size=6", "--force")
    training.end(way, "alone", alone)
    assert training.made() == at_once != undisturbed[""] and not training.checkpoints()


@pytest.mark.parametrize("seconds", [0, 0.3, 1, 3])
def test_two_repro_at_once(home, seconds):
    """One of them may stop, with DVC's word that the other holds a lock; nothing is damaged."""
    whole, made = (home / "dvc.lock").read_bytes(), all_products(home)
    first = Dvc(home, "repro", "--force")
    time.sleep(seconds)
    second = Dvc(home, "repro", "--force")
    for process in (first, second):
        out = process.said()
        assert process.returncode == 0 or "lock" in out or "busy" in out, out
        assert "Traceback" not in out
    dvc(home, "repro")
    assert (home / "dvc.lock").read_bytes() == whole and all_products(home) == made


def test_a_cut_lock_is_restored_by_one_command(home):
    lock, whole = home / "dvc.lock", (home / "dvc.lock").read_bytes()
    made = all_products(home)
    for size in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 30):
        lock.write_bytes(whole[:size])
        said = command(home, *REPAIR)
        assert not said or "restored from the last commit" in said
        assert not said or lock.read_bytes() == whole
        if size == len(whole) // 3:
            lock.write_bytes(whole[:size])
            command(home, *REPAIR)
            assert "Running stage" not in dvc(home, "repro")
    dvc(home, "repro")
    assert lock.read_bytes() == whole and all_products(home) == made
    (home / ".dvc" / "tmp" / "rwlock").write_text('{"wri')
    assert "rwlock" in command(home, *REPAIR)
    assert command(home, *REPAIR) == ""


@pytest.fixture(scope="module")
def computed(repository, tmp_path_factory):
    """Give a copy of the project whose stages DVC has run, so that it has them in its run cache, and their seconds."""
    home = tmp_path_factory.mktemp("computed") / "project"
    shutil.copytree(repository, home, symlinks=True)
    shutil.rmtree(home / ".dvc" / "cache" / "runs")  # or nothing would be computed again
    began = time.monotonic()
    dvc(home, "repro", "--force")
    return home, time.monotonic() - began


@pytest.mark.parametrize("first", range(0, KILLS, ROUND))
def test_kills_at_random_moments_end_in_the_same_bytes(computed, tmp_path, first):
    """Of dvc and of each stage in turn, with all stages to run; where dvc.lock was cut, one command more."""
    (source, lasts), home = computed, tmp_path / "project"
    shutil.copytree(source, home, symlinks=True)
    chance, whole, made = np.random.default_rng([SEED, first]), (home / "dvc.lock").read_bytes(), all_products(home)
    victims = ["", *DVC]
    for kill in range(first, min(first + ROUND, KILLS)):
        name = victims[kill % len(victims)]
        doomed = Dvc(home, "repro", "--force", "--no-run-cache")
        until(lambda: not name or stages_of(home, name) or doomed.poll() is not None)  # noqa: B023
        time.sleep(chance.uniform(0, lasts if not name else lasts / len(DVC)))
        victim = next(iter(stages_of(home, name)), doomed.pid) if name else doomed.pid
        with suppress(ProcessLookupError):  # it has just ended
            os.kill(victim, signal.SIGKILL)
        doomed.said()
        until(lambda: not stages_of(home), 60)
        again = Dvc(home, "repro")
        out, cut = again.said(), ""
        if again.returncode:
            cut = command(home, *REPAIR)
            assert "was cut when dvc was killed" in cut, out
            dvc(home, "repro")
        assert (home / "dvc.lock").read_bytes() == whole and all_products(home) == made
        print(f"kill {kill + 1}: {'dvc' if victim == doomed.pid else name}; {cut or 'the lock is whole'}", flush=True)
    # what DVC took from its run cache did not run, so a temporary of a killed stage may still lie beside it
    dvc(home, "repro", "--force", "--no-run-cache")
    assert (home / "dvc.lock").read_bytes() == whole and all_products(home) == made
    assert not [path for path in home.glob("*/**/.*.tmp") if ".dvc" not in path.parts]
