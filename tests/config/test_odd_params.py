"""Params files that nobody should write: each is refused at once, in lines that name the place, and nothing is touched.

The edits are made from the files themselves, so a key that is new is tried like all others.
"""

import json
import re
import sys
import time
from functools import cache, reduce
from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from small_project import dotted

import stages.simulate
from recurrent.config.reader import LARGEST_FILE, ParamsError, parse, read
from recurrent.config.schema import Settings, System
from recurrent.config.stage import run
from recurrent.sources._contract import get_source

ROOT = Path(__file__).parents[2]
SHIPPED = (ROOT / "params.yaml").read_text(encoding="utf-8")
SYSTEMS = yaml.safe_load((ROOT / "systems" / "params.yaml").read_text(encoding="utf-8"))
LEAVES = dotted(yaml.safe_load(SHIPPED))
HUGE = "1" + "0" * 19  # 10**19, which no 64 bits hold
# what no key takes, whatever its type
NEVER = [
    "2020-01-01",
    "0x1F",
    "1_000",
    "0100",
    "1:40",
    "yes",
    "{a: {b: c}}",
    "[[1]]",
    "!!str 1",
    "*x",
    "&x 1",
    "[.nan]",
]
NUMBERS = ["'3'", "three", "true", "[3]", ".nan", "-.inf", "1e400", "-1e308", "-" + HUGE, "9" * 5000]
WRONG = {int: [*NUMBERS, "0.5", "3.0", HUGE, "1e19"], float: NUMBERS, bool: ["1", "'true'"], str: ["3", "true", "[3]"]}
WRONG |= {list: ["3", "[]", "[true]", "{a: 1}"], type(None): ["[]", "'a'"]}
RIGHT = {("train.threads", "3"), ("evaluate.season", "[]"), ("evaluate.season", "3")}
EDITS = [  # of what no key takes, some for each, so that all come at some keys
    (key, text)
    for i, (key, value) in enumerate(LEAVES.items())
    for text in (NEVER[i % len(NEVER)], NEVER[(i + 5) % len(NEVER)], *WRONG[type(value)])
]


@cache
def around(key):
    """Give the shipped values before and after the one of a key."""
    tree = yaml.safe_load(SHIPPED)
    *sections, name = key.split(".")
    reduce(dict.__getitem__, sections, tree)[name] = "@@@"
    before, _, after = yaml.safe_dump(tree, sort_keys=False).partition("'@@@'")
    return before, after


def edited(key, text):
    """Give the shipped values with `text` in the place of one of them."""
    before, after = around(key)
    return before + text + after


def refusals(path, text, schema=Settings, **options):
    """Give the lines that say why a params file is refused."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    begin = time.monotonic()
    with pytest.raises(ParamsError) as refusal:
        read(path, schema, **options)
    assert time.monotonic() - begin < 10
    return str(refusal.value).splitlines()


def test_there_are_many_edits():
    assert len(EDITS) > 200


@pytest.mark.parametrize("key", LEAVES)
def test_no_wrong_value_is_read_and_each_is_named(tmp_path, key):
    for text in (text for name, text in EDITS if name == key and (key, text) not in RIGHT):
        content = edited(key, text)
        line = around(key)[0].count("\n") + 1
        for found in refusals(tmp_path / "params.yaml", content):
            assert found.startswith(f"params.yaml:{line}: "), (text, found)
            assert f" {key}: " in found or "found" in found, (text, found)
            assert len(found) < 400, (text, found)


@pytest.mark.parametrize("system", ["p4581", "noisy_sine", "reviews_embedding"])
def test_so_it_is_in_the_sections_of_systems(tmp_path, system):
    section = SYSTEMS["systems"][system]
    for key in dotted(section):
        *sections, name = key.split(".")
        if sections == ["source"]:
            continue
        for wrong in ("-" + HUGE, [[1]], float("nan")):
            changed = json.loads(json.dumps(section))
            reduce(dict.__getitem__, sections, changed)[name] = wrong
            text = yaml.safe_dump({"defaults": SYSTEMS["defaults"], "systems": {system: changed}}, sort_keys=False)
            text = text.replace(f"'-{HUGE}'", f"-{HUGE}")
            for found in refusals(tmp_path / "params.yaml", text, System, system=system):
                assert re.match(rf"params\.yaml:\d+: {re.escape(key)}: ", found), (wrong, found)


@pytest.mark.parametrize("system", SYSTEMS["systems"])
def test_so_it_is_with_the_options_of_a_source(system):
    source = SYSTEMS["systems"][system]["source"]
    for key in source:
        paths = ["../x.csv", "/tmp/x.csv", "", ".."] if key == "file" and source["url"] else []
        for wrong in (10**19, -1, [[1]], {"a": 1}, float("inf"), True, 1e302, *paths):
            if key != "failure_threshold" or wrong not in (10**19, 1e302):  # no number is too large for it
                with pytest.raises(ValueError, match=rf"^source\.{key}: ") as refusal:
                    get_source(source | {key: wrong})
                assert "\n" not in str(refusal.value)


DEEP = "\n".join(" " * i + "a:" for i in range(300))
LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
ODD = {
    "recursive": (SHIPPED + "a: &a {b: *a}\n", "found the anchor or alias a"),
    "billion laughs": (LAUGHS, "found the anchor or alias a"),
    "merge key": (SHIPPED + "<<: {seed: 1}\n", "found <<"),
    "deep mappings": (DEEP, "more than 20 levels"),
    "deep lists": ("a: " + "[" * 5000, "more than 20 levels"),
    "deep braces": ("{a: " * 5000, "more than 20 levels"),
    "deep dashes": ("- " * 5000 + "x", "more than 20 levels"),
    "Latin-1": (SHIPPED.encode() + b"# \xe9t\xe9\n", "found the byte 0xe9, expected text in UTF-8"),
    "UTF-16": (SHIPPED.encode("utf-16"), "found UTF-16, expected text in UTF-8"),
    "NUL": (SHIPPED + "\0", r"found '\x00', expected plain text"),
    "bell": (SHIPPED + "# \a", r"found '\x07', expected plain text"),
    "half a character": (edited("ingest.target", '"\\ud800"'), r"found '\ud800', expected printable text"),
    "line end in a name": (edited("ingest.target", '"a\\nb"'), r"found 'a\nb', expected printable text"),
    "block of text": (edited("ingest.target", "|\n    a\n"), "expected printable text in one line"),
    "date with a tag": (edited("ingest.target", "!!timestamp '2020-01-01'"), "found the tag"),
    "Python object": (edited("ingest.target", "!!python/object/apply:os.system [ls]"), "found the tag"),
    "set": (edited("ingest.signal", "!!set {a, b}"), "found the tag"),
    "key null": (SHIPPED + "~: 1\n", "a key that is not text"),
    "key number": (SHIPPED + "1e3: 1\n", "a key that is not text"),
    "key list": (SHIPPED + "? [a, b]\n: 1\n", "a key that is not text"),
    "key empty": (SHIPPED + '"": 1\n', "unknown key"),
    "directive": ("%YAML 1.2\n---\n" + SHIPPED, "found a directive"),
    "two documents": (SHIPPED + "---\n" + SHIPPED, "not valid YAML"),
    "too large": ("# comment\n" * LARGEST_FILE, "expected a params file, of at most"),
    "many keys": ("".join(f"k{i}: 1\n" for i in range(900)), "missing"),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_refused_at_once_with_their_line(tmp_path, name):
    text, found = ODD[name]
    line = refusals(tmp_path / "params.yaml", text)[0]
    assert found in line and re.match(r"params\.yaml:\d+: " if name != "too large" else ".*/params.yaml: ", line), line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("systems: []\n", "params.yaml: no system 'sine'; the nearest known one is none"),
        ("systems: [sine]\n", "params.yaml:1: systems: found ['sine'], expected keys and values"),
        ("defaults: 3\nsystems: {sine: {}}\n", "params.yaml:1: defaults: found 3, expected keys and values"),
        ("systems: {sin: {}, sine: 3}\n", "params.yaml: no system 'sine'; the nearest known one is sine"),
        ("systems: {1: {}}\n", "params.yaml:1: not valid YAML: found a key that is not text, expected a name"),
    ],
)
def test_systems_of_another_shape_are_refused(tmp_path, text, found):
    assert refusals(tmp_path / "params.yaml", text, System, system="sine") == [found]


def test_a_pipe_and_a_folder_are_no_params_files(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path / "pipe.yaml", tmp_path, Path("/dev/zero")):
        with pytest.raises(ParamsError, match="expected a params file"):
            read(path, Settings)


@pytest.mark.parametrize("key", ["simulate.cycles", "simulate.sample_rate", "simulate.seed"])
def test_nothing_is_touched_before_the_params_are_read(tmp_path, monkeypatch, capsys, key):
    monkeypatch.chdir(ROOT)
    out = tmp_path / "out.csv"
    out.write_text("kept")
    for name, text in EDITS:
        if name == key:
            (tmp_path / "params.yaml").write_text(edited(key, text))
            monkeypatch.setattr(sys, "argv", ["simulate", str(out), "--params", str(tmp_path / "params.yaml")])
            with pytest.raises(SystemExit) as end:
                run(stages.simulate.main)
            said = capsys.readouterr().err
            assert end.value.code == 1 and said.startswith("error: params.yaml:") and "Traceback" not in said
            assert out.read_text() == "kept" and len(list(tmp_path.iterdir())) == 2


# what other people's test cases mean by signs that one cannot see
SIGNS = {"␣": " ", "↵": "", "∎\n": "", "←": "\r", "⇔": "\ufeff"}


@cache
def judge(text):
    """Give what DVC reads, or why it does not."""
    try:
        return parse_yaml(text, "params.yaml")
    except Exception as error:
        return error


@pytest.mark.real_data
def test_other_peoples_yaml_is_read_right_or_refused_with_its_line(real_data):
    """Of the cases of yaml-test-suite, none is read otherwise than the suite says, or else than DVC records it."""
    outcomes = {"right": 0, "refused": 0, "lenient as DVC": 0}
    for path in sorted((real_data / "odd" / "yaml-test-suite" / "src").glob("*.yaml")):
        first, *more = yaml.safe_load(path.read_text(encoding="utf-8"))
        for case in (first, *(first | one for one in more)):
            text = reduce(lambda text, sign: text.replace(sign, SIGNS[sign]), SIGNS, case["yaml"])
            text = re.sub("—*»", "\t", text)
            try:
                data = parse("params.yaml", text)[1]
            except ParamsError as error:
                assert all(re.match(r"params.yaml:\d+: ", line) for line in str(error).splitlines()), path.name
                outcomes["refused"] += 1
                continue
            expected = [] if case.get("fail") or not case.get("json") else [json.loads(case["json"])]
            agrees = expected == [data] or (data is None and case.get("json") is not None)
            by_dvc = judge(text)  # which then runs nothing, or records what a stage reads
            assert agrees or by_dvc == data or isinstance(by_dvc, Exception), (path.name, data, by_dvc)
            outcomes["right" if agrees else "lenient as DVC"] += 1
    assert outcomes["right"] > 80 and outcomes["lenient as DVC"] < 12, outcomes


@pytest.mark.real_data
def test_naughty_strings_are_the_same_text_or_refused(real_data, tmp_path):
    """As the name of a column, of a unit, of a file and of a system."""
    strings = json.loads((real_data / "odd" / "naughty-strings" / "blns.json").read_text(encoding="utf-8"))
    path, read_well = tmp_path / "params.yaml", 0
    for text in strings:
        tree = {"csv": text, "signal": [text], text: text}
        for dumped in (yaml.safe_dump(tree, allow_unicode=True), yaml.safe_dump(tree), json.dumps(tree)):
            try:
                assert parse("params.yaml", dumped)[1] == tree
                read_well += 1
            except ParamsError as error:
                assert all(re.match(r"params.yaml:\d+: ", line) for line in str(error).splitlines()), text
        if not re.fullmatch("[A-Za-z0-9_-]+", text):
            systems = {"systems": {text: {}}}
            assert refusals(path, json.dumps(systems), System, system=text)
    assert read_well > 1400
