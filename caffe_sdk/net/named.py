"""What a net has, by name and in order: a dictionary that scripts written for Python 2 can read too."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from typing import TypeVar

T = TypeVar("T")


class Named(OrderedDict[str, T]):
    """An OrderedDict with the methods that dictionaries of Python 2 had, which pycaffe's scripts call."""

    def iteritems(self) -> Iterator[tuple[str, T]]:
        """Iterate over names and values."""
        return iter(self.items())

    def iterkeys(self) -> Iterator[str]:
        """Iterate over names."""
        return iter(self)

    def itervalues(self) -> Iterator[T]:
        """Iterate over values."""
        return iter(self.values())

    def viewitems(self) -> ItemsView[str, T]:
        """`items`."""
        return self.items()

    def viewkeys(self) -> KeysView[str]:
        """`keys`."""
        return self.keys()

    def viewvalues(self) -> ValuesView[T]:
        """`values`."""
        return self.values()

    def has_key(self, name: str) -> bool:
        """Whether there is something of this name."""
        return name in self
