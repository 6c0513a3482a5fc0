"""YAML text as plain values, and the line that each of them stands in.

Not here: what the keys mean (`config_file`, the only caller). Refused is what YAML allows and people trip
over: a key that stands twice (the last would silently win), anchors, tags, keys that are not plain words.
"""

from dataclasses import dataclass

import yaml

from protos.errors import ConfigError


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """`values` without what is null: that counts as left out."""

    values: object
    root: yaml.Node | None

    @classmethod
    def parse(cls, text: str) -> "YamlDocument":
        try:
            for token in yaml.scan(text, yaml.SafeLoader):
                _refuse_magic(token)
            root = yaml.compose(text, yaml.SafeLoader)
            _refuse_odd_keys(root)
            values = yaml.load(text, _WithoutDates)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = "" if mark is None else f"line {mark.line + 1}: "
            raise ConfigError(f"{place}this is not YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise ConfigError(f"this is not YAML: {error}") from error
        return cls(_without_nulls(values), root)

    def line_of(self, path: tuple[str | int, ...]) -> int | None:
        """Of the key at this path, or of the nearest one above that is there; counted from one."""
        node, line = self.root, None
        for name in path:
            entry = _entry(node, str(name))
            if entry is None:
                break
            line, node = entry
        return line


class _WithoutDates(yaml.SafeLoader):
    """2024-01-01 stays text, so that a key that wants text gets it."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the name and kind are the library's
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _refuse_magic(token: yaml.Token) -> None:
    if isinstance(token, yaml.AnchorToken | yaml.AliasToken | yaml.TagToken):
        raise ConfigError(
            f"line {token.start_mark.line + 1}: anchors (&), aliases (*) and tags (!) are not understood; "
            f"write the value out, in quotes if it is text that begins so"
        )


def _refuse_odd_keys(node: yaml.Node | None) -> None:
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"line {line}: a key here is not a word")
            if key.value in seen:
                raise ConfigError(f"line {line}: the key {key.value} stands here twice; keep one of them")
            seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _refuse_odd_keys(child)


def _entry(node: yaml.Node | None, name: str) -> tuple[int, yaml.Node] | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(
        ((key.start_mark.line + 1, value) for key, value in node.value if key.value == name),
        None,
    )


def _without_nulls(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value
