"""Stand-ins for the objects of TensorRT, which check every call against its Python bindings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


class StandIn:
    """Has the attributes of a class of the bindings and no others, and takes the calls that its methods take.

    A call returns what the method's signature promises: another stand-in, True, 0 or None.

    Args:
        library: the bindings.
        kind: the class.
        values: "Class.property" → its value.
    """

    def __init__(self, library: Any, kind: type, values: Mapping[str, Any]) -> None:
        self.__dict__.update(_library=library, _kind=kind, _values=values)

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._kind, name)
        if isinstance(attribute, property):
            return self._values[f"{self._kind.__name__}.{name}"]
        return lambda *given, **named: self._answer(attribute, given, named)

    def __setattr__(self, name: str, value: object) -> None:
        attribute = getattr(self._kind, name)
        assert isinstance(attribute, property), name
        assert attribute.fset is not None, f"{name} is read-only"

    def __bytes__(self) -> bytes:
        return b"content"

    def _answer(self, method: Any, given: tuple[Any, ...], named: dict[str, Any]) -> Any:
        fitting = [returned for parameters, returned in signatures(method) if _fits(parameters, given, named)]
        assert fitting, f"{len(given)} arguments and {sorted(named)} for {method.__doc__}"
        returned = fitting[0].rpartition(".")[2]
        plain = {"bool": True, "int": 0, "None": None}
        if returned in plain:
            return plain[returned]
        return StandIn(self._library, getattr(self._library, returned), self._values)


class StandInLibrary:
    """The bindings, whose `made` classes make stand-ins."""

    made = ("Builder", "OnnxParser", "Runtime")

    def __init__(self, library: Any, values: Mapping[str, Any]) -> None:
        self._library, self._values = library, values

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._library, name)
        if name not in self.made:
            return attribute
        parameters, _ = signatures(attribute.__init__)[0]

        def make(*given: Any) -> StandIn:
            assert _fits(parameters, given, {}), f"{len(given)} arguments for {name}"
            return StandIn(self._library, attribute, self._values)

        return make


def signatures(method: Any) -> list[tuple[dict[str, bool], str]]:
    """Return each overload's parameters (name → has a default), without self, and type, from its docstring."""
    lines = re.findall(
        rf"^(?:\d+\. )?{method.__name__}\((self: .*)\) -> (\S+)$", method.__doc__, re.MULTILINE
    )
    assert lines, method.__doc__
    return [(_parameters(inside), returned) for inside, returned in lines]


def _parameters(inside: str) -> dict[str, bool]:
    while re.search(r"\[[^\[\]]*\]", inside):
        inside = re.sub(r"\[[^\[\]]*\]", "", inside)
    parts = [part.strip() for part in inside.split(",")][1:]
    return {part.partition(":")[0]: " = " in part for part in parts}


def _fits(parameters: dict[str, bool], given: tuple[Any, ...], named: dict[str, Any]) -> bool:
    left = list(parameters)[len(given) :]
    return (
        len(given) <= len(parameters)
        and set(named) <= set(left)
        and all(parameters[name] or name in named for name in left)
    )
