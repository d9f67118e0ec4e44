"""Records: immutable, hashable things made of a class and its attributes. Ops, initializers and optimizers are records."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from ourdl_core.attributes import REQUIRED, Field, fields_of
from ourdl_core.errors import did_you_mean


class Record:
    """A class with annotated attributes; an instance is those attributes and nothing else.

    Two records of one class with equal attributes are equal. Nothing can be stored on a record after it is made.
    """

    __slots__ = ("__dict__", "_hash", "_key")
    _fields: ClassVar[dict[str, Field] | None] = None
    _hash: int
    _key: Any

    def __new__(cls, **attributes: Any) -> Self:
        return cls.make(attributes)

    @classmethod
    def fields(cls) -> dict[str, Field]:
        """The attributes of the class by name, read from its annotations once."""
        found = cls.__dict__.get("_fields")
        if found is None:
            found = cls._fields = fields_of(cls, Record)
        return found

    @classmethod
    def make(cls, attributes: dict[str, Any]) -> Self:
        """The record with these attributes, checked and converted. TypeError for unknown or missing ones."""
        fields = cls.fields()
        unknown = [name for name in attributes if name not in fields]
        if unknown:
            raise TypeError(cls._unknown(unknown[0]))
        values = {}
        for name, field in fields.items():
            value = attributes.get(name, field.default)
            if value is REQUIRED:
                raise TypeError(f"{cls.__name__}: attribute '{name}' is required")
            values[name] = field.convert(value, cls.__name__)
        self = object.__new__(cls)
        self.__dict__.update(values)
        try:
            key = exact(tuple(values.values()))
            object.__setattr__(self, "_key", key)
            object.__setattr__(self, "_hash", hash((cls, key)))
        except TypeError:
            raise TypeError(f"{cls.__name__}: attributes must be immutable values, found {values}") from None
        self.check()
        return self

    def check(self) -> None:
        """Override to refuse combinations of attributes (ValueError)."""

    @classmethod
    def _unknown(cls, name: str) -> str:
        known = list(cls.fields())
        listing = f"It has: {', '.join(known)}." if known else "It has none."
        return f"{cls.__name__} has no attribute '{name}'. {did_you_mean(name, known) or listing}"

    def attributes(self) -> dict[str, Any]:
        """The attributes by name."""
        return dict(self.__dict__)

    def replace(self, **changes: Any) -> Self:
        """The same record with some attributes changed."""
        return type(self).make({**self.__dict__, **changes})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(
            f"nothing can be stored on a {type(self).__name__} record (tried '{name}'): "
            "return what you compute, or make it an annotated attribute"
        )

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} record is immutable: '{name}' cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Record) and type(self) is type(other) and self._key == other._key

    def __hash__(self) -> int:
        return self._hash

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        return _remake, (type(self), self.attributes())

    def __repr__(self) -> str:
        fields = type(self).fields()
        shown = ", ".join(f"{k}={v!r}" for k, v in self.__dict__.items() if v != _default_of(fields[k], v))
        return f"{type(self).__name__}({shown})"


def _default_of(field: Field, value: Any) -> Any:
    """The default as the value would be: the record of a plugin, where the default is a name."""
    default = field.default
    return field.convert(default, "") if isinstance(value, Record) and isinstance(default, str) else default


def exact(value: Any) -> Any:
    """A key under which only the same value is found: 1, 1.0 and True differ, and so do 0.0 and -0.0; NaN is itself."""
    if type(value) is tuple:
        return tuple(exact(each) for each in value)
    return (float, value.hex()) if type(value) is float else (type(value), value)


def _remake(cls: type[Record], attributes: dict[str, Any]) -> Record:
    return cls.make(attributes)
