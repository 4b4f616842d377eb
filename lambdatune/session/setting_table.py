"""The table of settings: what a plan can be told, by a run profile or by options, and the check of each value.

Every option of `run` is also a key of a profile, under the same name; the table makes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lambdatune.model.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["text", "texts", "integer", "number", "flag"]

DEFAULT_MEMORY = "128-3008"


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing a plan can be told.

    Attributes:
        name: key in a profile; with two dashes before it, the option.
        kind: what its value is; ``texts`` may be given more than once.
        metavar: how the help names the value.
        help: what it means, for the help.
        low: the least value, for numbers.
        high: the largest value, for numbers.
        compares: whether several values, each of which is measured, may be given to `run`.
    """

    name: str
    kind: Kind
    metavar: str
    help: str
    low: float | None = None
    high: float | None = None
    compares: bool = False


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "function", "text", "NAME|ARN|PATH",
        "The function to tune. A path (directory or zip) runs on the embedded endpoint; "
        "sample:NAME is a bundled one. Given to `run` more than once, the functions are compared.", compares=True,
    ),
    Setting("runtime", "text", "RUNTIME", "Runtime of a function given as a path, for example python3.12."),
    Setting("handler", "text", "HANDLER", "Handler of a function given as a path, for example app.handler."),
    Setting(
        "entry-point", "text", "COMMAND",
        "Instead of runtime and handler: the path is a directory that stands in for a container image, and COMMAND, "
        "for example 'python app.py', speaks the Lambda Runtime API in it.",
    ),
    Setting("timeout", "integer", "SECONDS", "Timeout of a function given as a path. [default: 60]", 1, 900),
    Setting(
        "memory", "text", "SIZES",
        f"Memory sizes in MB: a list (128,512,1024) or a range (128-3008). [default: {DEFAULT_MEMORY}]",
    ),
    Setting(
        "mode", "text", "MODE",
        "How the function is invoked. Synchronous: invoke, stream, function-url, http, step-functions; asynchronous: "
        "event, sns, s3, eventbridge; polling: sqs, kinesis, dynamodb-streams. Given to `run` more than once, "
        "they are compared. [default: invoke]", compares=True,
    ),
    Setting(
        "target", "texts", "TARGET",
        "Latency target, [warm|cold|all.][duration|response|service|e2e.]pNN<=TIME, for example 'p95<=200ms'. "
        "Repeatable: all must hold.",
    ),
    Setting(
        "strategy", "text", "STRATEGY",
        "What to pick among the sizes that meet every target: cheapest, fastest or balanced. [default: cheapest]",
    ),
    Setting("confidence", "number", "SHARE", "Confidence of the answer. [default: 0.95]", 0.5, 0.999999),
    Setting("cold-rate", "text", "SHARE", "Share of cold starts that the cost per million assumes. [default: 1%]"),
    Setting(
        "traffic", "text", "N/s",
        "The function's real traffic, for what its cold starts cost a month, and whether provisioned concurrency, "
        "SnapStart, another size or an always-on machine would pay. Its share of cold starts is --cold-rate where "
        "that is given, and modelled otherwise.",
    ),
    Setting("concurrency", "integer", "N", "Calls in flight. [default: 1]", 1, 10_000),
    Setting(
        "rate", "text", "N/s",
        "Warm calls at this rate, whether answers come or not (open loop); response times count from when a call "
        "was due.",
    ),
    Setting(
        "arrivals", "text", "KIND", "With --rate or --ramp: constant intervals or poisson. [default: constant]"
    ),
    Setting(
        "ramp", "text", "TIME:N/s,...",
        "Warm calls at a rate that changes linearly, stage by stage, from zero: 30s:10/s,60s:50/s rises to 10/s in "
        "30 s and to 50/s in the next 60 s. Each size gets the whole ramp, once or more often.",
    ),
    Setting(
        "burst", "text", "N[/TIME]",
        "Warm calls N at once every TIME, whether answers come or not: 20/5s. [default TIME: 1s]",
    ),
    Setting(
        "shards", "integer", "N",
        "Load processes (with --dask on each worker), which share the load exactly. [default: 1]", 1, 256,
    ),
    Setting(
        "dask", "text", "ADDRESS",
        "Send the load from the workers of a Dask cluster, for example tcp://127.0.0.1:8786. "
        "Needs lambdatune[dask] here and on the workers.",
    ),
    Setting("cold-starts", "integer", "N", "Cold starts forced per size. [default: 10]", 0, 10_000),
    Setting(
        "payload", "texts", "JSON|@FILE|s3://BUCKET/KEY[:WEIGHT]",
        "The event to send. Repeatable with weights. [default: {}]",
    ),
    Setting(
        "payload-tokens", "flag", "",
        "Replace {{uuid}}, {{sequence}} and {{timestamp}} in the payloads anew for every call.",
    ),
    Setting("record-payloads", "flag", "", "Keep the payloads in the run's directory; they are not by default."),
    Setting("max-invocations", "integer", "N", "End the run after N calls.", 1),
    Setting("max-usd", "number", "X", "End the run before its calls have cost X dollars (in China: CNY).", 0.0),
    Setting("max-minutes", "number", "M", "End the run after M minutes.", 0.0),
    Setting(
        "isolation", "text", "KIND",
        "What is called: clone (a copy of the function, deleted at the end), version (versions published from the "
        "function itself, whose $LATEST changes for a moment each time), or current (the function as it is, at its "
        "one size; nothing is changed). [default: clone]",
    ),
    Setting(
        "architecture", "text", "NAME",
        "Instruction set of the clone: x86_64 or arm64. Code and layers with native parts must be built for it. "
        "[default: the function's own]",
    ),
    Setting(
        "snap-start", "text", "on|off",
        "Whether the clone has SnapStart: its cold starts restore a snapshot instead of initialising. [default: as the "
        "function]",
    ),
    Setting(
        "provisioned-concurrency", "integer", "N",
        "Environments of each version of the clone that are initialised before calls come; they are billed by time. "
        "[default: none]", 1, 1_000,
    ),
    Setting("batch-size", "integer", "N", "Most messages of a batch. [default: 10 of sqs, 100 of a stream]", 1, 10_000),
    Setting("batch-window", "integer", "SECONDS", "How long a batch may be gathered. [default: 0]", 0, 300),
    Setting("maximum-concurrency", "integer", "N", "Most batches of a queue at once. [default: AWS's 1,000]", 2, 1_000),
    Setting("fifo", "flag", "", "A FIFO queue instead of a standard one, with mode sqs."),
    Setting("stream-shards", "integer", "N", "Shards of the stream, with mode kinesis. [default: 1]", 1, 100),
    Setting("parallelization-factor", "integer", "N", "Batches of a shard at once. [default: 1]", 1, 10),
    Setting(
        "http-kind", "text", "KIND",
        "With mode http: http (an HTTP API), rest (a REST API) or alb (an Application Load Balancer). [default: http]",
    ),
    Setting(
        "auth", "text", "KIND",
        "Who may call the function URL or API of the clone: iam (signed requests) or none (anyone). [default: iam]",
    ),
    Setting("alb-subnets", "texts", "SUBNET", "Subnets of the load balancer, two at least on AWS. Repeatable."),
    Setting("alb-security-groups", "texts", "GROUP", "Security groups of the load balancer. Repeatable."),
    Setting(
        "workflow-role", "text", "ARN",
        "Role with which the workflow of mode step-functions invokes the clone. [default: one is created]",
    ),
    Setting(
        "concurrency-share", "text", "SHARE",
        "Share of the account's unreserved concurrency that the load may take. [default: 50%]",
    ),
    Setting("endpoint-url", "text", "URL", "An endpoint that speaks like AWS, for example that of `lambdatune local`."),
    Setting(
        "prices", "text", "SOURCE",
        "Prices to reckon with: live (AWS's price list, needs pricing:GetProducts; else the table) or bundled (the "
        "table of this version). [default: live on AWS, bundled elsewhere]",
    ),
    Setting("region", "text", "REGION", "AWS region. [default: as the AWS CLI finds it]"),
    Setting("aws-profile", "text", "NAME", "Profile of the AWS configuration. [default: the standard chain]"),
    Setting("seed", "integer", "N", "Seed of every random choice. [default: 0]", 0),
)  # fmt: skip

REPORT_SETTINGS: tuple[Setting, ...] = (
    Setting("json", "text", "FILE", "Write run.json there as well; - is stdout, in place of the text."),
    Setting("markdown", "text", "FILE", "Write a report in Markdown there as well; - is stdout."),
    Setting("junit", "text", "FILE", "Write targets as JUnit test cases there as well; - is stdout."),
    Setting("html", "text", "FILE", "Write a page with charts there as well; - is stdout."),
)
"""Which reports a run writes besides its directory: keys of a profile and options too, but no part of a plan."""

GATE_SETTINGS: tuple[Setting, ...] = (
    Setting(
        "baseline", "text", "RUN",
        "Hold the run against an earlier one and end with exit code 4 when it is slower, dearer or more faulty: its "
        "directory (or run.json in it), its id or the start of one, or latest. What is red is measured again first.",
    ),
    Setting(
        "gate-calls", "integer", "N",
        "Warm calls at the least of the size that is advised, in a run that is held against a baseline or is to be "
        "one. [default: 200 with --baseline]", 1, 600,
    ),
    Setting(
        "gate-margin", "text", "SHARE",
        "With --baseline: how much slower or dearer is no regression in practice. [default: 5%]",
    ),
    Setting(
        "inconclusive", "text", "pass|fail",
        "With --baseline: whether a gate that had too few calls to tell passes, and says so, or fails with exit code "
        "5. [default: pass]",
    ),
)  # fmt: skip
"""What a run is held against: keys of a profile and options too, but no part of a plan."""

_TOO_LARGE = 2**63
"""No setting means anything from here on; infinities and NaN, which TOML has, are not below it either."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}
KEYS = _BY_NAME | {setting.name: setting for setting in (*REPORT_SETTINGS, *GATE_SETTINGS)}
"""Every key of a run profile, each also an option of `run`."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it came from.

    Attributes:
        value: checked to be of the setting's kind.
        origin: how an error names it: ``--memory``, or ``profile `ci.toml`, key `memory```.
        directory: what relative paths in the value are relative to.
    """

    value: Any
    origin: str
    directory: Path


def check_kind(name: str, value: object, origin: str) -> Any:
    """Return `value` if it is of the kind of setting `name`; a single text counts as a list of one.

    Raises:
        UsageError: naming the setting, what was expected and what was given.
    """
    try:
        return _checked(KEYS[name], value, origin)
    except UsageError as error:
        error.setting = name
        raise


def _checked(setting: Setting, value: object, origin: str) -> Any:
    if setting.kind in {"text", "texts"}:
        return _checked_text(setting, value, origin)
    if setting.kind == "flag":
        if isinstance(value, bool):
            return value
        raise UsageError(f"{origin}: expected true or false, not {_shown(value)}", hint=setting.help)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{origin}: expected a number, not {_shown(value)}", hint=setting.help)
    if not abs(value) < _TOO_LARGE:
        raise UsageError(f"{origin}: expected a number, not {_shortened(str(value))}", hint=setting.help)
    if setting.kind == "integer" and not float(value).is_integer():
        raise UsageError(f"{origin}: expected a whole number, not {value}", hint=f"for example {round(value)}")
    too_low = setting.low is not None and value < setting.low
    if too_low or (setting.high is not None and value > setting.high):
        bounds = f"at least {setting.low:g}" + (f" and at most {setting.high:g}" if setting.high else "")
        end = setting.low if too_low else setting.high
        raise UsageError(f"{origin}: {value:g} is out of range: expected {bounds}", hint=f"the nearest is {end:g}")
    return int(value) if setting.kind == "integer" else float(value)


def _shortened(number: str) -> str:
    return number if len(number) <= 24 else f"{number[:20]}..."


def check_name(name: str, origin: str) -> None:
    """Check that a plan has a setting `name`.

    Raises:
        UsageError: with the nearest one.
    """
    _check_known(name, origin, _BY_NAME)


def check_key(name: str, origin: str) -> None:
    """Check that a profile may have a key `name`: a setting of the plan, a report, or what the run is held against.

    Raises:
        UsageError: with the nearest one.
    """
    _check_known(name, origin, KEYS)


def _check_known(name: str, origin: str, known: dict[str, Setting]) -> None:
    if name not in known:
        raise UsageError(f"{origin}: there is no key `{name}`", hint=did_you_mean(name, known))


def _checked_text(setting: Setting, value: object, origin: str) -> str | list[str]:
    if setting.name in {"memory", "ramp"} and isinstance(value, list):
        value = ",".join(map(str, value))
    if (
        setting.name in {"memory", "cold-rate", "traffic", "rate", "burst", "concurrency-share", "gate-margin"}
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    ):
        value = str(value)
    if setting.kind == "text":
        if isinstance(value, str):
            return value
        if setting.compares and isinstance(value, list) and value and all(isinstance(each, str) for each in value):
            return value if len(value) > 1 else str(value[0])
        raise UsageError(f"{origin}: expected a text, not {_shown(value)}", hint=setting.help)
    values = [value] if isinstance(value, str) else value
    if isinstance(values, (list, tuple)) and all(isinstance(item, str) for item in values):
        return [str(item) for item in values]
    raise UsageError(f"{origin}: expected a text or a list of texts, not {_shown(value)}", hint=setting.help)


def _shown(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
