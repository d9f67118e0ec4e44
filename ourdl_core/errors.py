"""Errors of looking things up by name: each says what was asked, what was found, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class OpError(LookupError):
    """A name could not be turned into an object; base of everything the registry raises.

    ``code`` is one word for tools; ``suggestions`` are names that may have been meant.
    """

    code = "name"
    suggestions: tuple[str, ...] = ()


class BadReferenceError(OpError):
    """The text is not of the form ``[domain::]Name[-vN]``."""

    code = "bad-name"


class UnknownOpError(OpError):
    """Nothing of this name is installed or in scope."""

    code = "unknown-name"


class AmbiguousOpError(OpError):
    """Several packages offer the name and nothing says which is meant."""

    code = "ambiguous-name"


class MissingVersionError(OpError):
    """The name is installed, but not in the version asked for."""

    code = "missing-version"


class BlockedOpError(OpError):
    """The name is installed, but hidden by an environment variable."""

    code = "blocked"


class BrokenOpError(OpError):
    """The name is installed, but importing it failed; the original error is ``__cause__``."""

    code = "broken"


class BadSettingError(OpError):
    """An ``OURDL_*`` variable names something unknown, and ``OURDL_STRICT`` is on."""


class OpWarning(UserWarning):
    """Something in a package's metadata or in an ``OURDL_*`` variable was ignored."""


def suggest(word: str, names: Iterable[str]) -> list[str]:
    """Return up to three of ``names`` that are spelled like ``word``, whatever their case."""
    import difflib  # only ever needed on the way to an error

    spellings: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        spellings.setdefault(name.lower(), []).append(name)
    if word.lower() in spellings:
        return spellings[word.lower()][:3]
    close = difflib.get_close_matches(word[:200].lower(), _likely(word, list(spellings)), n=3, cutoff=0.65)
    likeness = [difflib.SequenceMatcher(None, word[:200].lower(), key).ratio() for key in close]
    # A much better match makes the others noise.
    close = [key for key, ratio in zip(close, likeness, strict=True) if ratio >= likeness[0] - 0.15]
    return [name for key in close for name in spellings[key]][:3]


def _likely(word: str, spellings: list[str], most: int = 500) -> list[str]:
    """Those of very many spellings that are worth a comparison, which takes 20 microseconds each."""
    if len(spellings) <= most:
        return spellings
    ends = {word[:2].lower(), word[-2:].lower()}
    found = [each for each in spellings if abs(len(each) - len(word)) <= 3 and (each[:2] in ends or each[-2:] in ends)]
    return found[:most]


def either(words: Sequence[str]) -> str:
    """Join words for a sentence: ``A``, ``A or B``, ``A, B or C``."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """Return ``"Did you mean A, B or C?"`` for the names close to ``word``, ``""`` where none is."""
    close = suggest(word, names)
    return f"Did you mean {either(close)}?" if close else ""
