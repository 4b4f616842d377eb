"""How the messages of an order are sent and answered: by the forms of its payloads, or by Invoke without one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lambdatune.load.endpoint import endpoint_from_url
from lambdatune.load.sigv4 import invoke_path
from lambdatune.model.request_form import BodyPart, RequestForm

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.load.endpoint import Endpoint
    from lambdatune.load.order import Order, WeightedPayload

_METHOD = re.compile(r"(?!(?:HEAD|CONNECT)$)[A-Z]+")
"""HEAD and CONNECT are answered by rules of their own about where an answer ends (RFC 9112, 6.3)."""
_OF_THE_CONNECTION = frozenset({
    "connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade",
})  # fmt: skip
_OF_THE_SIGNATURE = frozenset({"authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-\"$-~]*")
_SERVICE = re.compile(r"[a-z0-9-]+")


def form_of(order: Order, payload: WeightedPayload) -> RequestForm:
    """Return how a payload of an order is sent: its form, or Invoke of the order's function."""
    if payload.form is not None:
        return payload.form
    path, query = invoke_path(order.function, order.qualifier)
    return RequestForm(
        target=f"{path}?{query}" if query else path,
        headers=(("X-Amz-Log-Type", "Tail"),) if order.log_tail else (),
        body=(BodyPart(payload.body, payload.tokens),),
    )


def answer_form_of(order: Order) -> RequestForm:
    """Return a form that says how the messages of an order are answered, which is alike in all of them."""
    return form_of(order, order.payloads[0])


def endpoint_of(order: Order, default: Endpoint) -> Endpoint:
    """Return where the messages of an order go: `default`, or another host that is reached in the same way."""
    base_url = answer_form_of(order).base_url
    if base_url is None:
        return default
    return endpoint_from_url(base_url, default.region, ca_file=default.ca_file, verify_tls=default.verify_tls)


def check_forms(order: Order, require: Callable[[bool, str], None]) -> None:
    """Check that the messages of an order can be sent, and that one reader can read all answers.

    Args:
        order: with at least one payload.
        require: takes whether something holds, and what is wrong when it does not, and raises then.

    Raises:
        UsageError: naming the first thing that cannot be right.
    """
    forms = [form_of(order, payload) for payload in order.payloads]
    first = forms[0]
    require(all(form.base_url == first.base_url for form in forms), "its messages go to more than one endpoint")
    require(
        all((form.answer, form.id_header, form.id_key) == (first.answer, first.id_header, first.id_key)
            for form in forms),
        "its messages are answered in more than one way",
    )  # fmt: skip
    if first.base_url is not None:
        endpoint_from_url(first.base_url, "")
    for payload in order.payloads:
        if payload.form is not None:
            _check_form(payload.form, require)


def _check_form(form: RequestForm, require: Callable[[bool, str], None]) -> None:
    require(
        _METHOD.fullmatch(form.method) is not None,
        f"its method is {form.method}, expected one like GET or POST, but neither HEAD nor CONNECT",
    )
    require(
        _TARGET.fullmatch(form.target) is not None,
        f"its target `{form.target}` is not a path from the root, percent-encoded",
    )
    require(
        form.service is None or _SERVICE.fullmatch(form.service) is not None,
        f"its requests are signed for `{form.service}`, expected a service such as lambda or sqs",
    )
    names = [name.lower() for name, _ in form.headers]
    ours = _OF_THE_CONNECTION if form.service is None else _OF_THE_CONNECTION | _OF_THE_SIGNATURE
    for name, value in form.headers:
        require(_HEADER_NAME.fullmatch(name) is not None, f"`{name}` is no name of a header")
        require(name.lower() not in ours, f"the header {name} is set by lambdatune itself")
        require(names.count(name.lower()) == 1, f"the header {name} is there more than once")
        is_clean = value.isascii() and value.replace("\t", " ").isprintable()
        require(is_clean, f"the value of the header {name} is not printable ASCII")
