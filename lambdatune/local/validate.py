"""From the members of a request to a Configuration, with AWS's sentences for what cannot be."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, invalid, validation
from lambdatune.local.image import ImageConfig
from lambdatune.local.records import Configuration, Logging
from lambdatune.local.reply import structure
from lambdatune.local.runtimes import PROVIDED_RUNTIMES, SNAP_START_RUNTIMES
from lambdatune.local.snapshot import IS_POSSIBLE
from lambdatune.local.variables import check_variables
from lambdatune.model.quantities import MAX_MEMORY_MB, MIN_MEMORY_MB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambdatune.local.runtimes import Runtimes

_ROLE = re.compile(r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
_KMS_KEY = re.compile(r"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()")
_DEAD_LETTER = re.compile(r"arn:aws[a-zA-Z-]*:(sqs|sns):[a-z0-9-]+:\d{12}:[a-zA-Z0-9-_.]+")
_APPLICATION_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_SYSTEM_LEVELS = ("DEBUG", "INFO", "WARN")
_MAX_TIMEOUT_S = 900
_MAX_EPHEMERAL_MB = 10_240
_MAX_ARGUMENTS = 1_500
"""Of EntryPoint and of Command (AWS API reference, ImageConfig)."""
_SNAP_START_EPHEMERAL_MB = 512
_UNSERVED = ("Layers", "FileSystemConfigs", "VpcConfig")
"""Members that would change what a call does and that this endpoint cannot honour; empty values are accepted."""


def new_configuration(body: Mapping[str, Any], name: str, runtimes: Runtimes) -> Configuration:
    """Read the members of CreateFunction.

    Raises:
        ApiError: for the first member that cannot be.
    """
    is_image = _choice("packageType", body.get("PackageType", "Zip"), ("Zip", "Image")) == "Image"
    if not body.get("Role"):
        raise validation("role", "null", "Member must not be null")
    runtime = "" if is_image else runtimes.check(body.get("Runtime"))
    if not is_image and not body.get("Handler") and runtime not in PROVIDED_RUNTIMES:
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    start = Configuration(
        runtime=runtime,
        handler="",
        role="",
        description="",
        timeout_s=3,
        memory_mb=MIN_MEMORY_MB,
        environment={},
        ephemeral_mb=512,
        tracing="PassThrough",
        logging=Logging("Text", "INFO", "INFO", f"/aws/lambda/{name}"),
        image=ImageConfig() if is_image else None,
    )
    return changed_configuration(start, body, runtimes)


def changed_configuration(config: Configuration, body: Mapping[str, Any], runtimes: Runtimes) -> Configuration:
    """Apply the members of CreateFunction or UpdateFunctionConfiguration to `config`.

    Raises:
        ApiError: for the first member that cannot be.
    """
    _refuse_unserved(body)
    _refuse_of_other_package(config, body)
    changes: dict[str, Any] = {}
    if body.get("Runtime") is not None:
        changes["runtime"] = runtimes.check(body["Runtime"])
    if body.get("Handler") is not None:
        changes["handler"] = _text("handler", body["Handler"], 128)
    if body.get("Role") is not None:
        changes["role"] = _role(body["Role"])
    if body.get("Description") is not None:
        changes["description"] = _text("description", body["Description"], 256)
    if body.get("Timeout") is not None:
        changes["timeout_s"] = bounded_number("timeout", body["Timeout"], 1, _MAX_TIMEOUT_S)
    if body.get("MemorySize") is not None:
        changes["memory_mb"] = bounded_number("memorySize", body["MemorySize"], MIN_MEMORY_MB, MAX_MEMORY_MB)
    if body.get("Environment") is not None:
        changes["environment"] = check_variables(body["Environment"])
    if body.get("EphemeralStorage") is not None:
        size = body["EphemeralStorage"].get("Size")
        changes["ephemeral_mb"] = bounded_number("ephemeralStorage.size", size, 512, _MAX_EPHEMERAL_MB)
    if body.get("TracingConfig") is not None:
        mode = body["TracingConfig"].get("Mode", "PassThrough")
        changes["tracing"] = _choice("tracingConfig.mode", mode, ("Active", "PassThrough"))
    if body.get("LoggingConfig") is not None:
        changes["logging"] = _logging(config.logging, body["LoggingConfig"])
    if body.get("KMSKeyArn") is not None:
        changes["kms_key_arn"] = _kms_key(body["KMSKeyArn"])
    if body.get("DeadLetterConfig") is not None:
        changes["dead_letter_arn"] = _dead_letter_arn(structure(body["DeadLetterConfig"]).get("TargetArn") or "")
    if body.get("ImageConfig") is not None and config.image is not None:
        changes["image"] = _image(structure(body["ImageConfig"]))
    if body.get("SnapStart") is not None:
        apply_on = body["SnapStart"].get("ApplyOn", "None")
        changes["snap_start"] = _choice("snapStart.applyOn", apply_on, ("PublishedVersions", "None"))
    changed = replace(config, **changes)
    _check_snap_start(changed)
    return changed


def _check_snap_start(config: Configuration) -> None:
    """Refuse what AWS has no SnapStart for (AWS docs, "SnapStart": Python 3.12 and later, 512 MB of /tmp)."""
    if config.snap_start == "None":
        return
    if config.image is not None:
        raise invalid("Container images are not supported for SnapStart enabled functions.")
    if config.runtime.startswith("java"):  # which AWS has it for
        raise invalid("The embedded lambdatune endpoint implements SnapStart for Python 3.12 and later only.")
    if config.runtime not in SNAP_START_RUNTIMES:
        raise invalid(f"{config.runtime} is not supported for SnapStart enabled functions.")
    if config.ephemeral_mb > _SNAP_START_EPHEMERAL_MB:
        raise invalid(f"Ephemeral storage above {_SNAP_START_EPHEMERAL_MB} MB is not supported with SnapStart.")
    if not IS_POSSIBLE:
        raise invalid("The embedded lambdatune endpoint implements SnapStart on Linux only.")


def check_architecture(body: Mapping[str, Any], default: str = "x86_64") -> str:
    """Return the architecture of CreateFunction or UpdateFunctionCode.

    Raises:
        ApiError: ValidationException when it is not one of x86_64 and arm64.
    """
    values = body.get("Architectures")
    if not values:
        return default
    if len(values) != 1:
        raise validation("architectures", values, "Member must have length less than or equal to 1")
    return _choice("architectures", values[0], ("x86_64", "arm64"))


def check_tags(value: object) -> dict[str, str]:
    """Return the tags of a request.

    Raises:
        ApiError: InvalidParameterValueException when they are not at most 50 texts.
    """
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise invalid("Tags must be a map of strings to strings.")
    if len(value) > 50:
        raise invalid("The number of tags exceeds the limit of 50.")
    return dict(value)


def _refuse_unserved(body: Mapping[str, Any]) -> None:
    for member in _UNSERVED:
        value = body.get(member)
        if value and (not isinstance(value, dict) or any(value.values())):
            raise invalid(f"The embedded lambdatune endpoint does not implement {member}.")


def _refuse_of_other_package(config: Configuration, body: Mapping[str, Any]) -> None:
    """Refuse the members that only functions of the other PackageType have; empty values are accepted."""
    is_image = config.image is not None
    for member in ("Runtime", "Handler") if is_image else ("ImageConfig",):
        if body.get(member):
            raise invalid(f"{member} is not for a function of PackageType {'Image' if is_image else 'Zip'}.")


def _image(value: dict[str, Any]) -> ImageConfig:
    directory = _text("imageConfig.workingDirectory", value.get("WorkingDirectory") or "", 1_000)
    return ImageConfig(
        _arguments("imageConfig.entryPoint", value.get("EntryPoint")),
        _arguments("imageConfig.command", value.get("Command")),
        directory,
    )


def _arguments(path: str, value: object) -> tuple[str, ...]:
    given = [] if value is None else value
    if not isinstance(given, list) or not all(isinstance(text, str) and "\0" not in text for text in given):
        raise validation(path, value, "Member must be a list of strings")
    if len(given) > _MAX_ARGUMENTS:
        raise validation(path, value, f"Member must have length less than or equal to {_MAX_ARGUMENTS}")
    if given and not given[0]:
        raise validation(path, value, "Member must not begin with an empty string")
    return tuple(given)


def _logging(current: Logging, value: Mapping[str, Any]) -> Logging:
    log_format = _choice("loggingConfig.logFormat", value.get("LogFormat", current.log_format), ("Text", "JSON"))
    levels = [value.get("ApplicationLogLevel"), value.get("SystemLogLevel")]
    if log_format == "Text" and any(levels):
        raise invalid(
            "Cannot configure log level for text format functions. Use the JSON log format to set log levels."
        )
    application, system = levels[0] or current.application_level, levels[1] or current.system_level
    return Logging(
        log_format,
        _choice("loggingConfig.applicationLogLevel", application, _APPLICATION_LEVELS),
        _choice("loggingConfig.systemLogLevel", system, _SYSTEM_LEVELS),
        _text("loggingConfig.logGroup", value.get("LogGroup", current.group), 512),
    )


def _role(value: object) -> str:
    if not isinstance(value, str) or _ROLE.fullmatch(value) is None:
        pattern = _ROLE.pattern
        raise validation("role", value, f"Member must satisfy regular expression pattern: {pattern}")
    return value


def _kms_key(value: object) -> str:
    """Return the key's ARN, or an empty text, which takes the key away."""
    if not isinstance(value, str) or _KMS_KEY.fullmatch(value) is None:
        raise validation("kMSKeyArn", value, f"Member must satisfy regular expression pattern: {_KMS_KEY.pattern}")
    return value


def _dead_letter_arn(value: object) -> str:
    """Return the ARN of a standard queue or topic, or an empty text, which takes the dead letter queue away."""
    if not isinstance(value, str) or (value and _DEAD_LETTER.fullmatch(value) is None):
        pattern = _DEAD_LETTER.pattern
        raise validation(
            "deadLetterConfig.targetArn", value, f"Member must satisfy regular expression pattern: {pattern}"
        )
    if value.endswith(".fifo"):
        raise invalid(f"The provided target {value} is a FIFO queue or topic, which is not supported.")
    return value


def _text(path: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise validation(path, value, f"Member must have length less than or equal to {longest}")
    return value


def bounded_number(path: str, value: object, low: int, high: int) -> int:
    """Return a whole number between two bounds.

    Raises:
        ApiError: SerializationException or ValidationException, as AWS words them.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise ApiError("SerializationException", f"{path}: NUMBER_VALUE expected")
    if value < low:
        raise validation(path, value, f"Member must have value greater than or equal to {low}")
    if value > high:
        raise validation(path, value, f"Member must have value less than or equal to {high}")
    return value


def _choice(path: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise validation(path, value, f"Member must satisfy enum value set: [{', '.join(choices)}]")
    return str(value)
