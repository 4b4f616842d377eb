"""How one message is sent over HTTP: what a mode prepares and the load processes send and sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

AnswerKind = Literal["invoke", "stream", "accept", "http", "workflow"]
"""What an answer says.

``invoke``: Lambda's Invoke: result or X-Amz-Function-Error, REPORT line in X-Amz-Log-Result.
``stream``: InvokeWithResponseStream: an event stream that ends with InvokeComplete, which holds error and REPORT line.
``accept``: a service took the message (2xx), or says why not, in JSON or XML.
``http``: what a function answered through a URL, an API or a load balancer, or what these answered in its place.
``workflow``: StartSyncExecution's JSON: ``status``, ``error``, ``cause``, and ``output`` with the Lambda task's result.
"""


@dataclass(frozen=True, slots=True)
class BodyPart:
    """A piece of a request body.

    Attributes:
        data: its bytes before encoding.
        tokens: whether ``{{uuid}}``, ``{{sequence}}`` and ``{{timestamp}}`` in it are replaced anew for every message.
        encoding: how it stands in the body.
    """

    data: bytes
    tokens: bool = False
    encoding: Literal["plain", "base64"] = "plain"


@dataclass(frozen=True, slots=True)
class RequestForm:
    """A prepared request, except for what is signed anew once a second.

    Attributes:
        method: HTTP method.
        target: path and query string as on the wire, percent-encoded; tokens in it are replaced anew for every message.
        headers: name and value of further headers, signed with the rest. Host, Content-Length, User-Agent and those of
            the signature are added.
        body: pieces that make the body one after another.
        service: SigV4 service name; None for a request that is not signed.
        base_url: scheme, host and port; None for the endpoint that the load goes to anyway.
        answer: what the answer says.
        id_header: header of the answer that identifies the message, in lower case.
        id_key: key of the answer's JSON object, or name of the element of its XML, that identifies the message instead;
            the last 36 characters of the value count.
    """

    target: str
    method: str = "POST"
    headers: tuple[tuple[str, str], ...] = ()
    body: tuple[BodyPart, ...] = ()
    service: str | None = "lambda"
    base_url: str | None = None
    answer: AnswerKind = "invoke"
    id_header: str = "x-amzn-requestid"
    id_key: str | None = None
