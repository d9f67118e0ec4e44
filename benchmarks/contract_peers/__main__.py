"""``python benchmarks/contract_peers [--plain] [--why]``: the table of peers."""

import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from contract_peers.isolated import child, detailed
from contract_peers.samples import SAMPLES
from contract_peers.titles import BUGS


def main(samples, why):
    tables, used = detailed(samples)
    for number, title in enumerate(tables, 1):
        left_out = [name for name in samples if name not in used.get(title, samples)]
        print(f"[{number}] {title}" + (f"   (the correct op does not pass: {', '.join(left_out)})" if left_out else ""))
    width = max(map(len, BUGS.values()))
    print("\n" + " " * width + "".join(f"{f'[{n}]':>11}" for n in range(1, len(tables) + 1)))
    for bug, text in BUGS.items():
        print(f"{text:{width}}" + "".join(f"{row[bug][0]:>11}" for row in tables.values()))
    for outcome in ("killed", "ruled out", "missed"):
        counts = [sum(found == outcome for found, _ in row.values()) for row in tables.values()]
        print(f"{outcome:>{width}}" + "".join(f"{count:>11}" for count in counts))
    if why:
        for title, row in tables.items():
            print(f"\n{title}")
            for bug, (outcome, words) in row.items():
                print(f"  {bug:15} {outcome:10} {' '.join(words.split())[:300]}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*json.loads(sys.argv[2]))
    else:
        main(("plain",) if "--plain" in sys.argv else tuple(SAMPLES), "--why" in sys.argv)
