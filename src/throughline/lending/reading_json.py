"""Reading JSON documents that people wrote: each mistake is named by its path and by what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from throughline.kernel.money import to_minor

E = TypeVar("E", bound=StrEnum)
MAX_ITEMS = 10_000


class InputError(ValueError):
    """Wrong input. `path` is a JSON path such as "$.terms.installments"."""

    def __init__(self, path: str, expected: str) -> None:
        super().__init__(f"{path}: {expected}")
        self.path = path
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Node:
    """One object of a document, with its path."""

    path: str
    values: Mapping[str, Any]

    @staticmethod
    def of(value: Any, path: str) -> Node:
        if not isinstance(value, Mapping):
            raise InputError(path, "expected an object")
        return Node(path, value)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}"

    def has(self, name: str) -> bool:
        """Whether a field is there and not null."""
        return self.values.get(name) is not None

    def only(self, *names: str) -> None:
        """Refuse fields that nobody would read: a misspelt one must not be lost."""
        for name in self.values:
            if name not in names:
                raise InputError(self.at(str(name)), "unknown field")

    def require(self, name: str) -> Any:
        if not self.has(name):
            raise InputError(self.at(name), "is required")
        return self.values[name]

    def child(self, name: str) -> Node:
        """A nested object; an absent one is empty."""
        return Node.of(self.values.get(name) or {}, self.at(name))

    def items(self, name: str) -> list[Node]:
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or len(value) > MAX_ITEMS:
            raise InputError(self.at(name), f"expected a list of at most {MAX_ITEMS} items")
        return [Node.of(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value)]

    def text(self, name: str) -> str:
        value = self.require(name)
        if not isinstance(value, str) or len(value) > 200:
            raise InputError(self.at(name), "expected a text of at most 200 characters")
        return value

    def day(self, name: str) -> date:
        try:
            return date.fromisoformat(self.text(name))
        except ValueError as error:
            raise _as_input_error(error, self.at(name), "expected an ISO date such as 2026-11-23") from None

    def day_or_none(self, name: str) -> date | None:
        return self.day(name) if self.has(name) else None

    def whole(self, name: str, default: int | None = None) -> int:
        if default is not None and not self.has(name):
            return default
        value = self.require(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(self.at(name), "expected a whole number")
        return value

    def yes(self, name: str, *, default: bool) -> bool:
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InputError(self.at(name), "expected true or false")
        return value

    def percent(self, name: str) -> Decimal:
        text = self.text(name)
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        # 1e-999999 is short as a text and a megabyte as a ratio: every step of a loan would take seconds.
        if not value.is_finite() or len(text) > 30 or abs(value.adjusted()) > 30:
            raise InputError(self.at(name), 'expected a decimal text such as "12.5"')
        return value

    def amount(self, name: str, currency: str) -> int:
        """Minor units of a decimal text."""
        try:
            return to_minor(self.text(name), currency)
        except ValueError as error:
            raise _as_input_error(error, self.at(name), str(error)) from None

    def choice(self, name: str, values: type[E], default: E) -> E:
        if not self.has(name):
            return default
        text = self.text(name)
        try:
            return values(text)
        except ValueError:
            known = ", ".join(one.value for one in values)
            raise InputError(self.at(name), f"expected one of {known}") from None


def _as_input_error(error: ValueError, path: str, expected: str) -> InputError:
    return error if isinstance(error, InputError) else InputError(path, expected)
