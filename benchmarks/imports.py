"""How long a new Python takes to import each library, and OurDL to list its ops."""

import subprocess
import sys
from importlib.util import find_spec

from benchmarks.timing import Row, Table, in_turn

MODULES = {
    "ourdl": "ourdl",
    "numpy": "numpy",
    "torch": "torch",
    "jax": "jax",
    "autograd": "autograd.numpy",
    "sklearn": "sklearn.neural_network",
}


def run(options):
    modules = {name: MODULES[name] for name in list(MODULES)[: options.count(len(MODULES), 2)]}
    commands = {f"import {name}": ["-c", f"import {module}"] for name, module in modules.items() if find_spec(name)}
    commands |= {"import nothing": ["-c", "pass"], "ourdl ops": ["-m", "ourdl_cli", "ops"]}
    runs = {name: lambda arguments=arguments: _run(arguments) for name, arguments in commands.items()}
    found = in_turn(runs, options, steady=False)
    rows = [Row(name, [1000 * seconds for seconds in rounds]) for name, rounds in found.items()]
    missing = {f"import {name}": "it is not installed" for name in modules if f"import {name}" not in commands}
    notes = ["Each is a new process; the time that Python itself takes is 'import nothing'."]
    yield Table("imports", "Import, and list the ops", "ms", rows, missing, notes)


def _run(arguments):
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
