"""Paths with variables, and which of them takes a request (AWS docs, "Routing API requests")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

_SEGMENT = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%-]+|\{[A-Za-z0-9._:-]+\+?\}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
ANY = "ANY"


def segments(path: str) -> tuple[str, ...]:
    """Return the segments of a path; none of ``/``."""
    bare = path.removeprefix("/")
    return tuple(bare.split("/")) if bare else ()


def is_template(path: str) -> bool:
    """Whether a path is one of a route: ``/a/{b}/{c+}``, with a greedy variable at its end only."""
    parts = segments(path)
    sound = path.startswith("/") and all(_SEGMENT.fullmatch(part) is not None for part in parts)
    return sound and not any(part.endswith("+}") for part in parts[:-1])


def variables(template: str, path: str) -> dict[str, str] | None:
    """Return what the variables of a template stand for in a path as sent; None when it does not match."""
    wanted, given = segments(template), segments(path)
    greedy = bool(wanted) and wanted[-1].endswith("+}")
    if len(given) < len(wanted) or (len(given) > len(wanted) and not greedy):
        return None
    found: dict[str, str] = {}
    for index, part in enumerate(wanted):
        if part.endswith("+}"):
            rest = "/".join(given[index:])
            if not rest:
                return None
            found[part[1:-2]] = unquote(rest)
        elif part.startswith("{"):
            if not given[index]:
                return None
            found[part[1:-1]] = unquote(given[index])
        elif unquote(part) != unquote(given[index]):
            return None
    return found


def select(keys: Iterable[tuple[str, str]], method: str, path: str) -> tuple[str, str, dict[str, str]] | None:
    """Return method, template and variables of the most specific of `keys` that takes a request; None when none does.

    A literal segment goes before a variable, a variable before a greedy one, a method before ANY.

    Args:
        keys: method and template of every route.
        method: of the request.
        path: of the request, as sent.
    """
    best: tuple[tuple[tuple[int, ...], bool], tuple[str, str, dict[str, str]]] | None = None
    for key_method, template in keys:
        if key_method not in {method, ANY}:
            continue
        found = variables(template, path)
        if found is None:
            continue
        rank = (tuple([_rank(part) for part in segments(template)]), key_method == ANY)
        if best is None or rank < best[0]:
            best = rank, (key_method, template, found)
    return None if best is None else best[1]


def _rank(segment: str) -> int:
    return 2 if segment.endswith("+}") else int(segment.startswith("{"))
