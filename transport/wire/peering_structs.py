"""Structs as arrays: fields in order, behind a number where several may stand. Pure.

Says how; which struct has which number and fields the tables say (``peering_shapes``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from hubbub.transport.wire.peering_fields import Field, Unfit, both

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hubbub.transport.wire.peering_fields import Convert

    Fields: TypeAlias = Iterable[Field | Convert]

_KEPT: Final = frozenset({"receipt", "answer"})
"""Fields that never cross."""


class Shape(NamedTuple):
    """A struct and how its fields stand in an array.

    Args:
        kind: The struct.
        names: Its fields, in order.
        fields: How each is written and read.
        kept: How many fields stand before those that do not cross.
        rest: What the latter are when it is made anew.
    """

    kind: Any
    names: tuple[str, ...]
    fields: tuple[Field, ...]
    kept: int
    rest: tuple[Any, ...] = ()

    def write(self, value: Any) -> list[Any]:
        """Give the fields of a struct."""
        return [
            field.write(getattr(value, name))
            for name, field in zip(self.names, self.fields, strict=True)
        ]

    def read(self, values: Any) -> Any:
        """Make the struct of its fields."""
        if type(values) is not list or len(values) != len(self.fields):
            raise Unfit("an array of another length is expected")
        found = [
            field.read(value) for field, value in zip(self.fields, values, strict=True)
        ]
        return self.kind(*found[: self.kept], *self.rest, *found[self.kept :])


def shape(kind: Any, fields: Fields = (), rest: tuple[Any, ...] = ()) -> Shape:
    """Describe a struct by its fields, but for those that never cross.

    Where fields follow these, ``rest`` says what stands in their place.

    Raises:
        AssertionError: The struct has others.
    """
    given = tuple(one if isinstance(one, Field) else both(one) for one in fields)
    everything = kind.__struct_fields__
    names = tuple(one for one in everything if one not in _KEPT)
    before = next((i for i, one in enumerate(everything) if one in _KEPT), len(names))
    if len(given) != len(names) or (before < len(names) and not rest):
        raise AssertionError(f"{kind.__name__} has the fields {', '.join(everything)}")
    return Shape(kind, names, given, before, rest)


class Union:
    """Several structs, told apart by a number in front of their fields."""

    def __init__(self, *shapes: tuple[int, Shape]) -> None:
        self._by_number = dict(shapes)
        self._by_kind = {one.kind: (number, one) for number, one in shapes}

    @property
    def kinds(self) -> dict[Any, int]:
        """The number of each struct."""
        return {kind: number for kind, (number, _) in self._by_kind.items()}

    def write(self, value: Any) -> list[Any]:
        """Give number and fields of a struct.

        Raises:
            TypeError: It is none of these.
        """
        known = self._by_kind.get(type(value))
        if known is None:
            raise TypeError(f"{type(value).__name__} cannot stand here")
        number, its_shape = known
        return [number, *its_shape.write(value)]

    def read(self, values: Any) -> Any:
        """Make the struct that a number stands for."""
        if type(values) is not list or not values or type(values[0]) is not int:
            raise Unfit("an array with a number in front is expected")
        its_shape = self._by_number.get(values[0])
        if its_shape is None:
            raise Unfit("there is no such kind")
        return its_shape.read(values[1:])

    @property
    def field(self) -> Field:
        """The field whose value is one of these."""
        return Field(self.write, self.read)


def struct(its_shape: Shape) -> Field:
    """Make the field whose value is always the same struct."""
    return Field(its_shape.write, its_shape.read)
