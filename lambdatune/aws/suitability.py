"""What breaks the model of memory tuning, or cannot be isolated: found and explained before anything is changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.aws.clone import MAX_UPLOAD_BYTES, too_large_to_upload
from lambdatune.model.errors import AwsRefused, LambdatuneError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdatune.aws.functions import FunctionDescription
    from lambdatune.model.plan import IsolationName

_UNKNOWN_TO_MODEL = {
    "CapacityProviderConfig": (
        "runs on managed instances, where memory does not set the CPU share and there are no cold starts",
        "tune a copy of it without a capacity provider",
    ),
    "TenancyConfig": (
        "isolates tenants: every call needs a tenant id, and each tenant has environments of its own",
        "tune a copy of it without tenant isolation",
    ),
    "DurableConfig": (
        "is a durable function, whose calls go on over several invocations",
        "tune the steps as functions of their own",
    ),
    "AcceleratorConfig": (
        "has an accelerator, which memory size does not describe",
        "tune a copy of it without the accelerator",
    ),
}
"""By the member of GetFunction's answer that tells (AWS API reference, FunctionConfiguration)."""


def refuse_unsuitable(source: FunctionDescription, isolation: IsolationName) -> None:
    """Refuse a function that cannot be measured truly, or not in this isolation.

    Raises:
        UsageError: when another isolation, or another name, is needed.
        AwsRefused: when the function is such that it cannot be tuned as it is.
    """
    for problem in _problems(source, isolation):
        raise problem


def _problems(source: FunctionDescription, isolation: IsolationName) -> Iterator[LambdatuneError]:
    yield from _of_model(source)
    yield from _of_state(source)
    if isolation == "clone":
        yield from _of_cloning(source)
    else:
        yield from _of_calling_itself(source)
    if isolation == "version":
        yield from _of_publishing(source)


def _of_model(source: FunctionDescription) -> Iterator[LambdatuneError]:
    for member, (what, hint) in _UNKNOWN_TO_MODEL.items():
        if source.configuration.get(member) or source.unmodelled.get(member):
            yield AwsRefused(f"function `{source.name}` {what}", hint=hint)
    if source.configuration.get("MasterArn"):
        yield AwsRefused(
            f"function `{source.name}` is a replica that CloudFront made",
            hint=f"tune its original: {source.configuration['MasterArn']}",
        )


def _of_state(source: FunctionDescription) -> Iterator[LambdatuneError]:
    state, configuration = source.configuration.get("State", "Active"), source.configuration
    if state == "Failed":
        reason = configuration.get("StateReason") or "AWS gives no reason"
        yield AwsRefused(f"function `{source.name}` is in state Failed: {reason}", hint="mend or create it anew first")
    if state == "Pending":
        yield AwsRefused(
            f"function `{source.name}` is still being created (state Pending)",
            hint=f"`aws lambda wait function-active-v2 --function-name {source.name}` tells when it is ready",
        )


def _of_calling_itself(source: FunctionDescription) -> Iterator[LambdatuneError]:
    """Yield what is in the way when the function's own environments are called."""
    if source.reserved_concurrency == 0:
        yield AwsRefused(
            f"function `{source.name}` has reserved concurrency 0: AWS turns every call away",
            hint="--isolation clone measures a copy, which has no reservation",
        )
    if source.configuration.get("State") == "Inactive":
        yield AwsRefused(
            f"function `{source.name}` is Inactive: AWS has put it away because it was idle for weeks",
            hint="call it once to wake it, wait until it is Active, then run this again; --isolation clone need not",
        )
    if source.configuration.get("LoggingConfig", {}).get("SystemLogLevel") == "WARN":
        yield AwsRefused(
            f"function `{source.name}` has system log level WARN, which hides the REPORT line",
            hint="--isolation clone measures a copy that logs at INFO; or set the function's level to INFO",
        )


def _of_publishing(source: FunctionDescription) -> Iterator[LambdatuneError]:
    if source.qualifier is not None:
        yield UsageError(
            f"--isolation version publishes from $LATEST, and `{source.name}:{source.qualifier}` is a version or alias",
            hint=f"--isolation clone copies that version; or tune `{source.name}` itself",
        )
    yield from _of_variables(source)
    if source.configuration.get("LastUpdateStatus") == "Failed":
        reason = source.configuration.get("LastUpdateStatusReason") or "AWS gives no reason"
        yield AwsRefused(
            f"the last update of function `{source.name}` failed: {reason}",
            hint="update it again; what failed would be published otherwise",
        )


def _of_cloning(source: FunctionDescription) -> Iterator[LambdatuneError]:
    yield from _of_variables(source)
    if source.unmodelled:
        names = ", ".join(sorted(source.unmodelled))
        yield AwsRefused(
            f"function `{source.name}` has settings that a clone would not get: {names}",
            hint="--isolation version publishes versions of the function itself, which have them",
        )
    is_image = source.configuration.get("PackageType") == "Image"
    if not source.code.get("ImageUri" if is_image else "Location"):
        yield AwsRefused(
            f"AWS gives no location for the code of `{source.name}`, so that it cannot be cloned",
            hint="--isolation version needs no copy of the code",
        )
    size_bytes = source.configuration.get("CodeSize", 0)
    if not is_image and size_bytes > MAX_UPLOAD_BYTES:
        yield too_large_to_upload(source.name, size_bytes)


def _of_variables(source: FunctionDescription) -> Iterator[LambdatuneError]:
    problem = source.configuration.get("Environment", {}).get("Error")
    if problem:
        reason = problem.get("Message") or "AWS gives no reason"
        yield AwsRefused(
            f"the environment variables of `{source.name}` cannot be read: {reason}",
            hint=f"ask for kms:Decrypt with its key {source.configuration.get('KMSKeyArn', '')}".rstrip(),
        )
