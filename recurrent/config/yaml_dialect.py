"""Scalars that PyYAML, which reads YAML 1.1, and DVC, which reads YAML 1.2, may take for different values.

`seq_len: 0100` is 64 to the one and 100 to the other, `1:40` is 100 or text, `no` is false or text. What a stage reads
must be what DVC records, so only what both read alike may stand without quotes. Nor may a value come from elsewhere, by
an alias: nine lines of them make a value of billions of items.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

# of a tag that PyYAML gives, the texts to which YAML 1.2 gives the same tag and value
_ALIKE = {
    "null": re.compile(r"|~|null|Null|NULL"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9]\d{0,99})", re.ASCII),
    "float": re.compile(
        r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+([eE][-+]\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
    ),
    # text, unless YAML 1.2 takes it for a number
    "str": re.compile(
        r"(?!(?=[-+.\d])[-+]?([\d_]+|0o[0-7_]+|\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?|\.[\d_]+([eE][-+]\d+)?)\Z).*",
        re.ASCII | re.DOTALL,
    ),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
DEEPEST = 20
_NOTHING = re.compile(r"(?!)")  # a date, among others, which is no value of a params file


class Loader(yaml.SafeLoader):
    """Keys and values of plain YAML: no anchors, tags, directives and blocks of text; keys that are text.

    `1e-3` is a number, as it is to DVC and everybody else, but not to YAML 1.1.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            raise _refused(event.start_mark, f"found the anchor or alias {event.anchor}, expected the value itself")
        if event.tag is not None:
            raise _refused(event.start_mark, f"found the tag {event.tag}, expected a value without one")
        if isinstance(event, yaml.ScalarEvent) and (event.style in ("|", ">") or _CONTROL.search(event.value)):
            raise _refused(event.start_mark, f"found {event.value!r:.60}, expected printable text in one line")
        if self.depth == DEEPEST:
            raise _refused(event.start_mark, f"found more than {DEEPEST} levels, one inside the other")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise _refused(key.start_mark, "found a key that is not text, expected a name")
        return super().construct_mapping(node, deep)

    def fetch_directive(self) -> None:
        raise _refused(self.get_mark(), "found a directive, expected keys and values")

    def check_key(self) -> bool:
        return self.peek(1) in " \n"  # PyYAML takes the ? of [?a] for the sign of a key, YAML 1.2 for a letter


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _refused(mark: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def ambiguous(node: yaml.Node | None) -> Iterator[yaml.ScalarNode]:
    """Yield the scalars without quotes, keys included, that the two may read differently, in the file's order."""
    if isinstance(node, yaml.ScalarNode):
        alike = _ALIKE.get(node.tag.rpartition(":")[2], _NOTHING)
        if node.style is None and not alike.fullmatch(node.value):
            yield node
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from ambiguous(value)
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for value in pair:
                yield from ambiguous(value)
