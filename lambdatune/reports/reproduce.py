"""The command that makes a run again, from the plan in its result."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from lambdatune.model.quantities import format_number

if TYPE_CHECKING:
    from lambdatune.model.result import RunResult

_DEFAULT_COLD_RATE = 0.01
_PLAIN = (
    ("memory", "memory", "128-3008"),
    ("mode", "mode", "invoke"),
    ("strategy", "strategy", "cheapest"),
    ("confidence", "confidence", 0.95),
    ("cold-rate", "cold_rate", _DEFAULT_COLD_RATE),
    ("concurrency", "concurrency", 1),
    ("arrivals", "arrivals", "constant"),
    ("ramp", "ramp", None),
    ("burst", "burst", None),
    ("shards", "shards", 1),
    ("dask", "dask", None),
    ("concurrency-share", "concurrency_share", 0.5),
    ("prices", "prices", None),
    ("endpoint-url", "endpoint_url", None),
    ("aws-profile", "aws_profile", None),
    ("isolation", "isolation", "clone"),
    ("architecture", "architecture", None),
    ("snap-start", "snap_start", None),
    ("provisioned-concurrency", "provisioned_concurrency", 0),
    ("seed", "seed", 0),
)
_OF_MODE = (
    ("batch-size", "batch_size", None),
    ("batch-window", "batch_window_s", 0),
    ("maximum-concurrency", "maximum_concurrency", None),
    ("stream-shards", "stream_shards", 1),
    ("parallelization-factor", "parallelization_factor", 1),
    ("http-kind", "http_kind", "http"),
    ("auth", "auth", "iam"),
    ("workflow-role", "role_arn", None),
)
_LIMITS = ("max_invocations", "max_usd", "max_minutes")
"""Of each option: its name, its key in the plan of run.json, and the default, with which it is left out."""

_Option = tuple[str, str | None]


def arguments(result: RunResult) -> list[str]:
    """Return the arguments of ``lambdatune`` that make the run again, ``run`` the first of them."""
    return ["run", *(part for option in _options(result) for part in _parts(option))]


def command(result: RunResult) -> str:
    """Return the command for a shell, an option a line."""
    lines = ["lambdatune run", *(f"  {shlex.join(_parts(option))}" for option in _options(result))]
    return " \\\n".join(lines)


def cautions(result: RunResult) -> list[str]:
    """Return what has to be had before the command can be used."""
    missing = [number for number, payload in enumerate(_payloads(result), 1) if _is_missing(payload)]
    if not missing:
        return []
    files = ", ".join(f"{_file_of(number)} ({_payloads(result)[number - 1]['bytes']} bytes)" for number in missing)
    return [f"payloads were not recorded (--record-payloads does that): put them into {files}"]


def _parts(option: _Option) -> list[str]:
    name, value = option
    if value is None:
        return [f"--{name}"]
    # A value that begins with a dash would be read as an option of its own.
    return [f"--{name}={value}"] if value.startswith("-") else [f"--{name}", value]


def _options(result: RunResult) -> list[_Option]:
    plan = result.plan
    found: list[_Option] = _function(plan["function"])
    found += [("target", target) for target in plan.get("targets", [])]
    found += _differing(plan, _PLAIN)
    if plan.get("traffic_per_s") is not None:
        found.append(("traffic", f"{format_number(plan['traffic_per_s'])}/s"))
    if plan.get("traffic_cold_rate") == _DEFAULT_COLD_RATE:
        found.append(("cold-rate", format_number(_DEFAULT_COLD_RATE)))
    if plan.get("rate_per_s") is not None:
        found.append(("rate", f"{format_number(plan['rate_per_s'])}/s"))
    if plan.get("isolation") != "current" and not plan.get("provisioned_concurrency"):
        found += _differing(plan, (("cold-starts", "cold_starts", 10),))
    found += _mode_options(plan.get("mode_options", {}))
    found += _differing(plan.get("limits", {}), [(name.replace("_", "-"), name, None) for name in _LIMITS])
    region = plan.get("region") or (None if result.environment.get("embedded") else result.environment.get("region"))
    found += [("region", str(region))] if region else []
    return found + _payload_options(result)


def _function(function: dict[str, Any]) -> list[_Option]:
    found: list[_Option] = [("function", str(function["name"]))]
    if function.get("is_path"):
        found += _differing(function, (("runtime", "runtime", None), ("handler", "handler", None)))
        found += _differing(function, (("entry-point", "entry_point", None), ("timeout", "timeout_s", 60)))
    return found


def _differing(record: dict[str, Any], options: Any) -> list[_Option]:
    """Return the options whose value is not the default."""
    return [
        (option, _text(record[key]))
        for option, key, default in options
        if record.get(key, default) not in (None, default)
    ]


def _text(value: object) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _mode_options(record: dict[str, Any]) -> list[_Option]:
    found = _differing(record, _OF_MODE)
    found += [("fifo", None)] if record.get("fifo") else []
    found += [("alb-subnets", str(name)) for name in record.get("alb_subnets", ())]
    return found + [("alb-security-groups", str(name)) for name in record.get("alb_security_groups", ())]


def _payloads(result: RunResult) -> list[dict[str, Any]]:
    payloads: list[dict[str, Any]] = result.plan.get("payloads", [])
    return payloads


def _is_missing(payload: dict[str, Any]) -> bool:
    return "body" not in payload and not payload.get("default")


def _file_of(number: int) -> str:
    return f"payload-{number}.json"


def _payload_options(result: RunResult) -> list[_Option]:
    payloads = _payloads(result)
    found: list[_Option] = []
    if len(payloads) > 1 or any(not payload.get("default") for payload in payloads):
        for number, payload in enumerate(payloads, 1):
            text = f"@{_file_of(number)}" if _is_missing(payload) else payload.get("body", "{}")
            weight = payload.get("weight", 1.0)
            found.append(("payload", text if weight == 1 else f"{text}:{format_number(weight)}"))
    if any(payload.get("tokens") for payload in payloads):
        found.append(("payload-tokens", None))
    if result.plan.get("record_payloads"):
        found.append(("record-payloads", None))
    return found
