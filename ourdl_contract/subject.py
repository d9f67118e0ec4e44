"""The op under test: its class, its contract (found, or assumed), its samples, and what is known before any check."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ourdl_contract.calls import PLAIN, Call, seeds_for
from ourdl_contract.limits import OutOfTime
from ourdl_contract.result import PromiseError, Result
from ourdl_contract.samples import Maker, as_sample, is_floating, shown
from ourdl_core import Contract, Elementwise, Node, Op, OpError, Sample, registry
from ourdl_core.registry import Entry, Registry

contracts = Registry("ourdl.contracts", noun="contract")

DTYPES: dict[str, np.dtype[Any]] = {"f2": np.dtype(np.float16), "f4": np.dtype(np.float32), "f8": np.dtype(np.float64)}
TOLERANCE = {"f2": (5e-3, 5e-3), "f4": (1e-5, 1e-5), "f8": (1e-9, 1e-9)}


@dataclass(frozen=True)
class Fault:
    """Why an op cannot be checked any further: the check that says so, and its message."""

    check: str
    message: str


class Subject:
    """One op, everything that the checks ask of it. Loading and the samples are tried once, at the first check."""

    def __init__(
        self,
        op: Any = None,
        *,
        entry: Entry | None = None,
        contract: Contract | None = None,
        seed: int = 0,
        waivers: Mapping[str, str] | None = None,
    ) -> None:
        self.entry = entry
        self.seed = seed
        self.waivers = dict(waivers or {})  # check -> reason
        self.given = op
        self.now = ""  # the case at hand, for messages
        self.figures: dict[str, Any] = {}
        self.results: dict[str, Result] = {}
        self.assumed: list[str] = []
        self._contract = contract
        self._calls: dict[Any, Call] = {}
        self._fault: Fault | None = None
        self._prepared = False

    @property
    def name(self) -> str:
        """The full id, or ``local::Name`` of a class that has none."""
        if self.entry is not None:
            return self.entry.id
        return registry.id_of(self.given) or f"local::{getattr(self.given, '__name__', type(self.given).__name__)}"

    @property
    def domain(self) -> str | None:
        """The package in whose code bare names are looked up; None for a local class."""
        return registry.domain_of(getattr(self.op, "classic", self.op))

    # ---- getting ready ----------------------------------------------------------------------------------------------

    def prepare(self) -> Fault | None:
        """Load the op and its contract, make the samples, run them once; what stands in the way."""
        if not self._prepared:
            self._prepared = True
            self._fault = (
                self._stage("R01", self._load)
                or self._stage("S01", self._make)
                or self._stage("F01", self._forward)
                or self._stage("G01", self._backward)
            )
        return self._fault

    def _stage(self, check: str, step: Callable[[], Fault | None]) -> Fault | None:
        """One step of getting ready; what stops it is the failure of one check."""
        self.now = ""
        # Should it never come back, this is what stands: running out of time ends everything up to the limit.
        self._fault = Fault(check, "it did not come back in time")
        try:
            return step()
        except (OutOfTime, KeyboardInterrupt):
            raise
        except SystemExit as error:
            why = f"it ended the process: SystemExit({error})"
        except PromiseError as error:
            why = str(error)
        except BaseException as error:  # pytest's Skipped is one: an op that skips itself is not proved
            hint = "\ngive it a contract with samples that it takes" if "samples" in self.assumed else ""
            why = f"{said(error, trace=True)}{hint}"
        return Fault(check, f"{self.now}\n{why}".lstrip("\n"))

    def out_of_time(self, message: str) -> Fault | None:
        """Note that getting ready ran out of time, if that is what was going on."""
        if self._fault is not None:
            self._fault = Fault(self._fault.check, message)
        return self._fault

    def _load(self) -> Fault | None:
        try:
            loaded = self.given if self.entry is None else registry.load(self.entry)
        except OpError as error:
            missing = isinstance(error.__cause__, ModuleNotFoundError)
            return Fault("R01", f"{error}" + ("\n  if it was renamed, install the package again" if missing else ""))
        if isinstance(loaded, type) and issubclass(loaded, Node):
            loaded = getattr(loaded, "_classic_op", loaded)
        if not (isinstance(loaded, type) and issubclass(loaded, Op)):
            found = f"found {loaded!r:.80}"
            return Fault("R01", f"it is no op: an op is a class derived from Elementwise, Composite or Op, {found}")
        self.op: type[Op] = loaded
        try:
            self.slots = loaded.slots()
            loaded.fields()
        except Exception as error:
            return Fault("R01", f"its signature is not one of an op: {said(error)}")
        try:
            self.contract = self._find_contract()
        except Exception as error:
            return Fault("R01", f"its contract cannot be used: {said(error)}")
        return None

    def _find_contract(self) -> Contract:
        beside = self.op.__dict__.get("contract")
        apart = None if self.entry is None else next((e for e in contracts.entries() if e.id == self.entry.id), None)
        found = [c for c in (self._contract, beside, None if apart is None else contracts.load(apart)) if c is not None]
        for each in found:
            if not isinstance(each, Contract):
                raise TypeError(f"it must be a Contract(...), found {type(each).__name__} {each!r:.60}")
        if beside is not None and apart is not None:
            raise ValueError(f"there are two: {self.op.__name__}.contract and the entry point {apart.target}")
        if not found:
            self.assumed += ["samples", "no reference"]
            return Contract(samples=self._assumed_samples)
        contract = found[0]
        self._check_names(contract)
        if contract.samples is None:
            self.assumed.append("samples")
            contract = contract.replace(samples=self._assumed_samples)
        if contract.reference is None:
            self.assumed.append("no reference")
        return contract

    def _check_names(self, contract: Contract) -> None:
        names = [slot.name for slot in self.slots]
        domain = contract.domain if not isinstance(contract.domain, tuple) else None
        for name in (*contract.batched, *(domain or {})):
            if name not in names:
                raise ValueError(f"it speaks of an input '{name}', but the inputs are {', '.join(names) or 'none'}")

    def _assumed_samples(self, mk: Any) -> list[Any]:
        """By arity: arrays of two or three axes for what is required, two for what may be any number."""
        count = sum({"required": 1, "variadic": 2}.get(slot.kind, 0) for slot in self.slots)
        calls: list[Any] = [tuple(mk((4, 3)) for _ in range(count)), tuple(mk((2, 3, 5), -3, 3) for _ in range(count))]
        return calls if count else []

    def _make(self) -> Fault | None:
        mk = Maker(self.seed, self.op.__name__)
        self.now = "the samples of its contract cannot be made"
        self.samples = [as_sample(given) for given in self.contract.samples(mk)]  # type: ignore[misc]
        if not self.samples:
            return Fault("S02", "its contract gives no samples, so nothing could be checked")
        return None

    def _forward(self) -> None:
        """Run every sample once: what does not run at all is one failure, not one for every check."""
        self.values: list[list[Any]] = []
        for i, sample in self.cases():
            self.values.append(self.forward(sample))
            if self.has_reference(sample):
                self._compare_shapes(self.values[i], self._reference_of(sample))

    def _reference_of(self, sample: Sample) -> list[np.ndarray]:
        try:
            return self.expected(sample)
        except Exception as error:
            raise PromiseError(f"the reference itself raised {said(error, trace=True)}") from error

    def _compare_shapes(self, found: list[Any], expected: list[np.ndarray]) -> None:
        if len(found) != len(expected):
            raise PromiseError(f"it has {len(found)} outputs, the reference gives {len(expected)}")
        for k, (y, b) in enumerate(zip(found, expected, strict=True)):
            if np.shape(y) != b.shape:
                raise PromiseError(f"output {k} has shape {list(np.shape(y))}, the reference says {list(b.shape)}")

    def _backward(self) -> None:
        """The gradient of every sample once."""
        for i, sample in self.cases():
            self.now += ", its gradient"
            seeds = seeds_for(self.values[i])
            if self.call(sample).differentiable and any(g is not None for g in seeds):
                self.call(sample).gradients(sample.inputs, seeds)

    # ---- what checks ask --------------------------------------------------------------------------------------------

    def label(self, i: int, sample: Sample) -> str:
        """A sample in a message."""
        return f"{'assumed ' if 'samples' in self.assumed else ''}sample {i}: {shown(sample)}"

    def cases(self, keep: Callable[[Sample], bool] = lambda sample: True) -> Iterator[tuple[int, Sample]]:
        """The samples, each noted as the case at hand."""
        for i, sample in enumerate(self.samples):
            if keep(sample):
                self.now = self.label(i, sample)
                yield i, sample

    def says(self, i: int, sample: Sample, what: str) -> None:
        """Note a case that was derived from a sample."""
        self.now = f"{self.label(i, self.samples[i])}, {what}: {shown(sample)}"

    def call(self, sample: Sample, executor: str = PLAIN) -> Call:
        """What runs a sample, and every other of the same kind."""
        record = self.op.make(sample.attributes)
        kinds = tuple(None if x is None else (type(x), x) if not hasattr(x, "dtype") else _kind(x) for x in sample.inputs)
        key = (record, sample.mode, kinds, executor)
        if key not in self._calls:
            self._calls[key] = Call(self.op, sample, self.domain, self.seed, executor)
        return self._calls[key]

    def forward(self, sample: Sample) -> list[Any]:
        """The outputs of a call, on copies: an op that writes to its inputs must not spoil what others are compared with."""
        inputs = [x.copy(order="K") if isinstance(x, np.ndarray) else x for x in sample.inputs]
        return self.call(sample).forward(inputs)

    @property
    def elementwise(self) -> bool:
        """Whether it acts on each element and broadcasts."""
        return issubclass(self.op, Elementwise) or "elementwise" in self.contract.claims

    @property
    def claims(self) -> set[str]:
        """Its claims, with what follows from its base class."""
        return {*self.contract.claims, *(["elementwise"] if self.elementwise else [])}

    @property
    def dtypes(self) -> dict[str, np.dtype[Any]]:
        """The floating dtypes that it claims to take; none where no sample has a floating array."""
        floating = any(is_floating(x) for sample in self.samples for x in sample.inputs)
        return {name: DTYPES[name] for name in self.contract.dtypes} if floating else {}

    def tol(self, dtype: str, sample: Sample) -> tuple[float, float]:
        """(rtol, atol) for a dtype."""
        if sample.tol is not None and dtype == "f8":
            return sample.tol
        return self.contract.tol.get(dtype, TOLERANCE[dtype])

    def domains(self, sample: Sample) -> list[tuple[float, float]]:
        """The bounds of each input."""
        whole = (-np.inf, np.inf)
        given = self.contract.domain
        found: list[tuple[float, float]] = []
        for i in range(len(sample.inputs)):
            slot = self.slots[min(i, len(self.slots) - 1)].name
            found.append(whole if given is None else given if isinstance(given, tuple) else given.get(slot, whole))
        return found

    def slot(self, position: int) -> str:
        """The name of an input for a message."""
        slot = self.slots[min(position, len(self.slots) - 1)]
        return f"input '{slot.name}'" if slot.kind != "variadic" else f"input {position} of '*{slot.name}'"

    def has_reference(self, sample: Sample) -> bool:
        """Whether the contract says what a sample should give."""
        return self._reference(sample) is not None

    def _reference(self, sample: Sample) -> Any:
        return self.contract.training if sample.mode == "training" else self.contract.reference

    def expected(self, sample: Sample) -> list[np.ndarray]:
        """What the reference gives for a call."""
        function = self._reference(sample)
        assert function is not None
        inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in sample.inputs]
        with np.errstate(all="ignore"), _quiet():
            found = function(*inputs, **sample.attributes)
        return [np.asarray(y) for y in (found if isinstance(found, tuple) else (found,))]

    def expected_or_none(self, sample: Sample) -> list[np.ndarray] | None:
        """As ``expected``; None where the reference has no value for such a derived call, and raises."""
        try:
            return self.expected(sample)
        except Exception:
            return None



def _kind(x: Any) -> Any:
    return np.dtype(x.dtype).kind if isinstance(x, np.ndarray) else type(x).__module__


def _quiet() -> Any:
    import warnings

    return warnings.catch_warnings(action="ignore")


def said(error: BaseException, trace: bool = False) -> str:
    """An exception in words, with the line that raised it."""
    text = "".join([f"{type(error).__name__}: {error}", *(f"\n{note}" for note in getattr(error, "__notes__", ()))])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "ourdl_contract" not in f.filename]
    place = [f for f in frames if "ourdl_core" not in f.filename]
    return f"{text} ({place[-1].filename}:{place[-1].lineno})" if trace and place else text

