"""Frozen dataclasses as plain JSON values and back, by their type hints; a choice between classes carries its name."""

import dataclasses
import math
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

_CLASS = "is"
"""Key that names the class where a field may hold one of several."""
T = TypeVar("T")


def as_plain(value: Any) -> Any:
    """Dictionaries, lists, numbers, texts. Infinite numbers become texts, since JSON has none."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        named = {each.name: as_plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
        return {_CLASS: type(value).__name__} | named
    if isinstance(value, tuple | list):
        return [as_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): as_plain(each) for key, each in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """The value that `as_plain` was given.

    Args:
        kind: Its class.
        plain: Of JSON.

    Raises:
        ValueError: It is not such a value; the message says which field is off and what it may be.
    """
    return _value(kind, plain, "")


def _value(hint: Any, plain: Any, where: str) -> Any:
    """A value of a type hint; `where` names the field in errors."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, plain, where)
    if origin is tuple:
        return _tuple(arguments, plain, where)
    if origin is typing.Literal:
        if plain not in arguments:
            raise ValueError(f"{where or 'It'} is {plain!r}, and may be {', '.join(map(repr, arguments))}.")
        return plain
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, plain, where)
    return _simple(hint, plain, where)


def _one_of(kinds: tuple[Any, ...], plain: Any, where: str) -> Any:
    if plain is None and type(None) in kinds:
        return None
    classes: dict[str, Any] = {kind.__name__: kind for kind in kinds if dataclasses.is_dataclass(kind)}
    if classes and isinstance(plain, dict):
        if plain.get(_CLASS) not in classes:
            raise ValueError(f"{where or 'It'} is of the class {plain.get(_CLASS)!r}; there are {', '.join(classes)}.")
        return _value(classes[plain[_CLASS]], plain, where)
    others = [kind for kind in kinds if kind is not type(None) and not dataclasses.is_dataclass(kind)]
    if not others:
        raise ValueError(f"{where or 'It'} is {plain!r}, which is none of {', '.join(map(str, kinds))}.")
    return _value(others[0], plain, where)


def _tuple(kinds: tuple[Any, ...], plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ValueError(f"{where or 'It'} is {plain!r}, and should be a list.")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_value(kinds[0], each, where) for each in plain)
    if len(plain) != len(kinds):
        raise ValueError(f"{where or 'It'} has {len(plain)} entries instead of {len(kinds)}.")
    return tuple(_value(kind, each, where) for kind, each in zip(kinds, plain, strict=True))


def _dataclass(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, dict):
        raise ValueError(f"{where or kind.__name__} is {plain!r}, and should be the fields of a {kind.__name__}.")
    hints = typing.get_type_hints(kind)
    names = [each.name for each in dataclasses.fields(kind)]
    strange = sorted(plain.keys() - {*names, _CLASS})
    if strange:
        raise ValueError(f"{where or kind.__name__} has a field '{strange[0]}', which this myotrack does not know.")
    # What an older file does not say is as it is by default.
    given = {
        name: _value(hints[name], plain[name], f"{where}.{name}" if where else name) for name in names if name in plain
    }
    try:
        return kind(**given)
    except TypeError as error:
        raise ValueError(f"{where or kind.__name__} lacks a field ({error}).") from error


def _simple(kind: Any, plain: Any, where: str) -> Any:
    if kind is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return float(plain)
    if kind is float and plain in ("inf", "-inf", "nan"):
        return float(plain)
    if kind is Path and isinstance(plain, str):
        return Path(plain)
    if kind in (int, bool, str) and type(plain) is kind:
        return plain
    raise ValueError(f"{where or 'It'} is {plain!r}, and should be of the type {getattr(kind, '__name__', kind)}.")
