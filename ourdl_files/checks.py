"""What is wrong with a model as a whole: nothing to compute, inputs that nothing uses, shapes that do not meet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ourdl_core import Graph, Node, Spec, Variable
from ourdl_core.infer import UndeclaredError
from ourdl_core.node import Constant, Output, order_of
from ourdl_core.ops import registry
from ourdl_core.problems import Path, Problems, said

MOST_SHOWN = 6  # nodes on the way to shapes that do not meet


def check_tree(tree: Mapping[str, Any], problems: Problems) -> None:
    """A file computes something, and uses what it declares (unless a name that is not known may have been meant for it)."""
    meant = {word for each in problems.found for word in each.suggestions}
    for section in ("nodes", "outputs"):
        if not tree.get(section) and isinstance(tree.get(section, {}), Mapping) and section not in meant:
            where: Path = (section,) if section in tree else ()
            problems(where, f"[{section}] must have at least one entry", "missing-section")
    if any(each.code in ("missing-op", "wrong-type") for each in problems.found):
        return  # what these should be, and what they use, cannot be told
    wrong = {each.path[:2] for each in problems.found}
    used = set(_used(tree))
    for section in ("inputs", "parameters", "constants"):
        rows = tree.get(section)
        for name in rows if isinstance(rows, Mapping) else ():
            if isinstance(name, str) and not {name} & (used | meant) and (section, name) not in wrong:
                message = f"'{name}' is not used by any node: use it, or take it away"
                problems((section, name), message, "unused", at_key=True)


def _used(tree: Mapping[str, Any]) -> Iterable[str]:
    """Every name that may be a parent or an output."""
    rows = tree.get("nodes")
    stack: list[Any] = [tree.get("outputs"), *(rows.values() if isinstance(rows, Mapping) else ()), tree.get("functions")]
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
            yield value.partition("[")[0]
        elif isinstance(value, Mapping):
            stack.extend(each for key, each in value.items() if key != "op")
        elif isinstance(value, list):
            stack.extend(value)


def check_graph(graph: Graph, problems: Problems) -> None:
    """Shapes and dtypes of all nodes, before there is data."""
    wrong: set[Node] = set()
    for node in order_of(graph.nodes):
        if _is_made(node):  # what is wrong with it is told at the node that makes it
            continue
        if any(parent in wrong for parent in node.parents):
            wrong.add(node)
            continue
        try:
            node.spec  # noqa: B018 - it is found here, or what is wrong with it
        except UndeclaredError:
            wrong.add(node)
        except Exception as error:  # of the code of a plugin too
            wrong.add(node)
            if node._label is not None and not isinstance(node, Output):
                _tell(node, error, problems)


def _tell(node: Node, error: Exception, problems: Problems) -> None:
    provider = None
    if node.op is not None:
        entry = registry.resolve(registry.id_of(getattr(type(node.op), "classic", type(node.op))) or "")
        provider = f"{entry.id} ({entry.provider})"
    known = (each for each in _way(node) if not _is_made(each) or each._spec is not None)
    way = tuple((_path(each), _said(each)) for each in known)
    problems(("nodes", str(node)), said(error), "shapes", provider=provider, related=way)


def _way(node: Node) -> list[Node]:
    """The named nodes that led to the inputs of ``node``: its parents, then theirs, as far as they differ in shape."""
    found: dict[Node, None] = {}
    level = [node]
    while level and len(found) < MOST_SHOWN:
        parents = [parent for each in level for parent in each.parents if parent is not None]
        level = [each.parents[0] if isinstance(each, Output) else each for each in parents]  # type: ignore[misc]
        level = [each for each in level if not isinstance(each, Constant) and not _is_own(each, node, found)]
        found.update(dict.fromkeys(level))
        level = [each for each in dict.fromkeys(level) if not isinstance(each, Variable)]
    return list(found)[:MOST_SHOWN]


def _is_own(parent: Node, node: Node, found: object) -> bool:
    """Whether a parent was made: by ``node`` itself, or on the way to it, where that says nothing."""
    return _is_made(parent) and bool(found or str(parent).rpartition(".")[0] == str(node))


def _is_made(node: Node) -> bool:
    return isinstance(node, Variable) and node.made is not None and node._rule is not None


def _path(node: Node) -> Path:
    if _is_made(node):
        return ("nodes", str(node).rpartition(".")[0])
    if isinstance(node, Variable):
        return ("inputs" if not node.trained else "parameters", str(node))
    return ("nodes", str(node))


def _said(node: Node) -> str:
    spec: Any = node.spec
    shown = str(spec) if isinstance(spec, Spec) else ", ".join(map(str, spec))
    if isinstance(node, Variable) and node.sizes is not None:  # with the names of sizes
        shown = f"{spec.dtype}[{', '.join('?' if n is None else str(n) for n in node.sizes)}]"
    inputs = ", ".join(str(parent) for parent in node.parents if parent is not None)
    return f"{node} = {node.kind}({inputs}) is {shown}" if node.op is not None else f"{node} is {shown}"
