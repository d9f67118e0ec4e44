"""What the checkers of other frameworks find of 21 bugs planted in one op, ``tanh(x) * w``.

``python benchmarks/contract_peers`` prints the table: ``--why`` adds which sample told and in which words, ``--plain`` gives
the checkers one plain sample only. A peer that is not installed is left out. The rules, the same for every peer:

* the op is written as that framework teaches it, and each bug is a small change to it (``bugs.py``, and the peer's file);
* every bug is first looked for in plain use, without the checker: where it does not show, or the framework itself refuses
  it, it is ``ruled out`` and not held against the checker;
* the checker gets every sample of ``samples.py`` that the correct op passes under the same settings; the bug is ``killed``
  when one of them makes the checker raise, crash or hang, and ``missed`` otherwise. The special samples (size 0, beyond 3,
  Fortran order, one array twice) are given here; no peer makes them itself.
"""

from .isolated import results
from .reasons import REASONS
from .titles import BUGS

__all__ = ["BUGS", "REASONS", "results"]
