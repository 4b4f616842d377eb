"""AWS's query protocol: forms in, XML out (Smithy docs, "AWS query protocol")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from lambdatune.local.httpd import Request


class Map(dict[str, str]):
    """A map of the API, which is written as entries; a plain dict is a structure."""


def decode(request: Request) -> dict[str, Any]:
    """Return the parameters of a form: ``a.member.1.b=c`` as ``{"a": {"member": {"1": {"b": "c"}}}}``."""
    tree: dict[str, Any] = {}
    for name, value in parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True):
        *path, last = name.split(".")
        place = tree
        for part in path:
            below = place.setdefault(part, {})
            if not isinstance(below, dict):
                below = place[part] = {}
            place = below
        place[last] = value
    return tree


def items(tree: dict[str, Any], name: str, kind: str = "member") -> list[Any]:
    """Return a list of the parameters in its order; empty when it is not given.

    Args:
        tree: what `decode` returned, or a part of it.
        name: of the list or map.
        kind: member or entry.
    """
    numbered = tree.get(name)
    inner = numbered.get(kind) if isinstance(numbered, dict) else None
    if not isinstance(inner, dict):
        return []
    return [value for _, value in sorted(inner.items(), key=lambda item: int(item[0]) if item[0].isdecimal() else 0)]


def structures(tree: dict[str, Any], name: str, kind: str = "member") -> list[dict[str, Any]]:
    """Return a list of structures of the parameters, see `items`.

    Raises:
        ApiError: MalformedInput when something else stands there.
    """
    return [structure(each) for each in items(tree, name, kind)]


def structure(value: object) -> dict[str, Any]:
    """Return a structure of the parameters.

    Raises:
        ApiError: MalformedInput when it is something else.
    """
    if not isinstance(value, dict):
        raise ApiError("MalformedInput", "A structure is expected where a text was given.")
    return value


def mapping(tree: dict[str, Any], name: str) -> dict[str, str]:
    """Return a map of texts of the parameters."""
    entries = [entry for entry in items(tree, name, "entry") if isinstance(entry, dict)]
    return {str(entry.get("key")): str(entry.get("value", "")) for entry in entries}


def render(action: str, result: dict[str, Any] | None, namespace: str, request_id: str) -> bytes:
    """Return the response of an action; None writes no result element."""
    body = "" if result is None else f"<{action}Result>{_xml(result)}</{action}Result>"
    return (
        f'<{action}Response xmlns="{namespace}">{body}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
    ).encode()


def refusal(error: ApiError, namespace: str, request_id: str) -> bytes:
    """Return an error."""
    code = error.code.removesuffix("Exception")
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def _xml(value: Any) -> str:
    if isinstance(value, Map):
        pairs = [f"<entry><key>{escape(k)}</key><value>{escape(v)}</value></entry>" for k, v in value.items()]
        return "".join(pairs)
    if isinstance(value, dict):
        return "".join([f"<{name}>{_xml(inner)}</{name}>" for name, inner in value.items()])
    if isinstance(value, list):
        return "".join([f"<member>{_xml(inner)}</member>" for inner in value])
    return escape(str(value))
