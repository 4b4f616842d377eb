"""The part of the Amazon States Language that is run here, with JSONPath (states-language.net/spec.html)."""

from __future__ import annotations

import asyncio
import json
import random
import re
from typing import TYPE_CHECKING, Any

from lambdatune.local import asl_choice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

_FLOW = frozenset({"Type", "Comment", "Next", "End", "InputPath", "OutputPath"})
_DATA = frozenset({"Parameters", "ResultPath"})
_FIELDS = {
    "Task": _FLOW | _DATA | {"Resource", "ResultSelector", "Retry", "Catch", "TimeoutSeconds"},
    "Pass": _FLOW | _DATA | {"Result"},
    "Choice": frozenset({"Type", "Comment", "InputPath", "OutputPath", "Choices", "Default"}),
    "Wait": _FLOW | {"Seconds", "SecondsPath"},
    "Succeed": frozenset({"Type", "Comment", "InputPath", "OutputPath"}),
    "Fail": frozenset({"Type", "Comment", "Error", "Cause"}),
}
_TOP = frozenset({"Comment", "StartAt", "States", "Version", "TimeoutSeconds", "QueryLanguage"})
_CATCH = frozenset({"ErrorEquals", "Next", "ResultPath", "Comment"})
_RETRY = frozenset(
    {
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
        "Comment",
    }
)
_PATH = re.compile(r"\$(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_]+(?::[A-Za-z0-9$_-]+)?")
INVOKE = "arn:aws:states:::lambda:invoke"
_MAX_STATES = 25_000
"""Of one execution, so that a loop ends (AWS docs, "Step Functions quotas": events of a history)."""


class DefinitionError(Exception):
    """A definition that is wrong, or has what is not run here."""


class StateError(Exception):
    """An error that Catch and Retry can name."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


def check(definition: Any) -> None:
    """Refuse what would not be run as written.

    Raises:
        DefinitionError: with a sentence.
    """
    if not isinstance(definition, dict) or not isinstance(definition.get("States"), dict):
        raise DefinitionError("expected an object with StartAt and States")
    _known(definition, _TOP, "the state machine")
    states = definition["States"]
    _check_timeout(definition, "the state machine")
    if definition.get("QueryLanguage", "JSONPath") != "JSONPath":
        raise DefinitionError("QueryLanguage: the embedded lambdatune endpoint implements JSONPath only")
    _target(definition.get("StartAt"), states, "StartAt")
    for name, state in states.items():
        _check_state(name, state, states)


def _check_state(name: str, state: Any, states: dict[str, Any]) -> None:
    kind = state.get("Type") if isinstance(state, dict) else None
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise DefinitionError(f"state {name}: Type {kind} is not implemented by the embedded lambdatune endpoint")
    _known(state, _FIELDS[kind], f"state {name}")
    _check_timeout(state, f"state {name}")
    if kind == "Choice":
        _check_choices(name, state, states)
    if kind == "Wait":
        _check_wait(name, state)
    if kind in {"Task", "Pass", "Wait"} and state.get("End") is not True:
        _target(state.get("Next"), states, f"state {name}: Next")
    for member in ("InputPath", "OutputPath", "ResultPath"):
        if state.get(member) is not None:
            _check_path(state[member], f"state {name}: {member}")
    for member in ("Parameters", "ResultSelector"):
        _check_template(state.get(member), f"state {name}: {member}")
    if not isinstance(state.get("Parameters", {}), dict):
        raise DefinitionError(f"state {name}: Parameters: expected an object")
    resource = state.get("Resource")
    if kind == "Task" and resource != INVOKE and _FUNCTION.fullmatch(str(resource)) is None:
        raise DefinitionError(f"state {name}: Resource {resource} is not a Lambda function or {INVOKE}")
    if resource == INVOKE and not {"FunctionName", "FunctionName.$"} & set(state.get("Parameters") or {}):
        raise DefinitionError(f"state {name}: Parameters needs FunctionName")
    for member, fields in (
        (
            "Retry",
            {
                "ErrorEquals",
                "IntervalSeconds",
                "MaxAttempts",
                "BackoffRate",
                "MaxDelaySeconds",
                "JitterStrategy",
                "Comment",
            },
        ),
        ("Catch", {"ErrorEquals", "Next", "ResultPath", "Comment"}),
    ):
        for rule in _rules(state.get(member, []), f"state {name}: {member}"):
            _known(rule, fields, f"state {name}: {member}")
            _check_numbers(rule, f"state {name}: {member}")
            if member == "Catch":
                _target(rule.get("Next"), states, f"state {name}: Catch: Next")
                if rule.get("ResultPath") is not None:
                    _check_path(rule["ResultPath"], f"state {name}: Catch: ResultPath")


def _check_timeout(holder: dict[str, Any], where: str) -> None:
    timeout = holder.get("TimeoutSeconds", 1)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or timeout < 1:
        raise DefinitionError(f"{where}: TimeoutSeconds: expected a whole number above 0")


def _check_choices(name: str, state: dict[str, Any], states: dict[str, Any]) -> None:
    choices = state.get("Choices")
    if not isinstance(choices, list) or not choices:
        raise DefinitionError(f"state {name}: Choices: expected a list of rules")
    for rule in choices:
        complaint = asl_choice.complaint(rule)
        if complaint is not None:
            raise DefinitionError(f"state {name}: Choices: {complaint}")
        for path in asl_choice.paths(rule):
            _check_path(path, f"state {name}: Choices: Variable")
        _target(rule.get("Next"), states, f"state {name}: Choices: Next")
    if "Default" in state:
        _target(state["Default"], states, f"state {name}: Default")


def _check_wait(name: str, state: dict[str, Any]) -> None:
    if len(state.keys() & {"Seconds", "SecondsPath"}) != 1:
        raise DefinitionError(f"state {name}: expected either Seconds or SecondsPath")
    if "SecondsPath" in state:
        _check_path(state["SecondsPath"], f"state {name}: SecondsPath")
    elif not _is_wait(state["Seconds"]):
        raise DefinitionError(f"state {name}: Seconds: expected a number of at least 0")


def _is_wait(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _rules(rules: Any, where: str) -> list[dict[str, Any]]:
    sound = isinstance(rules, list) and all(
        isinstance(rule, dict) and isinstance(rule.get("ErrorEquals"), list) for rule in rules
    )
    if not sound:
        raise DefinitionError(f"{where}: expected a list of objects with ErrorEquals")
    found: list[dict[str, Any]] = rules
    return found


def _check_numbers(rule: dict[str, Any], where: str) -> None:
    for member, least in (("IntervalSeconds", 1), ("MaxAttempts", 0), ("BackoffRate", 1), ("MaxDelaySeconds", 1)):
        value = rule.get(member, least)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < least:
            raise DefinitionError(f"{where}: {member}: expected a number of at least {least}")
    if rule.get("JitterStrategy", "NONE") not in {"FULL", "NONE"}:
        raise DefinitionError(f"{where}: JitterStrategy: expected FULL or NONE")


def _known(given: dict[str, Any], known: Collection[str], where: str) -> None:
    for member in given:
        if member not in known:
            raise DefinitionError(f"{where}: {member} is not implemented by the embedded lambdatune endpoint")


def _target(name: Any, states: dict[str, Any], where: str) -> None:
    if not isinstance(name, str) or name not in states:
        raise DefinitionError(f"{where}: there is no state {name}")


def _check_path(path: Any, where: str) -> None:
    if not isinstance(path, str) or _PATH.fullmatch(path) is None:
        raise DefinitionError(f"{where}: expected a path like $.a.b, got {path}; no other is implemented here")


def _check_template(template: Any, where: str) -> None:
    if isinstance(template, dict):
        for name, value in template.items():
            if name.endswith(".$"):
                _check_path(value, f"{where}: {name}")
            else:
                _check_template(value, where)
    elif isinstance(template, list):
        for value in template:
            _check_template(value, where)


async def run(definition: dict[str, Any], data: Any, task: Callable[[str, Any], Awaitable[Any]]) -> Any:
    """Run a checked definition; return its output.

    Args:
        definition: the state machine.
        data: the input.
        task: runs a resource with its input.

    Raises:
        StateError: when the execution fails.
    """
    name: str | None = definition["StartAt"]
    for _ in range(_MAX_STATES):
        state = definition["States"][name]
        name, data = await _step(state, data, task)
        if name is None:
            return data
    raise StateError("States.Runtime", f"the execution entered more than {_MAX_STATES} states")


async def _step(state: dict[str, Any], raw: Any, task: Callable[[str, Any], Awaitable[Any]]) -> tuple[str | None, Any]:
    kind = state["Type"]
    if kind == "Fail":
        raise StateError(str(state.get("Error", "")), str(state.get("Cause", "")))
    data = _selected(state, "InputPath", raw)
    if kind == "Succeed":
        return None, _selected(state, "OutputPath", data)
    if kind == "Choice":
        return _chosen(state, data), _selected(state, "OutputPath", data)
    if kind == "Wait":
        await _pause(state, data)
        return (None if state.get("End") else state["Next"]), _selected(state, "OutputPath", data)
    given = _filled(state["Parameters"], data) if "Parameters" in state else data
    if kind == "Pass":
        result = state.get("Result", given)
    else:
        try:
            result = await _tried(state, given, task)
        except StateError as error:
            for rule in state.get("Catch", []):
                if _names(rule, error):
                    caught = {"Error": error.error, "Cause": error.cause}
                    return rule["Next"], _placed(rule, raw, caught)
            raise
        if "ResultSelector" in state:
            result = _filled(state["ResultSelector"], result)
    output = _selected(state, "OutputPath", _placed(state, raw, result))
    return (None if state.get("End") else state["Next"]), output


def _chosen(state: dict[str, Any], data: Any) -> str:
    """Return the state that a Choice goes to."""

    def look_up(path: str) -> Any:
        try:
            return _at(path, data)
        except StateError:
            return asl_choice.ABSENT

    for rule in state["Choices"]:
        if asl_choice.holds(rule, look_up):
            return str(rule["Next"])
    if "Default" not in state:
        raise StateError("States.NoChoiceMatched", "No choice rule matched, and there is no Default")
    return str(state["Default"])


async def _pause(state: dict[str, Any], data: Any) -> None:
    seconds = state["Seconds"] if "Seconds" in state else _at(state["SecondsPath"], data)
    if not _is_wait(seconds):
        raise StateError("States.Runtime", f"The SecondsPath parameter does not reference a number: {seconds}")
    await asyncio.sleep(seconds)


async def _tried(state: dict[str, Any], given: Any, task: Callable[[str, Any], Awaitable[Any]]) -> Any:
    attempts: dict[int, int] = {}
    while True:
        try:
            return await _timed(task(state["Resource"], given), state.get("TimeoutSeconds"))
        except StateError as error:
            index = next((i for i, rule in enumerate(state.get("Retry", [])) if _names(rule, error)), None)
            if index is None:
                raise
            rule, done = state["Retry"][index], attempts.get(index, 0)
            if done >= rule.get("MaxAttempts", 3):
                raise
            attempts[index] = done + 1
            wait_s = rule.get("IntervalSeconds", 1) * rule.get("BackoffRate", 2.0) ** done
            wait_s = min(wait_s, rule.get("MaxDelaySeconds", wait_s))
            if rule.get("JitterStrategy") == "FULL":
                wait_s = random.uniform(0, wait_s)  # noqa: S311  no secret
            await asyncio.sleep(wait_s)


async def _timed(work: Awaitable[Any], limit_s: int | None) -> Any:
    """Wait for a task; what its time is over for goes on, as on AWS."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=limit_s)
    if not done:
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        raise StateError("States.Timeout", "")
    return task.result()


def _names(rule: dict[str, Any], error: StateError) -> bool:
    names = rule["ErrorEquals"]
    any_task = "States.TaskFailed" in names and error.error not in {"States.Timeout", "States.Runtime"}
    return error.error in names or any_task or ("States.ALL" in names and error.error != "States.Runtime")


def _selected(state: dict[str, Any], member: str, data: Any) -> Any:
    path = state.get(member, "$")
    return {} if path is None else _at(path, data)


def _at(path: str, data: Any) -> Any:
    for part in path.split(".")[1:]:
        if not isinstance(data, dict) or part not in data:
            raise StateError("States.Runtime", f"The JSONPath '{path}' could not be found in the input")
        data = data[part]
    return data


def _filled(template: Any, data: Any) -> Any:
    if isinstance(template, dict):
        return {
            name.removesuffix(".$"): _at(value, data) if name.endswith(".$") else _filled(value, data)
            for name, value in template.items()
        }
    return [_filled(value, data) for value in template] if isinstance(template, list) else template


def _placed(state: dict[str, Any], raw: Any, result: Any) -> Any:
    path = state.get("ResultPath", "$")
    if path is None:
        return raw
    parts = path.split(".")[1:]
    if not parts:
        return result
    whole = json.loads(json.dumps(raw)) if isinstance(raw, dict) else {}
    inner = whole
    for part in parts[:-1]:
        if not isinstance(inner.get(part), dict):
            inner[part] = {}
        inner = inner[part]
    inner[parts[-1]] = result
    return whole
