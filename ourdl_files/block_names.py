"""What a name of a node stands for, in the file and inside a block: a node, an input, the output of a use."""

from __future__ import annotations

from typing import Any

from ourdl_core.problems import Path
from ourdl_files.block_copies import Copies, Copy, names_before, written
from ourdl_files.block_values import attribute_of


class Names:
    """Looks names up among the copies of a file. ``missing`` is the name of what cannot be made, which is told."""

    MOST_LISTED = 50  # mistakes for which all names are searched

    def __init__(self, copies: Copies) -> None:
        self._copies = copies
        self._problems = copies.problems
        self._advice: dict[tuple[str | None, str], tuple[str, tuple[str, ...]]] = {}
        self.missing = "-"
        while copies.is_written(self.missing):
            self.missing += "-"

    def parents(self, copy: Copy, path: Path, value: Any) -> Any:
        """A parent as it stands at ``path``, or a list of them, with full names."""
        if isinstance(value, list):
            return [self._parent(copy, (*path, place), each) for place, each in enumerate(value)]
        return self._parent(copy, path, value)

    def _parent(self, copy: Copy, path: Path, value: Any) -> Any:
        if copy.use is None or attribute_of(value) is None:
            return self.find(copy, path, value)
        given, _ = written(copy.use, value, path)
        if isinstance(given, (str, list, dict)):  # a name means something only where it is written
            message = f"a node is given to a block by 'in', not by an attribute; {value!r:.60} is {given!r:.60}"
            self._problems(path, message, "wrong-parent")
            return self.missing
        return given

    def find(self, copy: Copy, path: Path, reference: Any) -> Any:
        """The full name of the node that ``reference`` stands for in ``copy``; what is no text is itself."""
        if not isinstance(reference, str):
            return reference
        if copy.use is not None and reference in copy.block.inputs:
            return self._input(copy, copy.block.inputs.index(reference))
        base, bracket, index = reference.partition("[")
        full = copy.prefix + base
        made = self._copies
        if self._row(copy, base) is not None:
            if full in made.uses or full in made.copies:
                return self._output(full, path, reference, bracket + index)
            if any(copy.prefix + name in made.broken for name in names_before(base)):
                return self.missing
            if full in made.entries or full.rpartition(".")[0] in made.entries:
                return copy.prefix + reference
        if copy.use is None and made.is_written(base) and base not in copy.block.sections["nodes"]:
            return reference
        self._undefined(copy, path, reference)
        return self.missing

    def _row(self, copy: Copy, base: str) -> str | None:
        """The row of a block with which a name begins: nothing else can be seen in there."""
        rows = copy.block.sections.values()
        return next((name for name in names_before(base) if any(name in each for each in rows)), None)

    def _input(self, copy: Copy, number: int) -> Any:
        """What a copy is given: the outputs of the copy before it, else what the use is given."""
        use = copy.use
        assert use is not None
        if copy.number > 1 and number < len(copy.block.outputs):
            return self._output_of(use.copies[copy.number - 2], number)
        if use.inputs is None:
            listed = isinstance(use.row.row.get("in"), list)
            path: Path = ("nodes", use.name, "in")
            places = [(*path, place) if listed else path for place in range(len(use.row.given))]
            use.inputs = [self._parent(use.outer, at, each) for at, each in zip(places, use.row.given, strict=True)]
        return use.inputs[number] if number < len(use.inputs) else self.missing

    def _output(self, full: str, path: Path, reference: str, index: str) -> Any:
        """The output that is meant of a use, or of one of its copies."""
        use = self._copies.uses.get(full)
        copy = self._copies.copies[full] if use is None else use.copies[-1]
        count = len(copy.block.outputs)
        name = reference.partition("[")[0]
        digits = index[1:-1] if index.endswith("]") else ""
        if not count:
            return self.missing
        if not index and count > 1:
            message = f"'{name}' has {count} outputs: choose one, as \"{name}[0]\""
            self._problems(path, message, "several-outputs")
        elif not index:
            return self._output_of(copy, 0)
        elif digits.isdecimal() and len(digits) < 9 and int(digits) < count:
            return self._output_of(copy, int(digits))
        else:
            message = f"'{name}' has no such output: its last is {name}[{count - 1}]"
            self._problems(path, message, "undefined-name")
        return self.missing

    def _output_of(self, copy: Copy, number: int) -> Any:
        name = copy.block.outputs[number]
        return self.missing if name is None else self.find(copy, (*copy.block.path, "outputs"), name)

    # ---- names that mean nothing ------------------------------------------------------------------------------------

    def _undefined(self, copy: Copy, path: Path, reference: str) -> None:
        """Tell of it, with what may be meant; copies of one block have the same advice."""
        key = (copy.block.name, reference)
        if key in self._advice:
            message, suggestions = self._advice[key]
            self._problems(path, message, "undefined-name", suggestions=suggestions)
            return
        what = f"no input, parameter or node named {reference[:100]!r}"
        if copy.use is not None:
            what += f" in the block '{copy.block.name}'"
        if copy.use is not None and self._copies.is_written(reference.partition("[")[0]):
            what += ": what stands outside must be given to a block by 'in', as one of its inputs"
            self._problems(path, what, "undefined-name")
        else:
            self._problems.unknown(path, what, reference, self._known(copy, reference), "undefined-name")
        told = self._problems.found[-1]
        self._advice[key] = (told.message, told.suggestions)

    def _known(self, copy: Copy, reference: str) -> list[str]:
        """The names that can be seen in a copy; of what a use makes those that the reference may be one of."""
        block = copy.block
        inputs = block.inputs if copy.use is not None else self._copies.inputs
        known = [*inputs, *(name for rows in block.sections.values() for name in rows)]
        row = self._row(copy, reference.partition("[")[0])
        if row is not None and copy.prefix + row in self._copies.uses and len(self._problems) < self.MOST_LISTED:
            start, cut = f"{copy.prefix}{row}.", len(copy.prefix)
            known += [name[cut:] for name in self._copies.names() if name.startswith(start)]
        return known
