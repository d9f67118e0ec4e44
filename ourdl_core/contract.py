"""Contracts: what an author says of an op so that others can prove it: samples, a reference, errors, claims. Plain data.

``pytest --ourdl`` (the package ``ourdl_contract``) reads them. They stand on the class, ``contract = Contract(...)``, or in
a module of their own, where the entry-point group ``ourdl.contracts`` names each as the op is named.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any

from ourdl_core.errors import did_you_mean

#: What a claim promises beyond the promises of every op.
CLAIMS: Mapping[str, str] = {
    "elementwise": "acts on each element and broadcasts (what derives from Elementwise claims it anyway)",
    "second_order": "the gradient can be differentiated again",
    "loss": "a small step against the gradient of the first input makes it smaller",
    "no_gradient": "no gradient passes, whatever the output does (as of StopGradient)",
    "fixed_dtype": "the dtype of the output follows from the attributes, not from the inputs",
}
DTYPES = ("f2", "f4", "f8")


@dataclass(frozen=True, eq=False, init=False)
class Sample:
    """One call of the op: ``Sample(x, w, axis=1)`` stands for ``Op(x, w, axis=1)``.

    An input is an array (floating ones in float64), a Python number (written into the graph) or None (left out).
    """

    inputs: tuple[Any, ...]
    attributes: dict[str, Any]
    mode: str = "inference"
    tol: tuple[float, float] | None = None

    def __init__(self, *inputs: Any, **attributes: Any) -> None:
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "attributes", attributes)

    def training(self) -> Sample:
        """The same call in a Program for training (the other samples are run in one for inference)."""
        return self._with("mode", "training")

    def within(self, rtol: float, atol: float = 0.0) -> Sample:
        """The same call, compared with these tolerances instead of the contract's."""
        return self._with("tol", (rtol, atol))

    def _with(self, name: str, value: Any) -> Sample:
        found = Sample(*self.inputs, **self.attributes)
        found.__dict__.update(self.__dict__)
        object.__setattr__(found, name, value)
        return found


@dataclass(frozen=True)
class Error:
    """A call that must be refused: ``Op(*args, **attributes)`` raises ``type`` with a message in which ``match`` is found.

    ``type`` is exact: a subclass of it will not do. ``match`` is a regular expression, as of ``pytest.raises``.
    """

    args: tuple[Any, ...] = ()
    _: KW_ONLY
    type: type[Exception]
    match: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contract:
    """What an op promises, as far as only its author can say it. Everything may be left out, and is then assumed.

    ``samples(mk)`` gives the calls that are tried: an array stands for one input, a tuple for several, a ``Sample`` for a
    call with attributes. ``mk(shape, low=-2, high=2, dtype="float64")`` makes an array of different random numbers in
    [low, high). Layouts, sizes, dtypes, scales and broadcasts are derived from the samples.

    ``reference``: the same function of NumPy arrays in float64, called as the op is called, and independent of it: NumPy,
    SciPy or a formula written out. Of an op with several outputs it gives a tuple. ``training`` is that of samples
    in training mode, for ops with a body for each mode.

    ``errors``: calls that must be refused. ``dtypes``: the floating dtypes that it takes, of ``"f2"``, ``"f4"``, ``"f8"``.
    ``claims``: of ``CLAIMS``. ``tol``: (rtol, atol) by dtype; atol is relative to the largest magnitude expected, if that
    is more than 1. ``kinks``: values of the inputs where there is no derivative. ``domain``: the bounds between which inputs
    make sense, for all inputs or by name. ``batched``: the inputs whose first axis is the batch, so that each item of
    the output depends on that item of the inputs alone. ``frozen``: nodes as files of earlier releases hold them, such
    as ``{"op": "acme::Snake-v1", "a": 2.0}``, which must still be read.
    """

    _: KW_ONLY
    samples: Callable[[Any], Iterable[Any]] | None = None
    reference: Callable[..., Any] | None = None
    training: Callable[..., Any] | None = None
    errors: tuple[Error, ...] = ()
    dtypes: tuple[str, ...] = ("f4", "f8")
    claims: Collection[str] = frozenset({"second_order"})
    tol: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    kinks: tuple[float, ...] = ()
    domain: tuple[float, float] | Mapping[str, tuple[float, float]] | None = None
    batched: tuple[str, ...] = ()
    frozen: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for name in ("samples", "reference", "training"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise TypeError(f"Contract: {name} must be a function, found {type(value).__name__} {value!r:.60}")
        for name in ("errors", "dtypes", "kinks", "batched", "frozen"):
            value = getattr(self, name)
            if not isinstance(value, tuple):
                raise TypeError(f"Contract: {name} must be a tuple, found {type(value).__name__} {value!r:.60}")
        for error in self.errors:
            if not isinstance(error, Error):
                raise TypeError(f"Contract: errors must be of Error(...), found {type(error).__name__} {error!r:.60}")
        if isinstance(self.claims, str):
            raise TypeError(f"Contract: claims must be a set of words, found the text {self.claims!r:.60}")
        _known("claim", self.claims, CLAIMS)
        _known("dtype", [*self.dtypes, *self.tol], DTYPES)

    def replace(self, **changes: Any) -> Contract:
        """The same contract with some of it changed."""
        return replace(self, **changes)


def _known(noun: str, found: Iterable[str], known: Collection[str]) -> None:
    for word in found:
        if word not in known:
            hint = did_you_mean(str(word), known) or f"There are: {', '.join(known)}."
            raise ValueError(f"Contract: no {noun} is called {word!r}. {hint}")
