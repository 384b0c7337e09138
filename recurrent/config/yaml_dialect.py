"""Scalars that PyYAML, which reads YAML 1.1, and DVC, which reads YAML 1.2, may take for different values.

`seq_len: 0100` is 64 to the one and 100 to the other, `1:40` is 100 or text, `no` is false or text. What a stage reads
must be what DVC records, so only what both read alike may stand without quotes.
"""

import re
from collections.abc import Iterator

import yaml

# of a tag that PyYAML gives, the texts to which YAML 1.2 gives the same tag and value
_ALIKE = {
    "null": re.compile(r"|~|null|Null|NULL"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9]\d*)", re.ASCII),
    "float": re.compile(
        r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|\.\d+([eE][-+]\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
    ),
    # text, unless YAML 1.2 takes it for a number
    "str": re.compile(
        r"(?!(?=[-+.\d])[-+]?([\d_]+|0o[0-7_]+|\d[\d_]*(\.[\d_]*)?([eE][-+]?\d+)?|\.[\d_]+([eE][-+]\d+)?)\Z).*",
        re.ASCII | re.DOTALL,
    ),
    "merge": re.compile(r"<<"),
}
_NOTHING = re.compile(r"(?!)")  # a date, among others, which is no value of a params file


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
