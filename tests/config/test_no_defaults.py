"""No value has a default in the code: each stands in a params file, and is passed on by name from there."""

import dataclasses
import importlib
import inspect
from typing import get_type_hints

import pytest

from recurrent.config.fields import Section
from recurrent.config.schema import Settings, System
from recurrent.evaluate import baselines
from recurrent.network.model_file import ForecasterConfig
from recurrent.sources._contract import NAMES
from recurrent.window.part import Part
from recurrent.window.split import Splitter
from recurrent.window.write import write_windows


def sections(schema):
    yield schema
    for kind in get_type_hints(schema).values():
        if dataclasses.is_dataclass(kind):
            yield from sections(kind)


OPTIONS = [importlib.import_module(f"recurrent.sources.{name}").Options for name in NAMES]
SECTIONS = [*dict.fromkeys((*sections(Settings), *sections(System)))]  # each once, in order
MADE_OF_PARAMS = [*SECTIONS, *OPTIONS, ForecasterConfig, Splitter, Part]
MADE_OF_PARAMS += [write_windows, baselines.forecasts]


@pytest.mark.parametrize("made", MADE_OF_PARAMS, ids=lambda made: f"{made.__module__}.{made.__qualname__}")
def test_what_is_made_of_params_has_no_default(made):
    usual = {name for name, one in inspect.signature(made).parameters.items() if one.default is not one.empty}
    assert usual == set()


def derived(section):
    """Name what a section works out from its keys."""
    return {name for name, value in vars(section).items() if isinstance(value, property)}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_section_has_no_constants_beside_its_keys(section):
    names = {name for name in vars(section) if not name.startswith("_")} - set(vars(Section))
    constants = {name for name in names if not callable(getattr(section, name)) and name not in derived(section)}
    assert constants <= {"stands_in"}


def test_both_files_have_the_same_sections():
    quake, system = get_type_hints(Settings), get_type_hints(System)
    shared = {field.name for field in dataclasses.fields(Settings)} & system.keys()
    assert shared == {"seed", "seq_len", "window", "model", "train", "evaluate", "plot"}
    assert shared | derived(Settings) == {field.name for field in dataclasses.fields(System)}
    assert {name: quake[name] for name in shared} == {name: system[name] for name in shared}
