"""A params file says the same to a stage, which reads it with PyYAML, and to DVC, which reads YAML 1.2."""

from pathlib import Path

import pytest
import yaml
from dvc.utils.serialize import parse_yaml
from hypothesis import given
from hypothesis import strategies as st

from recurrent.config.reader import ParamsError, read
from recurrent.config.schema import Settings
from recurrent.config.yaml_dialect import Loader, ambiguous

ROOT = Path(__file__).parents[2]
OTHERWISE = [
    "0100",
    "08",
    "1:40",
    "12:30:45",
    "on",
    "Off",
    "yes",
    "NO",
    "0o17",
    "-_1",
    "+.5",
    "1_000",
    "2020-01-01",
    "=",
]
USUAL = ["100", "-3", "0", "0.5", ".5", "1.", "1e-3", "2.5E+3", "true", "False", "null", "~", "text", "a b", "3 m"]
USUAL += ["1.2.3", "y", "-x", "data/raw/a.csv", "16aceea2c39cccf26d368112fcb5d070", "'0100'", '"yes"', "[1, a]"]


def refused(text, loader=Loader):
    return [node.value for node in ambiguous(yaml.compose(text, Loader=loader))]


@pytest.mark.parametrize("scalar", OTHERWISE)
@pytest.mark.parametrize("text", ["a: {}\n", "a: [1, {}]\n", "a: {{b: {}}}\n", "{}: a\n"])
def test_what_may_be_read_differently_is_refused(text, scalar):
    assert refused(text.format(scalar)) == [scalar]


@pytest.mark.parametrize("scalar", USUAL)
def test_what_people_write_is_not(scalar):
    text = f"a: {scalar}\n"
    assert refused(text) == []
    assert yaml.load(text, Loader=Loader) == parse_yaml(text, "params.yaml")


@given(
    st.one_of(st.text("0123456789._-+eExob:", min_size=1, max_size=7), st.text("yesnoftrualYESNOFTRUAL~", max_size=5))
)
def test_what_is_not_refused_is_the_same_to_both(scalar):
    text = f"a: {scalar}\n"
    try:
        found = refused(text)
    except yaml.YAMLError:
        return
    if not found:
        ours, dvcs = yaml.load(text, Loader=Loader), parse_yaml(text, "params.yaml")
        assert repr(ours) == repr(dvcs)  # not by ==, as True is 1 and a .nan is not itself


@pytest.mark.parametrize("path", ["params.yaml", "systems/params.yaml", "dvc.yaml"])
def test_the_files_are_the_same_to_pyyaml_and_to_dvc(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    assert refused(text, yaml.SafeLoader if path == "dvc.yaml" else Loader) == []  # blocks of text are DVC's only
    assert yaml.safe_load(text) == parse_yaml(text, path)


@pytest.mark.parametrize("scalar", ["0100", "1:40", "yes", "2020-01-01"])
def test_it_is_named_with_its_line(tmp_path, scalar):
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("seq_len: 100", f"seq_len: {scalar}")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    line = text[: text.index("seq_len: ")].count("\n") + 1
    with pytest.raises(ParamsError) as caught:
        read(tmp_path / "params.yaml", Settings)
    assert str(caught.value).startswith(f"params.yaml:{line}: found {scalar}, which YAML 1.1 and DVC's YAML 1.2 may")
    assert "\n" not in str(caught.value)
