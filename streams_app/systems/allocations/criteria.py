"""Which accounts a rebalance takes, and when it trades for them: criteria, read from JSON or TOML. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from streams_app.systems.allocations.model import TICK

_MOST_MONEY: Final = Decimal(10) ** 15


class CriteriaError(ValueError):
    """Criteria that cannot be used; the message names the key, its value and what is expected."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """Accounts fit when every criterion holds; an empty one, or None, holds for all.

    `risk`: the least and the greatest. `holds`: any of these securities, by symbol or id. Cash is money, both ends
    included. `drift`: a rebalance trades for an account when one of its positions is further than this share of the
    account's value from its target. `cash_kept`: the share that stays cash, None for the setting.
    """

    segments: tuple[str, ...] = ()
    risk: tuple[int, int] = (1, 5)
    models: tuple[int, ...] = ()
    buckets: tuple[int, ...] = ()
    min_cash: Decimal | None = None
    max_cash: Decimal | None = None
    holds: tuple[str | int, ...] = ()
    drift: Decimal = Decimal("0.01")
    cash_kept: Decimal | None = None

    def as_json(self) -> dict[str, Any]:
        """What `read_criteria` reads: what differs from the defaults, Decimals as text."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: str(value) if isinstance(value, Decimal) else list(value)
            for name, value in found.items()
            if value != getattr(_ALL, name)
        }


_ALL: Final = Criteria()


def read_criteria(data: object) -> Criteria:
    """Criteria of parsed JSON or TOML; what is left out holds for all. Raises CriteriaError."""
    if not isinstance(data, Mapping):
        raise CriteriaError(f"{data!r}: expected a table of criteria")
    unknown = [name for name in data if name not in _READERS]
    if unknown:
        raise CriteriaError(f"{unknown[0]}: expected one of {', '.join(_READERS)}")
    found = Criteria(**{name: _READERS[name](name, value) for name, value in data.items()})
    if found.min_cash is not None and found.max_cash is not None and found.min_cash > found.max_cash:
        raise CriteriaError(f"max_cash {found.max_cash}: expected no less than min_cash, {found.min_cash}")
    return found


def _words(name: str, value: Any) -> tuple[str, ...]:
    return _list(name, value, "a list of words", lambda item: isinstance(item, str) and 0 < len(item) <= 40)


def _numbers(name: str, value: Any) -> tuple[int, ...]:
    return _list(name, value, "a list of whole numbers, none below 0", _is_number)


def _securities(name: str, value: Any) -> tuple[str | int, ...]:
    wanted = "a list of symbols or ids of securities"
    return _list(name, value, wanted, lambda item: _is_number(item) or (isinstance(item, str) and 0 < len(item) <= 20))


def _risk(name: str, value: Any) -> tuple[int, int]:
    wanted = "two numbers from 1 to 5, such as [2, 4]"
    found = _list(name, value, wanted, lambda item: _is_number(item) and 1 <= item <= 5)
    if len(found) != 2 or found[0] > found[1]:
        raise _wrong(name, value, wanted)
    return found[0], found[1]


def _money(name: str, value: Any) -> Decimal:
    wanted = "an amount of money with at most four decimals"
    found = _decimal(name, value, wanted)
    if abs(found) > _MOST_MONEY or found % TICK:
        raise _wrong(name, value, wanted)
    return found


def _share(name: str, value: Any) -> Decimal:
    wanted = "a share from 0 to 1, 1 not included"
    found = _decimal(name, value, wanted)
    if not 0 <= found < 1:
        raise _wrong(name, value, wanted)
    return found


def _decimal(name: str, value: Any, wanted: str) -> Decimal:
    try:
        found = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        raise _wrong(name, value, wanted) from None
    if not found.is_finite():
        raise _wrong(name, value, wanted)
    return found


def _is_number(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool) and 0 <= item < 2**31


def _list(name: str, value: Any, wanted: str, fits: Callable[[Any], bool]) -> tuple[Any, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(map(fits, value)):
        raise _wrong(name, value, wanted)
    return tuple(value)


def _wrong(name: str, value: object, wanted: str) -> CriteriaError:
    return CriteriaError(f"{name} = {value!r}: expected {wanted}")


_READERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "segments": _words,
    "risk": _risk,
    "models": _numbers,
    "buckets": _numbers,
    "min_cash": _money,
    "max_cash": _money,
    "holds": _securities,
    "drift": _share,
    "cash_kept": _share,
}
