"""A list on the page that changes in place: unchanged entries, and the focus on them, stay."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from nicegui.element import Element

Value = TypeVar("Value")


class KeyedList(Generic[Value]):
    """Keeps the children of ``container`` in step with a list of keyed values.

    Args:
        container: Holds nothing else.
        make: Makes an entry's empty outer element for a key.
        fill: Fills an entry, inside its outer element, with a value.
    """

    def __init__(
        self,
        container: Element,
        make: Callable[[Hashable], Element],
        fill: Callable[[Element, Value], None],
    ) -> None:
        self._container = container
        self._make = make
        self._fill = fill
        self._entries: dict[Hashable, tuple[Element, Value]] = {}

    def sync(self, wanted: Sequence[tuple[Hashable, Value]]) -> None:
        """Show ``wanted``, in its order; only what differs is built again."""
        keys = {key for key, _ in wanted}
        for key in [key for key in self._entries if key not in keys]:
            self._entries.pop(key)[0].delete()
        for index, (key, value) in enumerate(wanted):
            known = self._entries.get(key)
            if known is None:
                with self._container:
                    element = self._make(key)
            else:
                element = known[0]
            if known is None or known[1] != value:
                if known is not None:
                    element.clear()
                with element:
                    self._fill(element, value)
                self._entries[key] = (element, value)
            if self._container.default_slot.children.index(element) != index:
                element.move(target_index=index)
