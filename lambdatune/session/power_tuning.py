"""What aws-lambda-power-tuning reads and writes, as settings of a plan: input files, outputs, visualization URLs.

Keys and what they mean are those of its README-EXECUTE.md ("State machine input") and ``lambda/executor.js``. What
would make the numbers others is refused; what lambdatune does in another way is told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdatune.model.errors import UsageError
from lambdatune.model.power_tuning import PowerTuning, is_url, read_visualization_url
from lambdatune.model.quantities import format_number
from lambdatune.session.setting_table import Given, check_kind

_DEFAULT_SIZES = (128, 256, 512, 1024, 1536, 3008)
"""That tool's own when `powerValues` is not given."""
_ALL = "128-3008"
_STRATEGIES = {"cost": "cheapest", "speed": "fastest", "balanced": "balanced"}
_REFUSED = {
    "preProcessorARN": ("a function before each call is not called here", "put what it does into the payload"),
    "postProcessorARN": ("a function after each call is not called here", "clean up after the run"),
    "dryRun": ("a run without figures is no run here", "`lambdatune doctor --function NAME` checks permissions"),
}
_TOLD = {
    "autoOptimize": "the advice is applied when --apply is given, and not otherwise",
    "autoOptimizeAlias": "no alias is changed",
    "discardTopBottom": "nothing is cut off: cold starts are counted apart",
    "sleepBetweenRunsMs": "calls are not delayed: --rate sets how many come a second",
    "allowedExceptions": "calls that fail are counted as errors, whatever the exception",
}
_SILENT = ("includeOutputResults", "disablePayloadLogs")
"""Asked for or not, the figures of each size are in the output, and payloads in no log."""
_KNOWN = {
    "lambdaARN", "num", "powerValues", "payload", "payloadS3", "parallelInvocation", "strategy", "balancedWeight",
    "onlyColdStarts",
}  # fmt: skip
_EVEN = 0.5
"""That tool's own `balancedWeight`, between 0, which is speed, and 1, which is cost."""
_STATE_MACHINE = "stateMachine"
_VISUALIZATION = "visualization"


@dataclass(frozen=True, slots=True)
class PowerTuningInput:
    """What an input file asks for, or a URL tells.

    Attributes:
        given: settings of a plan; of a URL the sizes alone.
        notes: what lambdatune does in another way, as sentences.
        figures: what that tool measured; empty for an input file.
    """

    given: dict[str, Given]
    notes: tuple[str, ...]
    figures: tuple[PowerTuning, ...] = ()


def read_power_tuning(text: str, origin: str) -> PowerTuningInput:
    """Return what an input file of aws-lambda-power-tuning asks for, or what an output or a visualization URL tells.

    Args:
        text: path of a file, or a URL, of which nothing is fetched.
        origin: how an error names where it comes from.

    Raises:
        UsageError: when it cannot be read, is none of these, or asks for what would make the numbers others.
    """
    if is_url(text):
        return _of_url(text, origin)
    path, named = Path(text), f"{origin}: `{text}`"
    document = _document(path, named)
    visualization = _visualization(document)
    if visualization is not None:
        return _of_url(visualization, f"{named}, key `{_STATE_MACHINE}.{_VISUALIZATION}`")
    _check_is_input(document, named)
    for key, (why, hint) in _REFUSED.items():
        if document.get(key):
            raise UsageError(f"{named}, key `{key}`: {why}", hint=hint)
    given: dict[str, Given] = {}
    for name, (key, value) in _settings(document, named).items():
        place = f"{named}, key `{key}`"
        given[name] = Given(check_kind(name, value, place), place, path.parent)
    return PowerTuningInput(given, tuple(_notes(document)))


def _of_url(url: str, origin: str) -> PowerTuningInput:
    """Return the sizes of a visualization URL, and its figures."""
    try:
        figures = read_visualization_url(url)
    except UsageError as error:
        raise UsageError(f"{origin}: {error.message}", hint=error.hint) from error
    sizes = sorted({size for tuning in figures for size in tuning.sizes_mb})
    given = {"memory": Given(",".join(map(str, sizes)), origin, Path.cwd())}
    note = "a visualization URL holds sizes and figures alone: function, payload and strategy are those of the options"
    return PowerTuningInput(given, (note,), figures)


def _document(path: Path, named: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also of a name with a NUL, and of what is not UTF-8
        raise UsageError(f"{named} is not JSON: {error}", hint="give the input of the state machine") from error


def _visualization(document: Any) -> str | None:
    """Return the URL in an output of that tool; None in what is none. `results` is around it in older outputs."""
    results = document.get("results", document) if isinstance(document, dict) else None
    machine = results.get(_STATE_MACHINE) if isinstance(results, dict) else None
    url = machine.get(_VISUALIZATION) if isinstance(machine, dict) else None
    return url if isinstance(url, str) else None


def _check_is_input(document: Any, named: str) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("lambdaARN"), str) or not document["lambdaARN"]:
        raise UsageError(
            f"{named} is no input of aws-lambda-power-tuning: expected an object with a text `lambdaARN`",
            hint='for example {"lambdaARN": "arn:aws:lambda:...", "powerValues": [128, 512], "num": 50, "payload": {}}',
        )


def _settings(document: dict[str, Any], named: str) -> dict[str, tuple[str, Any]]:
    """Return the key and the value of each setting."""
    strategy = document.get("strategy", "cost")
    if not isinstance(strategy, str) or strategy not in _STRATEGIES:
        raise UsageError(f"{named}, key `strategy`: expected cost, speed or balanced, not `{strategy}`",
                         hint="leave it out for cost")  # fmt: skip
    found: dict[str, tuple[str, Any]] = {
        "function": ("lambdaARN", document["lambdaARN"]),
        "memory": ("powerValues", _memory(document.get("powerValues"), named)),
        "strategy": ("strategy", _strategy(strategy, document)),
        "payload": _payload(document),
    }
    if document.get("parallelInvocation"):
        found["concurrency"] = ("num", _number(document, named))
    if document.get("onlyColdStarts"):
        found["cold-starts"] = ("num", _number(document, named))
    return found


def _strategy(strategy: str, document: dict[str, Any]) -> str:
    """Return the strategy here; a balance with all of its weight on one side is that side's."""
    if strategy != "balanced":
        return _STRATEGIES[strategy]
    weight = _weight(document)
    return "fastest" if weight == 0 else "cheapest" if weight == 1 else "balanced"


def _weight(document: dict[str, Any]) -> float:
    """Return the weight of cost in a balance, as that tool reads it (``getBalancedWeight`` in lambda/analyzer.js)."""
    weight = document.get("balancedWeight", _EVEN)
    is_number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    return float(min(max(weight, 0), 1)) if is_number else _EVEN


def _memory(values: Any, named: str) -> str:
    if values == "ALL":
        return _ALL
    if not values:
        return ",".join(map(str, _DEFAULT_SIZES))
    if not isinstance(values, list) or not all(isinstance(value, (int, str)) for value in values):
        raise UsageError(f'{named}, key `powerValues`: expected a list of sizes in MB or "ALL"',
                         hint="for example [128, 512, 1024]")  # fmt: skip
    return ",".join(str(value).strip() for value in values)


def _payload(document: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the payloads as options of a plan; without any that tool sends null."""
    if document.get("payloadS3"):
        return "payloadS3", [str(document["payloadS3"])]
    payload = document.get("payload")
    if isinstance(payload, list) and payload and all(_is_weighted(each) for each in payload):
        return "payload", [f"{_as_json(each['payload'])}:{format_number(each['weight'])}" for each in payload]
    return "payload", [_as_json(payload)]


def _is_weighted(entry: Any) -> bool:
    if not isinstance(entry, dict) or isinstance(entry.get("weight"), bool):
        return False
    return isinstance(entry.get("weight"), (int, float)) and entry["weight"] > 0 and "payload" in entry


def _as_json(payload: Any) -> str:
    """Return a payload as that tool sends it: a text that is JSON as it is, all else as JSON."""
    if isinstance(payload, str):
        try:
            json.loads(payload)
        except ValueError:
            return json.dumps(payload)
        return payload
    return json.dumps(payload)


def _number(document: dict[str, Any], named: str) -> int:
    try:
        return max(int(document.get("num", 0)), 1)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{named}, key `num`: expected a whole number, not `{document['num']}`",
                         hint="for example 50") from error  # fmt: skip


def _notes(document: dict[str, Any]) -> list[str]:
    """Return what is done in another way than asked for."""
    notes = ["num: the run makes as many calls as its answer takes; --max-invocations and --max-usd limit them"]
    if document.get("powerValues") == "ALL":
        notes.append(f"powerValues: the sizes are searched for in {_ALL}, in steps of 1 MB, not tried one by one")
    if document.get("onlyColdStarts"):
        notes.append("onlyColdStarts: warm calls are measured as well, apart from cold starts")
    if document.get("strategy") == "balanced" and _weight(document) not in (0, _EVEN, 1):
        notes.append("balancedWeight: balanced weighs cost and time alike; only 0 and 1 are followed")
    notes += [f"{key}: {sentence}" for key, sentence in _TOLD.items() if document.get(key)]
    unknown = sorted(document.keys() - _KNOWN - _TOLD.keys() - _REFUSED.keys() - set(_SILENT))
    return [*notes, *(f"{key}: that key is not known, and not followed" for key in unknown)]
