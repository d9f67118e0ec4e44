"""Pages of documentation as blocks, and what they show compared with what was found; ``...`` stands for anything."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, the line of its first line, and what it is to print."""

    language: str
    text: str
    line: int
    shown: str | None = None


def blocks_of(markdown: str) -> list[Block]:
    """The fenced blocks, each with the ``text`` block that shows its output, where one follows with nothing between."""
    found: list[Block] = []
    end = 0
    for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", markdown, re.MULTILINE):
        language, text = match[1].strip(), match[2]
        line = markdown.count("\n", 0, match.start(2)) + 1
        if language == "text" and found and found[-1].language == "python" and not markdown[end : match.start()].strip():
            found[-1] = Block("python", found[-1].text, found[-1].line, text)
        else:
            found.append(Block(language, text, line))
        end = match.end()
    return found


def commands_of(text: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with what it shows."""
    parts = (part.partition("\n") for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:])
    return [(command, shown) for command, _, shown in parts]


def same(shown: str, found: str) -> bool:
    """Whether a page shows what was found; ``...`` stands for anything, blanks at the ends of lines count for nothing."""
    shown, found = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (shown, found))
    return re.fullmatch(".*".join(map(re.escape, shown.split("..."))), found, re.DOTALL) is not None


def compare(shown: str, found: str, where: str) -> None:
    """AssertionError where a page shows something else than was found."""
    if not same(shown, found):
        raise AssertionError(f"{where} shows\n{shown}\nbut it gives\n{found}")
