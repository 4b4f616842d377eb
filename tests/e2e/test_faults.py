"""The control plane in a bad mood: what is worth another try is tried again, and what is not is said and undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.faults import FaultyProxy, everything, users_function
from support.program import running_endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

THROTTLED = {"do": "error", "status": 429, "code": "TooManyRequestsException", "message": "Rate exceeded"}
UNDER_WAY = {
    "do": "error", "status": 409, "code": "ResourceConflictException",
    "message": "The operation cannot be performed at this time. An update is in progress for resource: shop",
}  # fmt: skip
BROKEN = {"do": "error", "status": 500, "code": "ServiceException", "message": "An error occurred"}
EXPIRED = {
    "do": "error", "status": 403, "code": "ExpiredTokenException",
    "message": "The security token included in the request is expired",
}  # fmt: skip


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """Return the URL of an endpoint with a user's function; every test leaves it as it was."""
    with running_endpoint("--settle-ms", "1") as local:
        users_function(local.url)
        yield local.url


def options(url: str, isolation: str) -> tuple[str, ...]:
    return (
        "run", "--endpoint-url", url, "--function", "shop", "--memory", "256", "--isolation", isolation,
        "--cold-starts", "1", "--max-invocations", "3",
    )  # fmt: skip


def once_published(account: str, lambdatune: Any, isolation: str) -> dict[str, int]:
    """Return where a run has published its last version, for a fault from then on: permissions were tried before."""
    with FaultyProxy(account) as proxy:
        lambdatune(*options(proxy.url, isolation))
    last = max(number for number, operation in enumerate(proxy.operations, 1) if operation == "PublishVersion")
    return {"at": last + 1, "times": 1 << 20}


def denied(action: str) -> dict[str, Any]:
    who = "User: arn:aws:iam::123456789012:user/ci is not authorized to perform"
    message = f"{who}: lambda:{action} on resource: arn:aws:lambda:us-east-1:123456789012:function:x"
    return {"operation": action, "do": "error", "status": 403, "code": "AccessDeniedException", "message": message}


@pytest.mark.parametrize("isolation", ["clone", "version"])
@pytest.mark.parametrize(
    "harm",
    [THROTTLED, UNDER_WAY, BROKEN, {"do": "reset"}, {"do": "reset-after"}, {"do": "delay", "delay_s": 0.1}],
    ids=["429", "409", "500", "reset", "answer lost", "slow"],
)
def test_every_call_that_fails_once_is_made_again_and_the_run_is_whole(account, lambdatune, isolation, harm) -> None:
    before = everything(account)
    with FaultyProxy(account, every=2, **harm) as proxy:
        done = lambdatune(*options(proxy.url, isolation))
    assert done.code == 5, done.err
    assert "the limit of 3 calls ended the run" in done.out
    assert everything(account) == before


@pytest.mark.parametrize("isolation", ["clone", "version"])
@pytest.mark.parametrize("action", ["GetFunction", "CreateFunction", "UpdateFunctionConfiguration", "PublishVersion"])
def test_a_missing_permission_is_named_and_what_was_made_is_undone(account, lambdatune, isolation, action) -> None:
    before = everything(account)
    with FaultyProxy(account, **denied(action)) as proxy:
        done = lambdatune(*options(proxy.url, isolation))
    assert everything(account) == before
    if action not in proxy.operations:
        assert (isolation, action) == ("version", "CreateFunction")
        return
    assert done.code == 7, done.err
    assert f'"Action": ["lambda:{action}"]' in done.err


@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_what_may_not_be_deleted_is_named_with_the_command_for_it(account, lambdatune, isolation) -> None:
    before = everything(account)
    with FaultyProxy(account, **denied("DeleteFunction"), **once_published(account, lambdatune, isolation)) as proxy:
        done = lambdatune(*options(proxy.url, isolation))
        assert done.code == 8, done.err
        assert "left something behind: " in done.err
        assert "by hand: aws lambda delete-function --function-name " in done.err
        restored = lambdatune("restore", "--all")
        assert restored.code == 8
        assert restored.out.startswith("left  ")
        assert "by hand: aws lambda delete-function --function-name " in restored.err
    assert everything(account) != before
    assert lambdatune("restore", "--all", "--endpoint-url", account).code == 8  # the proxy is gone
    assert everything(account) == before


@pytest.mark.parametrize("isolation", ["clone", "version"])
def test_credentials_that_expire_in_the_middle_leave_a_list_and_a_restore(
    account, lambdatune, isolation, tmp_path
) -> None:
    before = everything(account)
    report = tmp_path / "junit.xml"
    with FaultyProxy(account, **EXPIRED, **once_published(account, lambdatune, isolation)) as proxy:
        done = lambdatune(*options(proxy.url, isolation), "--junit", str(report))
    assert done.code == 8, done.err
    assert '<error type="failed" message="an error ended the run: ' in report.read_text()
    assert "the credentials have expired" in done.err
    assert "Traceback" not in done.err
    commands = [part for part in done.err.replace(")", ";").split("; ") if part.startswith("by hand: aws ")]
    assert len(commands) >= 2
    lambdatune("restore", "--all", "--endpoint-url", account)
    assert everything(account) == before


def test_an_endpoint_that_falls_silent_is_not_waited_for_without_end(account, lambdatune) -> None:
    before = everything(account)
    begun = once_published(account, lambdatune, "clone")
    with FaultyProxy(account, operation="DeleteFunction", do="silence", **begun) as proxy:
        done = lambdatune(*options(proxy.url, "clone"))
    assert done.code == 8, done.err
    assert "Read timeout" in done.err
    assert "not tried, since nothing answers there; by hand: aws logs delete-log-group" in done.err
    lambdatune("restore", "--all", "--endpoint-url", account)
    assert everything(account) == before
