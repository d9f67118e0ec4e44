"""OurDL beside its peers: ``python -m benchmarks [WORK ...]``, in the folder of the repository."""

import argparse
import sys

from benchmarks.settings import Options, machine, products, settle

WORKS = {
    "adaline": "ADALINE, one sample a step, in Python numbers",
    "scalar": "a net 13-10-1 in which each weight is a node",
    "mlp": "MLP 64-128-64-10 in batches of 32, 128 and 1024",
    "lenet": "LeNet-5 on images of 28 x 28",
    "gpt": "a GPT of two layers",
    "lstm": "an LSTM over 28 rows",
    "chain": "graphs of up to a million nodes: build, gradient, first run",
    "imports": "time to import, and to list the ops",
    "memory": "bytes of arrays at the peak of a training step",
    "first": "time to the first step",
}


def main():
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=_listed(), allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("works", nargs="*", metavar="WORK", help="what to measure: all, if none is named")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads for every side (default 1)")
    parser.add_argument("--kernels", metavar="NAME", help="kernels of OpenBLAS, as Haswell; else it chooses")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="how often all sides run in turn (default 9)")
    parser.add_argument("--json", metavar="FILE", help="write everything that was measured")
    parser.add_argument("--plot", metavar="FILE", help="draw it, as PNG, SVG or PDF")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, only to see that all sides run and agree")
    parser.add_argument("--read", metavar="FILE", help="measure nothing: print a JSON file as Markdown, and draw it")
    given = parser.parse_args()
    strange = [name for name in given.works if name not in WORKS]
    if strange:
        parser.error(f"there is no work '{strange[0]}'. Works: {', '.join(WORKS)}")
    if given.threads < 1 or given.rounds < 1:
        parser.error("--threads and --rounds are at least 1")
    return shown(given) if given.read else measured(given)


def shown(given):
    """A file that was written before."""
    from benchmarks import report

    tables = [table for table in report.read(given.read) if not given.works or table.work in given.works]
    print(report.markdown(tables))
    if given.plot:
        _draw(tables, given.plot)
    return 0


def measured(given):
    """The works, one after the other; what was found is written after each, so that a stop loses only one."""
    settle(given.threads, given.kernels)
    from importlib import import_module

    from benchmarks import report
    from benchmarks.timing import DisagreementError

    options = Options(given.threads, 1 if given.quick else given.rounds, given.quick)
    here = machine()
    versions = ", ".join(f"{name} {version}" for name, version in here["versions"].items())
    print(f"{here['processor']}, {given.threads} thread(s), Python {here['python']}\n{versions}")
    print(f"BLAS of NumPy: {here['blas']}")
    if not given.quick:
        here["gflops"] = products()
        rates = ", ".join(f"{name} {rate}" for name, rate in here["gflops"].items())
        print(f"float32 matrix products, GFLOP/s: {rates}")
    print()
    tables = []
    for work in given.works or WORKS:
        try:
            for table in import_module(f"benchmarks.{work}").run(options):
                tables.append(table)
                print(report.text(table), end="\n\n", flush=True)
                if given.json:
                    report.write(given.json, here, options, tables)
        except DisagreementError as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 1
    if given.plot:
        _draw(tables, given.plot)
    return 0


def _draw(tables, path):
    from benchmarks.plot import draw

    draw(tables, path)
    print(f"drawn in {path}")


def _listed():
    return "works:\n" + "\n".join(f"  {name:10} {what}" for name, what in WORKS.items())


if __name__ == "__main__":
    sys.exit(main())
