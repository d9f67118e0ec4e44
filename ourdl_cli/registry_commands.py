"""``ourdl ops``, ``ourdl show``, ``ourdl why``: what is installed under which name."""

from __future__ import annotations

import argparse
import inspect
import json
from fnmatch import fnmatchcase
from typing import Any

from ourdl_cli.layout import pairs, paragraphs, say, table
from ourdl_cli.sources import plain, summary
from ourdl_core import Op, OpError, Record, registry
from ourdl_core.attributes import REQUIRED, describe
from ourdl_core.errors import BrokenOpError, UnknownOpError
from ourdl_core.registry import Entry, Registry


def add(commands: Any) -> None:
    """Add the commands to the parser."""
    about = "List the ops that are installed."
    ops = commands.add_parser("ops", help="list the ops that are installed", description=about)
    ops.add_argument("pattern", nargs="?", help="only names that fit, as 'Reduce*' or acme::*")
    ops.add_argument("--broken", action="store_true", help="import every op, and list those that fail")
    ops.add_argument("--json", action="store_true", help="write JSON")
    ops.set_defaults(run=list_ops)
    show = commands.add_parser("show", help="explain one op", description="Explain one op.")
    show.add_argument("op", metavar="OP", help="its name, as Relu or acme::Snake-v2")
    show.set_defaults(run=show_op)
    why = commands.add_parser(
        "why", help="tell what a name stands for, and why", description="Tell what a name stands for, and why."
    )
    why.add_argument("name", metavar="NAME", help="an op, optimizer or other plugin, as written in a model file")
    why.set_defaults(run=why_name)


def list_ops(options: argparse.Namespace) -> int:
    """``ourdl ops``."""
    entries = [entry for entry in registry.entries() if _fits(entry, options.pattern)]
    entries.sort(key=lambda entry: (entry.name.lower(), entry.domain, entry.version))
    if options.broken:
        return _list_broken(entries, options.json)
    if options.json:
        say(json.dumps([_row(entry) for entry in entries], indent=2))
        return 0
    if not entries:
        say("no op is installed" if options.pattern is None else f"no op fits '{options.pattern}'")
        return 1
    rows = [(entry.name, entry.domain, f"v{entry.version}", summary(entry.target)) for entry in entries]
    say(table(("OP", "FROM", "VER", "WHAT IT IS"), rows))
    return 0


def _fits(entry: Entry, pattern: str | None) -> bool:
    return pattern is None or any(fnmatchcase(text.lower(), pattern.lower()) for text in (entry.name, entry.id))


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "name": entry.name,
        "version": entry.version,
        "provider": entry.distribution,
        "provider_version": entry.distribution_version,
        "target": entry.target,
        "summary": summary(entry.target),
    }


def _list_broken(entries: list[Entry], as_json: bool) -> int:
    failures = []
    for entry in entries:
        try:
            registry.load(entry)
        except BrokenOpError as error:
            failures.append((entry, error))
    if as_json:
        say(json.dumps([{**_row(entry), "error": str(error.__cause__)} for entry, error in failures], indent=2))
    elif failures:
        say("\n".join(str(error) for _, error in failures))
    else:
        say(f"all {len(entries)} ops can be loaded")
    return 1 if failures else 0


def show_op(options: argparse.Namespace) -> int:
    """``ourdl show OP``: of a name that means several things, all of them."""
    for place, group in enumerate(_groups_of(options.op)):
        entry = group.resolve(options.op)
        if place:
            say()
        _show(entry, group.load(entry))
    return 0


def _show(entry: Entry, op: Any) -> None:
    if not (isinstance(op, type) and issubclass(op, Record)):
        raise TypeError(f"{entry.id} ({entry.target}) is not a class of ops, but {type(op).__name__} {op!r:.60}")
    say(f"{entry.id}\n\n{paragraphs(plain(_documentation(op)))}")
    if issubclass(op, Op):
        inputs = [(_input_name(slot), _input_text(slot)) for slot in op.slots()]
        say(f"\nInputs\n{pairs(inputs)}" if inputs else "\nInputs: none")
    attributes = [(name, _attribute(field)) for name, field in op.fields().items()]
    say(f"\nAttributes\n{pairs(attributes)}" if attributes else "\nAttributes: none")
    say(f"\nFrom\n{pairs([('package', entry.provider), ('class', entry.target), ('file', _file(op))])}")


def _groups_of(name: str) -> list[Registry]:
    """Where a name is known, among the ops, optimizers, schedules, initializers and metrics; the ops if it is not."""
    found = []
    for group in (registry, *(Registry(f"ourdl.{each}") for each in ("optimizers", "schedules", "initializers", "metrics"))):
        try:
            group.resolve(name)
        except UnknownOpError:
            continue
        except OpError:  # known, but hidden, ambiguous or in another version
            pass
        found.append(group)
    return found or [registry]


def _documentation(op: Any) -> str:
    return inspect.cleandoc(getattr(op, "__doc__", None) or "There is no docstring.")


def _input_name(slot: Any) -> str:
    return f"*{slot.name}" if slot.kind == "variadic" else str(slot.name)


def _input_text(slot: Any) -> str:
    kinds = {"required": "required", "optional": "may be left out", "variadic": "any number"}
    text = kinds.get(slot.kind) or f"{slot.made.kind}, made if not given" + _drawn(slot.made)
    return text + (" (only its shape and dtype are used)" if slot.shape_only else "")


def _drawn(made: Any) -> str:
    """How the first value of what an op makes is drawn, where the slot says it by name."""
    return f" (first value: {made.init})" if isinstance(made.init, str) else ""


def _attribute(field: Any) -> str:
    kind = "any value" if field.annotation is Any else describe(field.annotation)
    default = "none" if field.default is None else field.default
    return f"{kind}, required" if field.default is REQUIRED else f"{kind}, default {default}"


def _file(op: type) -> str:
    try:
        line = inspect.getsourcelines(op)[1]
        return f"{inspect.getsourcefile(op)}:{line}"
    except (OSError, TypeError):
        return "not known"


def why_name(options: argparse.Namespace) -> int:
    """``ourdl why NAME``."""
    group = _groups_of(options.name)[0]
    say(group.why(options.name))
    try:
        group.load(group.resolve(options.name))
    except BrokenOpError as error:
        say(str(error))
        return 1
    except OpError:
        return 1
    return 0
