"""From settings that were given to a Plan: each is read by its parser, and what does not go together is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from lambdatune.model.errors import LambdatuneError, UsageError, did_you_mean
from lambdatune.model.load_shape import parse_burst, parse_ramp
from lambdatune.model.memory import parse_memory
from lambdatune.model.plan import Arrivals, FunctionSource, Limits, Payload, Plan, PriceChoice, Strategy
from lambdatune.model.quantities import parse_rate_per_s, parse_share, parse_traffic_per_s
from lambdatune.model.target import parse_target
from lambdatune.session.clone_settings import (
    parse_architecture,
    parse_snap_start,
    refuse_what_only_a_clone_can,
    refuse_what_provisioned_cannot,
)
from lambdatune.session.code_settings import check_entry_point, check_runtime
from lambdatune.session.isolation_settings import (
    parse_concurrency_share,
    parse_isolation,
    refuse_what_current_cannot,
)
from lambdatune.session.mode_settings import (
    MODE_SETTINGS,
    default_rate_per_s,
    parse_mode,
    read_mode_options,
    refuse_what_mode_cannot,
)
from lambdatune.session.payloads import read_payloads
from lambdatune.session.samples import SAMPLE_PREFIX, find_sample, sample_names
from lambdatune.session.setting_table import DEFAULT_MEMORY, Given

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lambdatune.model.load_shape import Ramp


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
            setting="function",
        )
    _refuse_several(given)
    _refuse_two_loads(given)
    memory = reader.read("memory", parse_memory, parse_memory(DEFAULT_MEMORY))
    targets = reader.read("target", lambda texts: tuple(parse_target(text) for text in texts), ())
    isolation = reader.read("isolation", parse_isolation, "clone")
    if isolation == "current":
        refuse_what_current_cannot(given, targets)
    refuse_what_only_a_clone_can(isolation, given)
    refuse_what_provisioned_cannot(given, targets)
    mode = reader.read("mode", parse_mode, "invoke")
    refuse_what_mode_cannot(mode, isolation, given)
    can_start_cold = isolation != "current" and "provisioned-concurrency" not in given
    return Plan(
        function=_function(reader, given),
        memory=memory,
        targets=targets,
        mode=mode,
        mode_options=read_mode_options(mode, given),
        strategy=reader.read("strategy", parse_strategy, "cheapest"),
        confidence=reader.value("confidence", 0.95),
        concurrency=reader.value("concurrency", 1),
        rate_per_s=reader.read("rate", parse_rate_per_s, default_rate_per_s(mode, given)),
        arrivals=_arrivals(given),
        ramp=_ramp(reader, given),
        burst=reader.read("burst", parse_burst, None),
        shards=reader.value("shards", 1),
        dask=reader.value("dask", None),
        cold_starts=reader.value("cold-starts", 10) if can_start_cold else 0,
        cold_rate=reader.read("cold-rate", parse_share, 0.01),
        traffic_per_s=reader.read("traffic", parse_traffic_per_s, None),
        traffic_cold_rate=reader.read("cold-rate", parse_share, None) if "traffic" in given else None,
        limits=Limits(
            reader.value("max-invocations", None),
            reader.value("max-usd", None),
            reader.value("max-minutes", None),
        ),
        payloads=_payloads(reader, given),
        record_payloads=reader.value("record-payloads", default=False),
        isolation=isolation,
        architecture=reader.read("architecture", parse_architecture, None),
        snap_start=reader.read("snap-start", parse_snap_start, None),
        provisioned_concurrency=reader.value("provisioned-concurrency", 0),
        concurrency_share=reader.read("concurrency-share", parse_concurrency_share, 0.5),
        endpoint_url=reader.value("endpoint-url", None),
        prices=reader.read("prices", parse_prices, None),
        region=reader.value("region", None),
        aws_profile=reader.value("aws-profile", None),
        seed=reader.value("seed", 0),
    )


def _refuse_several(given: Mapping[str, Given]) -> None:
    for name, setting in given.items():
        if name in {"function", "mode"} and isinstance(setting.value, list):
            raise UsageError(
                f"{setting.origin}: {len(setting.value)} values are given, and one is tuned here",
                hint="`lambdatune run` compares several",
                setting=name,
            )


_OF_CODE = ("runtime", "handler", "entry-point", "timeout")
"""Settings that only code on this machine takes."""


def faults_of(given: Mapping[str, Given]) -> tuple[Plan | None, dict[str, UsageError]]:
    """Return the plan of given settings, or else everything that is wrong, by the name of the setting.

    `build_plan` ends at the first one. Here it is tried again without each that was wrong.
    """
    rest = dict(given)
    faults: dict[str, UsageError] = {}
    while True:
        try:
            plan = build_plan(rest)
        except UsageError as error:
            name = error.setting or "function"
            if name in faults:
                return None, faults
            faults[name] = error
            rest.pop(name, None)
            if name in ("rate", "ramp"):
                rest.pop("arrivals", None)  # which would only lack what was taken away
            if name == "mode":
                for other in MODE_SETTINGS:
                    rest.pop(other, None)  # whether they are right depends on the mode
            if name in ("function", *_OF_CODE):
                rest = {name: value for name, value in rest.items() if name not in _OF_CODE}
                rest["function"] = Given(sample_names()[0], "function", Path())
        else:
            return (None if faults else plan), faults


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


def parse_prices(text: str) -> PriceChoice:
    """Read where prices come from.

    Raises:
        UsageError: naming the nearest choice.
    """
    for choice in get_args(PriceChoice):
        if text == choice:
            return choice  # type: ignore[no-any-return]
    raise UsageError(
        f"there are no prices `{text}`: expected live or bundled", hint=did_you_mean(text, get_args(PriceChoice))
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
            raise UsageError(f"{given.origin}: {error.message}", hint=error.hint, setting=name) from error


def _payloads(reader: _Reader, given: Mapping[str, Given]) -> tuple[Payload, ...]:
    try:
        return read_payloads(given.get("payload"), tokens=reader.value("payload-tokens", default=False))
    except UsageError as error:
        error.setting = "payload"
        raise


def _arrivals(given: Mapping[str, Given]) -> Arrivals:
    if "arrivals" not in given:
        return "constant"
    text, origin = given["arrivals"].value, given["arrivals"].origin
    if "rate" not in given and "ramp" not in given:
        raise UsageError(f"{origin}: arrivals have no rate", hint="add --rate, for example --rate 50/s, or --ramp",
                         setting="arrivals")  # fmt: skip
    known: tuple[Arrivals, ...] = get_args(Arrivals)
    for kind in known:
        if text == kind:
            return kind
    raise UsageError(f"{origin}: `{text}` is no kind of arrivals", hint=did_you_mean(text, known),
                     setting="arrivals")  # fmt: skip


def _refuse_two_loads(given: Mapping[str, Given]) -> None:
    loads = [name for name in ("rate", "ramp", "burst") if name in given]
    if len(loads) > 1:
        raise UsageError(
            f"{given[loads[1]].origin}: the load is given already by {given[loads[0]].origin}",
            hint="leave one out: --rate, --ramp and --burst each say when calls come",
            setting=loads[1],
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
            setting="ramp",
        )
    calls, minutes = reader.value("max-invocations", None), reader.value("max-minutes", None)
    if calls is not None and calls < ramp.calls:
        raise UsageError(
            f"{origin}: one ramp makes {ramp.calls} calls, and {given['max-invocations'].origin} allows {calls}",
            hint="each size gets the whole ramp: make it shorter, or raise the limit",
            setting="ramp",
        )
    if minutes is not None and minutes * 60 < ramp.duration_s:
        raise UsageError(
            f"{origin}: one ramp takes {ramp.duration_s:g} s, and {given['max-minutes'].origin} allows {minutes:g} min",
            hint="each size gets the whole ramp: make it shorter, or raise the limit",
            setting="ramp",
        )
    return ramp


def _function(reader: _Reader, given: Mapping[str, Given]) -> FunctionSource:
    function = given["function"]
    text: str = function.value
    sample: FunctionSource | None = None
    path = function.directory / text
    if text.startswith(SAMPLE_PREFIX):
        sample = reader.read("function", find_sample, None)
        path = Path(sample.name)
    elif "\0" not in text:  # which no file system takes, nor does `resolve`
        path = path.resolve()
    if sample is None and not is_code(function):
        if _names_a_path(text):
            raise UsageError(f"{function.origin}: path `{text}` does not exist", hint=f"it was looked for at {path}",
                             setting="function")  # fmt: skip
        _refuse_path_settings(given, text)
        return FunctionSource(text)
    if "entry-point" in given:
        check_entry_point(given, path)
    elif sample is None:
        check_runtime(given)
    if sample is None:
        _refuse_settings_of_aws(given)
    entry_point = reader.value("entry-point", None)
    usual = FunctionSource(text) if sample is None or entry_point is not None else sample
    return FunctionSource(
        str(path), is_path=True, runtime=reader.value("runtime", usual.runtime),
        handler=reader.value("handler", usual.handler), timeout_s=reader.value("timeout", 60), entry_point=entry_point,
    )  # fmt: skip


def _refuse_settings_of_aws(given: Mapping[str, Given]) -> None:
    """Refuse what means nothing for code on this machine, which runs on an endpoint of its own."""
    if "isolation" in given and given["isolation"].value != "clone":
        raise UsageError(
            f"{given['isolation'].origin}: a function given as a path runs on an embedded endpoint of its own, where "
            "nothing needs to be spared",
            hint="leave the isolation out",
            setting="isolation",
        )
    if "endpoint-url" in given:
        raise UsageError(
            f"{given['endpoint-url'].origin}: a function given as a path runs on an embedded endpoint of its own",
            hint="leave the endpoint out, or create the function there and give its name",
            setting="endpoint-url",
        )


def is_code(function: Given) -> bool:
    """Return whether a given function is code on this machine, a directory or zip that exists, and not a name."""
    text: str = function.value
    if text.startswith(SAMPLE_PREFIX) or "\0" in text:
        return False
    path = function.directory / text
    try:
        return path.exists() and (_names_a_path(text) or path.is_dir() or path.suffix == ".zip")
    except OSError:  # a name that no file system takes, such as one of 300 letters
        return False


def _names_a_path(text: str) -> bool:
    return "/" in text or text.endswith(".zip") or text in {".", ".."}


def _refuse_path_settings(given: Mapping[str, Given], function: str) -> None:
    for name in _OF_CODE:
        if name in given:
            raise UsageError(
                f"{given[name].origin}: only a function given as a path takes it, and `{function}` is not a path",
                hint="the clone runs with what the function has on AWS",
                setting=name,
            )
