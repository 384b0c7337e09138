"""Every key that a params file may have is listed in dvc.yaml by a stage that reads it, or it is refused."""

import dataclasses
import importlib
import json
from functools import reduce
from pathlib import Path
from typing import get_type_hints

import pytest
import yaml
from source_tree import sections_of

from recurrent.config.reader import ParamsError, read
from recurrent.config.schema import Settings, System

ROOT = Path(__file__).parents[2]
FILE = ROOT / "systems" / "params.yaml"
PARAMS = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SYSTEM = next(iter(PARAMS["systems"]))
PLACES = {"defaults": ("defaults",), "systems.${key}": ("systems", SYSTEM)}  # as dvc.yaml writes them


def stages_of(path):
    """Name of a stage -> what it lists under params, and the text in which DVC fills in ${...}."""
    found = {}
    for name, stage in yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["stages"].items():
        body = stage.get("do", stage)
        entries = [list(entry.values()) if isinstance(entry, dict) else [[entry]] for entry in body.get("params", [])]
        found[name] = [key for lists in entries for keys in lists for key in keys], f"{body['cmd']} {body['deps']}"
    return found


STAGES, QUAKES = stages_of("systems/dvc.yaml"), stages_of("dvc.yaml")


def reads(stage, section):
    params = importlib.import_module(f"stages.{stage}").Params
    return section in {field.name for field in dataclasses.fields(params)}


def seen(place, key):
    """Whether a stage that reads the section of `key` lists it in this place, or DVC fills it in."""
    section = key.split(".")[0]
    listed = any(reads(name, section) and f"{place}.{section}" in keys for name, (keys, _) in STAGES.items())
    return listed or (place != "defaults" and any(f"${{item.{key}}}" in text for _, text in STAGES.values()))


def leaves(schema, above=""):
    """Dotted name of every key that the schema has."""
    for field in dataclasses.fields(schema):
        kind = get_type_hints(schema)[field.name]
        yield from leaves(kind, f"{above}{field.name}.") if dataclasses.is_dataclass(kind) else [above + field.name]


KEYS = [*leaves(System)]


def placed(folder, place, key):
    """Write the params file with the key in this place, too, and the value that it has; return the section's line."""
    tree = json.loads(json.dumps(PARAMS))
    into = reduce(dict.__getitem__, PLACES[place], tree)
    *sections, name = key.split(".")
    for section in sections:
        into = into.setdefault(section, {})
    into[name] = reduce(
        lambda at, part: at[part], key.split("."), dataclasses.asdict(read(FILE, System, system=SYSTEM))
    )
    lines = json.dumps(tree, indent=1).splitlines()  # JSON is YAML, and all text in quotes
    (folder / "params.yaml").write_text("\n".join(lines), encoding="utf-8")
    begin = lines.index(" " * len(PLACES[place]) + f'"{PLACES[place][-1]}": {{')
    start = " " * (len(PLACES[place]) + 1) + f'"{key.split(".")[0]}":'
    return next(i for i in range(begin, len(lines)) if lines[i].startswith(start)) + 1


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", PLACES)
def test_dvc_sees_a_key_where_it_stands_or_it_is_refused(tmp_path, place, key):
    line = placed(tmp_path, place, key)
    if seen(place, key):
        read(tmp_path / "params.yaml", System, system=SYSTEM)
        return
    with pytest.raises(ParamsError) as caught:
        read(tmp_path / "params.yaml", System, system=SYSTEM)
    name = ".".join((*PLACES[place], key.split(".")[0]))
    assert str(caught.value).startswith(f"params.yaml:{line}: {name}: DVC does not track it here; write it ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", KEYS)
def test_a_key_has_a_place_where_dvc_sees_it(key):
    assert any(seen(place, key) for place in PLACES)


@pytest.mark.parametrize("system", PARAMS["systems"])
def test_dvc_sees_all_that_stands_in_the_file(system):
    for place, tree in (("defaults", PARAMS["defaults"]), ("systems.${key}", PARAMS["systems"][system])):
        assert [section for section in tree if not seen(place, section)] == []


def test_what_stands_beside_defaults_and_systems_is_refused(tmp_path):
    (tmp_path / "params.yaml").write_text(FILE.read_text(encoding="utf-8") + "\nseed: 3\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=r"^params\.yaml:\d+: seed: unknown key; expected defaults and systems$"):
        read(tmp_path / "params.yaml", System, system=SYSTEM)


@pytest.mark.parametrize("key", [*leaves(Settings)])
def test_a_key_of_the_earthquake_is_listed_by_a_stage_that_reads_it(key):
    section = key.split(".")[0]
    assert any(section in keys and section in sections_of(name) for name, (keys, _) in QUAKES.items())
