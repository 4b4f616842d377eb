"""Bodies of S3 requests: chunks that are signed one by one, checksums, and XML."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from lambdatune.local.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.httpd import Request

_CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
}


def body_of(request: Request) -> bytes:
    """Return the bytes of an object, out of aws-chunked where they are, with their checksums checked.

    Raises:
        ApiError: IncompleteBody, InvalidDigest, BadDigest.
    """
    body = request.body
    if request.headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        body = _unchunked(body)
    for name, digest in _CHECKSUMS.items():
        given = request.headers.get(name)
        if given is None:
            continue
        try:
            wanted = base64.b64decode(given, validate=True)
        except binascii.Error as error:
            raise ApiError("InvalidDigest", f"The {name} you specified is not valid.") from error
        if digest(body) != wanted:
            raise ApiError("BadDigest", f"The {name} you specified did not match the calculated checksum.")
    return body


def parse_xml(body: bytes) -> ET.Element:
    """Return the document of a request, with names as they are without their namespace.

    Raises:
        ApiError: MalformedXML, also for one with a document type, which no client sends.
    """
    malformed = ApiError("MalformedXML", "The XML you provided was not well-formed or did not validate.")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise malformed
    try:
        root = ET.fromstring(body)  # noqa: S314  no entities, see above
    except ET.ParseError as error:
        raise malformed from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _unchunked(body: bytes) -> bytes:
    """Take the chunks of aws-chunked together; their signatures are not looked at."""
    whole = bytearray()
    place = 0
    while True:
        end = body.find(b"\r\n", place)
        try:
            size = int(body[place:end].split(b";")[0], 16)
        except ValueError as error:
            raise ApiError("IncompleteBody", "The chunks of the body cannot be read.") from error
        start = end + 2
        if end < 0 or start + size > len(body):
            raise ApiError("IncompleteBody", "The request body terminated unexpectedly")
        if size == 0:
            return bytes(whole)
        whole += body[start : start + size]
        place = start + size + 2
