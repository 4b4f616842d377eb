"""The environment variables of a handler: AWS's defined ones, the function's own, and nothing of the host's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambdatune.local.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lambdatune.local.names import Naming
    from lambdatune.local.program import Program
    from lambdatune.local.records import Version

_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)
"""Keys that a function cannot set (AWS docs, "Defined runtime environment variables")."""

_MAX_BYTES = 4_096


def check_variables(value: object) -> dict[str, str]:
    """Return Environment.Variables of a request.

    Raises:
        ApiError: InvalidParameterValueException for reserved keys and for more than 4 KB.
    """
    variables = value.get("Variables", {}) if isinstance(value, dict) else {}
    if not isinstance(variables, dict) or not all(isinstance(text, str) for text in variables.values()):
        raise invalid("Environment variables must be a map of strings to strings.")
    reserved = sorted(_RESERVED & variables.keys())
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            "provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    if sum(len(key.encode()) + len(text.encode()) for key, text in variables.items()) > _MAX_BYTES:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have "
            f"provided exceeded the {_MAX_BYTES // 1024}KB limit."
        )
    return dict(variables)


def variables_of(
    version: Version,
    naming: Naming,
    program: Program,
    address: str,
    stream: str,
    temporary: Path,
    initialization_type: str,
) -> Mapping[str, str]:
    """Return all variables of an execution environment.

    Args:
        version: the function's version.
        naming: region of the endpoint.
        program: what serves the runtime.
        address: ``host:port`` of the Runtime API.
        stream: name of the log stream.
        temporary: the environment's own directory for temporary files.
        initialization_type: on-demand or provisioned-concurrency.
    """
    config = version.configuration
    variables = {
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
        "TZ": ":UTC",
        "TMPDIR": str(temporary),
        # Keys of nobody: SDK clients can be made, and no call with them succeeds on AWS.
        "AWS_ACCESS_KEY_ID": "ASIAEMBEDDEDENDPOINT",
        "AWS_SECRET_ACCESS_KEY": "embedded-endpoint",
        "AWS_SESSION_TOKEN": "embedded-endpoint",
        **config.environment,
        # An image's handler, if it has one, is an argument of its entry point.
        **({} if config.image is not None else {"_HANDLER": config.handler}),
        "AWS_REGION": naming.region,
        "AWS_DEFAULT_REGION": naming.region,
        "AWS_LAMBDA_FUNCTION_NAME": version.function_name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.memory_mb),
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": config.logging.group,
        "AWS_LAMBDA_LOG_STREAM_NAME": stream,
        "AWS_LAMBDA_RUNTIME_API": address,
        "LAMBDA_TASK_ROOT": str(version.package.root),
        "LAMBDA_RUNTIME_DIR": str(version.package.root.parent),
    }
    if program.execution_env is not None:
        variables["AWS_EXECUTION_ENV"] = program.execution_env
    if config.logging.log_format == "JSON":
        variables["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
        variables["AWS_LAMBDA_LOG_LEVEL"] = config.logging.application_level
    return variables
