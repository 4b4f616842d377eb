"""Settings: one table of what a plan can be told, by a run profile or by options, and the way to a Plan.

Every option of `run` is also a key of a profile, under the same name; the table makes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from lambdatune.model.errors import LambdatuneError, UsageError, did_you_mean
from lambdatune.model.load_shape import parse_burst, parse_ramp
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import Arrivals, FunctionSource, Limits, Plan, Strategy
from lambdatune.model.quantities import parse_rate_per_s, parse_share
from lambdatune.model.target import parse_target
from lambdatune.session.isolation_settings import (
    parse_concurrency_share,
    parse_isolation,
    refuse_what_current_cannot,
)
from lambdatune.session.payloads import read_payloads
from lambdatune.session.samples import SAMPLE_PREFIX, find_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from lambdatune.model.load_shape import Ramp

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
    """

    name: str
    kind: Kind
    metavar: str
    help: str
    low: float | None = None
    high: float | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "function", "text", "NAME|ARN|PATH",
        "The function to tune. A path (directory or zip) runs on the embedded endpoint; "
        "sample:NAME is a bundled one.",
    ),
    Setting("runtime", "text", "RUNTIME", "Runtime of a function given as a path, for example python3.12."),
    Setting("handler", "text", "HANDLER", "Handler of a function given as a path, for example app.handler."),
    Setting("timeout", "integer", "SECONDS", "Timeout of a function given as a path. [default: 60]", 1, 900),
    Setting(
        "memory", "text", "SIZES",
        f"Memory sizes in MB: a list (128,512,1024) or a range (128-3008). [default: {DEFAULT_MEMORY}]",
    ),
    Setting(
        "target", "texts", "TARGET",
        "Latency target, [warm|cold|all.][duration|response|service.]pNN<=TIME, for example 'p95<=200ms'. "
        "Repeatable: all must hold.",
    ),
    Setting(
        "strategy", "text", "STRATEGY",
        "What to pick among the sizes that meet every target: cheapest, fastest or balanced. [default: cheapest]",
    ),
    Setting("confidence", "number", "SHARE", "Confidence of the answer. [default: 0.95]", 0.5, 0.999999),
    Setting("cold-rate", "text", "SHARE", "Share of cold starts that the cost per million assumes. [default: 1%]"),
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
    Setting("payload", "texts", "JSON|@FILE[:WEIGHT]", "The event to send. Repeatable with weights. [default: {}]"),
    Setting(
        "payload-tokens", "flag", "",
        "Replace {{uuid}}, {{sequence}} and {{timestamp}} in the payloads anew for every call.",
    ),
    Setting("max-invocations", "integer", "N", "End the run after N calls.", 1),
    Setting("max-usd", "number", "X", "End the run before its calls have cost X dollars.", 0.0),
    Setting("max-minutes", "number", "M", "End the run after M minutes.", 0.0),
    Setting(
        "isolation", "text", "KIND",
        "What is called: clone (a copy of the function, deleted at the end), version (versions published from the "
        "function itself, whose $LATEST changes for a moment each time), or current (the function as it is, at its "
        "one size; nothing is changed). [default: clone]",
    ),
    Setting(
        "concurrency-share", "text", "SHARE",
        "Share of the account's unreserved concurrency that the load may take. [default: 50%]",
    ),
    Setting("endpoint-url", "text", "URL", "An endpoint that speaks like AWS, for example that of `lambdatune local`."),
    Setting("region", "text", "REGION", "AWS region. [default: as the AWS CLI finds it]"),
    Setting("aws-profile", "text", "NAME", "Profile of the AWS configuration. [default: the standard chain]"),
    Setting("seed", "integer", "N", "Seed of every random choice. [default: 0]", 0),
)  # fmt: skip

_BY_NAME = {setting.name: setting for setting in SETTINGS}


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
    setting = _BY_NAME[name]
    if setting.kind in {"text", "texts"}:
        return _checked_text(setting, value, origin)
    if setting.kind == "flag":
        if isinstance(value, bool):
            return value
        raise UsageError(f"{origin}: expected true or false, not {_shown(value)}", hint=setting.help)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(f"{origin}: expected a number, not {_shown(value)}", hint=setting.help)
    if setting.kind == "integer" and not float(value).is_integer():
        raise UsageError(f"{origin}: expected a whole number, not {value}", hint=f"for example {round(value)}")
    too_low = setting.low is not None and value < setting.low
    if too_low or (setting.high is not None and value > setting.high):
        bounds = f"at least {setting.low:g}" + (f" and at most {setting.high:g}" if setting.high else "")
        end = setting.low if too_low else setting.high
        raise UsageError(f"{origin}: {value:g} is out of range: expected {bounds}", hint=f"the nearest is {end:g}")
    return int(value) if setting.kind == "integer" else float(value)


def check_name(name: str, origin: str) -> None:
    """Check that there is a setting `name`.

    Raises:
        UsageError: with the nearest one.
    """
    if name not in _BY_NAME:
        raise UsageError(f"{origin}: there is no key `{name}`", hint=did_you_mean(name, _BY_NAME))


def build_plan(given: Mapping[str, Given]) -> Plan:
    """Return the plan that the given settings describe; what is not given has its default.

    Raises:
        UsageError: naming the option or the profile's key that is wrong.
    """
    reader = _Reader(given)
    if "function" not in given:
        raise UsageError(
            "no function is given: expected --function, or the key `function` in the profile",
            hint="--function NAME for one on AWS, --function PATH for code on this machine, or `lambdatune demo`",
        )
    _refuse_two_loads(given)
    targets = reader.read("target", lambda texts: tuple(parse_target(text) for text in texts), ())
    isolation = reader.read("isolation", parse_isolation, "clone")
    if isolation == "current":
        refuse_what_current_cannot(given, targets)
    return Plan(
        function=_function(reader, given),
        memory=reader.read("memory", parse_memory, parse_memory(DEFAULT_MEMORY)),
        targets=targets,
        strategy=reader.read("strategy", parse_strategy, "cheapest"),
        confidence=reader.value("confidence", 0.95),
        concurrency=reader.value("concurrency", 1),
        rate_per_s=reader.read("rate", parse_rate_per_s, None),
        arrivals=_arrivals(given),
        ramp=_ramp(reader, given),
        burst=reader.read("burst", parse_burst, None),
        shards=reader.value("shards", 1),
        dask=reader.value("dask", None),
        cold_starts=0 if isolation == "current" else reader.value("cold-starts", 10),
        cold_rate=reader.read("cold-rate", parse_share, 0.01),
        limits=Limits(
            reader.value("max-invocations", None),
            reader.value("max-usd", None),
            reader.value("max-minutes", None),
        ),
        payloads=read_payloads(given.get("payload"), tokens=reader.value("payload-tokens", default=False)),
        isolation=isolation,
        concurrency_share=reader.read("concurrency-share", parse_concurrency_share, 0.5),
        endpoint_url=reader.value("endpoint-url", None),
        region=reader.value("region", None),
        aws_profile=reader.value("aws-profile", None),
        seed=reader.value("seed", 0),
    )


def parse_strategy(text: str) -> Strategy:
    """Read the name of a strategy.

    Raises:
        UsageError: naming the nearest one.
    """
    for strategy in get_args(Strategy):
        if text == strategy:
            return strategy  # type: ignore[no-any-return]
    raise UsageError(
        f"there is no strategy `{text}`: expected cheapest, fastest or balanced",
        hint=did_you_mean(text, get_args(Strategy)),
    )


class _Reader:
    """Reads given settings; what a parser says is wrong is said of where the value came from."""

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given

    def value(self, name: str, default: Any) -> Any:
        return self._given[name].value if name in self._given else default

    def read(self, name: str, parse: Callable[[Any], Any], default: Any) -> Any:
        if name not in self._given:
            return default
        given = self._given[name]
        try:
            return parse(given.value)
        except LambdatuneError as error:
            raise UsageError(f"{given.origin}: {error.message}", hint=error.hint) from error


def _arrivals(given: Mapping[str, Given]) -> Arrivals:
    if "arrivals" not in given:
        return "constant"
    text, origin = given["arrivals"].value, given["arrivals"].origin
    if "rate" not in given and "ramp" not in given:
        raise UsageError(f"{origin}: arrivals have no rate", hint="add --rate, for example --rate 50/s, or --ramp")
    known: tuple[Arrivals, ...] = get_args(Arrivals)
    for kind in known:
        if text == kind:
            return kind
    raise UsageError(f"{origin}: `{text}` is no kind of arrivals", hint=did_you_mean(text, known))


def _refuse_two_loads(given: Mapping[str, Given]) -> None:
    loads = [given[name].origin for name in ("rate", "ramp", "burst") if name in given]
    if len(loads) > 1:
        raise UsageError(
            f"{loads[1]}: the load is given already by {loads[0]}",
            hint="leave one out: --rate, --ramp and --burst each say when calls come",
        )


def _ramp(reader: _Reader, given: Mapping[str, Given]) -> Ramp | None:
    """Return the ramp, which must fit into the limits as a whole: a part of it would be another load."""
    ramp: Ramp | None = reader.read("ramp", parse_ramp, None)
    if ramp is None:
        return None
    origin = given["ramp"].origin
    if ramp.stages[-1][1] == 0 and _arrivals(given) == "poisson":
        raise UsageError(
            f"{origin}: the ramp ends at 0/s, where the last of Poisson arrivals may never come",
            hint="end it at a small rate such as 1/s, or leave --arrivals out",
        )
    calls, minutes = reader.value("max-invocations", None), reader.value("max-minutes", None)
    if calls is not None and calls < ramp.calls:
        raise UsageError(
            f"{origin}: one ramp makes {ramp.calls} calls, and {given['max-invocations'].origin} allows {calls}",
            hint="each size gets the whole ramp: make it shorter, or raise the limit",
        )
    if minutes is not None and minutes * 60 < ramp.duration_s:
        raise UsageError(
            f"{origin}: one ramp takes {ramp.duration_s:g} s, and {given['max-minutes'].origin} allows {minutes:g} min",
            hint="each size gets the whole ramp: make it shorter, or raise the limit",
        )
    return ramp


def _function(reader: _Reader, given: Mapping[str, Given]) -> FunctionSource:
    function = given["function"]
    text: str = function.value
    if text.startswith(SAMPLE_PREFIX):
        return reader.read("function", find_sample, None)  # type: ignore[no-any-return]
    path = (function.directory / text).resolve()
    names_a_path = "/" in text or text.endswith(".zip") or text in {".", ".."}
    if not path.exists() or not (names_a_path or path.is_dir() or path.suffix == ".zip"):
        if names_a_path:
            raise UsageError(f"{function.origin}: path `{text}` does not exist", hint=f"it was looked for at {path}")
        _refuse_path_settings(given, text)
        return FunctionSource(text)
    missing = [name for name in ("runtime", "handler") if name not in given]
    if missing:
        needs = " and ".join(f"--{name}" for name in missing)
        raise UsageError(
            f"{function.origin}: `{text}` is code on this machine, which also needs {needs}",
            hint="for example --runtime python3.12 --handler app.handler",
        )
    if "isolation" in given and given["isolation"].value != "clone":
        raise UsageError(
            f"{given['isolation'].origin}: a function given as a path runs on an embedded endpoint of its own, where "
            "nothing needs to be spared",
            hint="leave the isolation out",
        )
    if "endpoint-url" in given:
        raise UsageError(
            f"{given['endpoint-url'].origin}: a function given as a path runs on an embedded endpoint of its own",
            hint="leave the endpoint out, or create the function there and give its name",
        )
    return FunctionSource(
        str(path), is_path=True, runtime=given["runtime"].value, handler=given["handler"].value,
        timeout_s=reader.value("timeout", 60),
    )  # fmt: skip


def _refuse_path_settings(given: Mapping[str, Given], function: str) -> None:
    for name in ("runtime", "handler", "timeout"):
        if name in given:
            raise UsageError(
                f"{given[name].origin}: only a function given as a path takes it, and `{function}` is not a path",
                hint="the clone runs with what the function has on AWS",
            )


def _checked_text(setting: Setting, value: object, origin: str) -> str | list[str]:
    if setting.name in {"memory", "ramp"} and isinstance(value, list):
        value = ",".join(map(str, value))
    if (
        setting.name in {"memory", "cold-rate", "rate", "burst", "concurrency-share"}
        and isinstance(value, (int, float))
        and not isinstance(value, bool)
    ):
        value = str(value)
    if setting.kind == "text":
        if isinstance(value, str):
            return value
        raise UsageError(f"{origin}: expected a text, not {_shown(value)}", hint=setting.help)
    values = [value] if isinstance(value, str) else value
    if isinstance(values, (list, tuple)) and all(isinstance(item, str) for item in values):
        return [str(item) for item in values]
    raise UsageError(f"{origin}: expected a text or a list of texts, not {_shown(value)}", hint=setting.help)


def _shown(value: object) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), type(value).__name__)
