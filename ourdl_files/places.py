"""Where each part of a model file stands in its text. Looked for only when there is something to tell."""

from __future__ import annotations

from dataclasses import dataclass

from ourdl_core.problems import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry of a tree stands, as offsets into the text (start, end); ``key`` is None for items of lists."""

    value: tuple[int, int]
    key: tuple[int, int] | None = None


Places = dict[Path, Place]


def places_of(text: str, ending: str) -> Places:
    """The place of every entry, by its path; ``()`` is the whole text. ``ending`` is that of the file's name."""
    if ending == ".toml":
        from ourdl_files.toml_places import toml_places

        return toml_places(text)
    if ending == ".json":
        from ourdl_files.json_places import json_places

        return json_places(text)
    from ourdl_files.yaml_places import yaml_places

    return yaml_places(text)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset, from 1, in characters."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
