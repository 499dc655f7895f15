"""JSON of strangers: read without tricks, and what is wrong with it said in one short line."""

import json
import math
import re

from pydantic import ValidationError

_LONGEST_INTEGER = 18
_LONGEST_FLOAT = 40
# An unfinished string or escape reaches to the end, so that no text is looked through twice.
_STRING = re.compile(r'"[^"\\]*+(?:\\.?[^"\\]*+)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKET = re.compile(r"[^][{}]+")
_ONE_KIND = str.maketrans("{}", "[]")


def parsed(text: str, deepest: int) -> object:
    """What a JSON text says.

    Parameters
    ----------
    text : str
    deepest : int
        How many levels of lists and objects it may have.

    Raises
    ------
    ValueError
        If it is no JSON, is nested deeper, names a key twice, or has a number that is not finite or
        longer than anybody needs.
    """
    _require_flat(text, deepest)
    return json.loads(
        text,
        object_pairs_hook=_once,
        parse_constant=_no_constant,
        parse_int=_integer,
        parse_float=_float,
    )


def reason_of(error: ValidationError) -> str:
    """The first thing that is wrong, in ASCII and never long, whatever the text held."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    return ascii(f"{place[:60]}: {said[:120]}" if place else said[:120])[1:-1]


def _require_flat(text: str, deepest: int) -> None:
    brackets = _NO_BRACKET.sub("", _STRING.sub("", text)).translate(_ONE_KIND)
    for _ in range(deepest):
        brackets = brackets.replace("[]", "")  # the innermost level of what is left
    if brackets:
        raise ValueError(f"it is nested deeper than {deepest} levels, or a bracket is missing")


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is named twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a whole number has {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > _LONGEST_FLOAT or not math.isfinite(number := float(digits)):
        raise ValueError("a number is too long or too large")
    return number
