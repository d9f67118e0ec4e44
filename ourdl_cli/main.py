"""The command ``ourdl``: its subcommands, and what a person sees when something is wrong."""

from __future__ import annotations

import argparse
import os
import re
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from ourdl_cli.layout import say, visible
from ourdl_core.errors import did_you_mean
from ourdl_core.hooks import hooks

# What is wrong with a request, a file or a name; any other exception is a fault of OurDL or of a plugin.
MISTAKES = (ValueError, TypeError, LookupError, ArithmeticError, OSError, ImportError, MemoryError)


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one message, with a suggestion for a name that is almost right."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter, "allow_abbrev": False, **keywords})

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        super().exit(status, None if message is None else visible(message))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"ourdl: {message}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.dest != "command":
            super()._check_value(action, value)
        elif action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = did_you_mean(str(value), choices) or f"Commands are: {', '.join(choices)}."
            self.exit(2, f"ourdl: unknown command '{value}'. {hint}\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the command line, with the commands of plugins."""
    from ourdl_cli import (
        bench_commands,
        check_command,
        file_commands,
        lock_command,
        new_command,
        plot_command,
        registry_commands,
        schema_command,
        system_commands,
        train_commands,
        view_commands,
    )

    about = "Train models from files, see which ops are installed, begin a package of ops."
    found = Parser(prog="ourdl", description=about)
    found.add_argument("--version", action="store_true", help="print the version of OurDL")
    found.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = found.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=_Command)
    for module in (
        train_commands,
        check_command,
        file_commands,
        lock_command,
        view_commands,
        plot_command,
        bench_commands,
        registry_commands,
        schema_command,
        system_commands,
        new_command,
    ):
        module.add(commands)
    hooks.call("ourdl_commands", commands=commands)
    return found


class _Command(Parser):
    """The parser of one command; ``--debug`` is understood after it too."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status: 0, 1 for "no", 2 for a mistake, 130 after Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    with warnings.catch_warnings():
        if not sys.warnoptions and not debug:
            warnings.simplefilter("default", UserWarning)
        warnings.showwarning = _show_warning
        try:
            status = _run(given)
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            # Who reads has seen enough (``| head``); Python would complain when it flushes stdout at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141
        except KeyboardInterrupt as stop:
            say(f"ourdl: {stop or 'stopped'}", file=sys.stderr)
            return 130
        except Exception as error:
            return _report(error, debug)


def _run(given: list[str]) -> int:
    known = parser()
    options, rest = known.parse_known_args(given)
    if rest:
        known.error(_unexpected(known, given, rest))
    if options.version:
        from ourdl_cli.system_commands import version

        say(f"ourdl {version('ourdl')}")
        return 0
    if options.command is None:
        known.print_help()
        return 0
    return int(options.run(options) or 0)


def _unexpected(known: argparse.ArgumentParser, given: list[str], rest: list[str]) -> str:
    """What is wrong with arguments that no parser took."""
    wrong = next((word for word in rest if word.startswith("-")), rest[0])
    if not wrong.startswith("-"):
        return f"one argument too many: '{wrong}'"
    parsers: list[Any] = [known]
    for action in known._actions:
        if isinstance(action, argparse._SubParsersAction):
            parsers += [each for name, each in action.choices.items() if name in given]
    options = [option for each in parsers for option in each._option_string_actions]
    return f"unknown option '{wrong}'. {did_you_mean(wrong, options) or '--help lists them.'}"


def _report(error: Exception, debug: bool) -> int:
    """Tell what is wrong: in a message, or with the traceback that was asked for."""
    from ourdl_files import ModelFileError

    if debug:
        text = "".join(traceback.format_exception(error)).rstrip()
    elif isinstance(error, ModelFileError):  # begins with file:line:column, as editors and terminals understand it
        text = str(error)
    else:
        text = f"ourdl: {message_of(error)}"
    say(text, file=sys.stderr)
    return 2 if _is_mistake(error) else 1


def _is_mistake(error: BaseException) -> bool:
    """Whether a person can mend it. The core says which op is nested without end; Python only says that it is deep."""
    if isinstance(error, RecursionError):
        return not str(error).startswith("maximum recursion depth")
    return isinstance(error, MISTAKES)


def message_of(error: BaseException) -> str:
    """What an exception says, with the notes that the core adds about nodes."""
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, MemoryError):
        text = "not enough memory: " + (f"{error}, ask for less" if str(error) else "ask for less")
    elif isinstance(error, KeyError) or not str(error):
        text = f"{type(error).__name__}: {error}. This is a fault of OurDL or of a plugin: --debug shows where"
    elif _is_mistake(error):
        text = str(error)
    else:
        text = f"unexpected {type(error).__name__}: {error}. --debug shows where"
    lines = "\n".join([text, *getattr(error, "__notes__", [])])
    return re.sub(r"\n(?! )", "\n  ", lines)  # so that no line of foreign text looks like a message of ours


def _show_warning(message: Any, category: Any, filename: Any, lineno: Any, file: Any = None, line: Any = None) -> None:
    say(f"ourdl: warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
