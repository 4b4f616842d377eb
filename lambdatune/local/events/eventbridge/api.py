"""The actions of EventBridge, over the JSON protocol."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lambdatune.local.errors import ApiError, not_implemented
from lambdatune.local.events import patterns
from lambdatune.local.events.eventbridge.buses import Bus, Rule, Target, publish
from lambdatune.local.reply import Reply, json_body, page, structure, structures, texts

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambdatune.local.events.deliveries import Deliveries, Parcel
    from lambdatune.local.httpd import Request
    from lambdatune.local.names import Naming

_NAME = re.compile(r"[\.\-_A-Za-z0-9]{1,64}")
_BUS_NAME = re.compile(r"[\.\-_A-Za-z0-9]{1,256}")
_PATH = re.compile(r"\$(\.[A-Za-z0-9_-]+)*")
_MAX_ENTRIES = 10
_MAX_BYTES = 262_144
"""Of the entries of one PutEvents (AWS docs, "Calculating PutEvents event entry size")."""
_MAX_TARGETS = 5
_TARGET_MEMBERS = frozenset({"Id", "Arn", "Input", "InputPath", "SqsParameters", "RoleArn"})
_CONTENT = "application/x-amz-json-1.1"


class EventBridgeApi:
    """Keeps buses and serves the actions of EventBridge.

    Args:
        naming: makes ARNs.
        deliveries: takes events to targets.
    """

    def __init__(self, naming: Naming, deliveries: Deliveries) -> None:
        self._naming = naming
        self._deliveries = deliveries
        self._buses: dict[str, Bus] = {}
        self._add_bus("default")
        self._actions: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "CreateEventBus": self._create_bus,
            "DescribeEventBus": self._describe_bus,
            "ListEventBuses": self._list_buses,
            "DeleteEventBus": self._delete_bus,
            "PutRule": self._put_rule,
            "DescribeRule": self._describe_rule,
            "ListRules": self._list_rules,
            "DeleteRule": self._delete_rule,
            "EnableRule": self._enable,
            "DisableRule": self._disable,
            "PutTargets": self._put_targets,
            "RemoveTargets": self._remove_targets,
            "ListTargetsByRule": self._list_targets,
            "PutEvents": self._put_events,
            "TestEventPattern": self._test_pattern,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }

    async def serve(self, action: str, request: Request) -> Reply:
        """Serve one action.

        Raises:
            ApiError: as EventBridge does.
        """
        handler = self._actions.get(action)
        if handler is None:
            raise not_implemented(f"EventBridge {action}")
        return Reply(200, handler(json_body(request)), content_type=_CONTENT)

    def deliver(self, arn: str, parcel: Parcel) -> None:
        """Put an event for another service: the destination of a function, or the target of a rule.

        Raises:
            ApiError: ResourceNotFoundException.
        """
        bus = self._bus(arn)
        detail = json.loads(parcel.body)
        resources = [parcel.source_arn, arn] if parcel.source_arn else [arn]
        publish(bus, self._event("lambda", parcel.detail_type, resources, detail), self._deliveries)

    # Buses.

    def _add_bus(self, name: str) -> Bus:
        arn = f"arn:aws:events:{self._naming.region}:{self._naming.account_id}:event-bus/{name}"
        bus = self._buses[name] = Bus(name, arn)
        return bus

    def _create_bus(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("Name") or "")
        if _BUS_NAME.fullmatch(name) is None:
            raise _invalid(f"Value '{name}' at 'name' failed to satisfy constraint: {_BUS_NAME.pattern}")
        if name in self._buses:
            raise ApiError("ResourceAlreadyExistsException", f"Event bus {name} already exists.")
        bus = self._add_bus(name)
        bus.tags = _tags(body)
        return {"EventBusArn": bus.arn}

    def _describe_bus(self, body: dict[str, Any]) -> dict[str, Any]:
        bus = self._bus(body.get("Name"))
        return {"Name": bus.name, "Arn": bus.arn}

    def _list_buses(self, body: dict[str, Any]) -> dict[str, Any]:
        prefix = str(body.get("NamePrefix") or "")
        found = [bus for name, bus in sorted(self._buses.items()) if name.startswith(prefix)]
        chosen, token = page(found, lambda b: b.name, body.get("NextToken"), body.get("Limit"), default=100, most=100)
        return _with_token({"EventBuses": [{"Name": bus.name, "Arn": bus.arn} for bus in chosen]}, token)

    def _delete_bus(self, body: dict[str, Any]) -> dict[str, Any]:
        name = str(body.get("Name") or "")
        if name == "default":
            raise _invalid("Cannot delete event bus default.")
        bus = self._buses.get(name)
        if bus is not None and bus.rules:
            raise _invalid(f"Event bus {name} cannot be deleted, it has rules.")
        self._buses.pop(name, None)
        return {}

    def _bus(self, reference: object) -> Bus:
        name = str(reference or "default").rpartition("/")[2]
        bus = self._buses.get(name)
        if bus is None:
            raise ApiError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return bus

    # Rules.

    def _put_rule(self, body: dict[str, Any]) -> dict[str, Any]:
        bus, name = self._bus(body.get("EventBusName")), str(body.get("Name") or "")
        if _NAME.fullmatch(name) is None:
            raise _invalid(f"Value '{name}' at 'name' failed to satisfy constraint: {_NAME.pattern}")
        if body.get("ScheduleExpression"):
            raise not_implemented("ScheduleExpression of rules")
        pattern = body.get("EventPattern")
        if not pattern:
            raise _invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
        parsed = _pattern(pattern)
        state = body.get("State", "ENABLED")
        if state not in {"ENABLED", "DISABLED"}:
            raise _invalid(f"Value '{state}' at 'state' failed to satisfy constraint: [ENABLED, DISABLED]")
        between = "" if bus.name == "default" else f"{bus.name}/"
        arn = f"arn:aws:events:{self._naming.region}:{self._naming.account_id}:rule/{between}{name}"
        current = bus.rules.get(name)
        rule = Rule(name, arn, str(pattern), parsed, state == "ENABLED", str(body.get("Description") or ""))
        rule.role = str(body.get("RoleArn") or "")
        rule.tags = _tags(body) if current is None else current.tags
        rule.targets = {} if current is None else current.targets
        bus.rules[name] = rule
        return {"RuleArn": arn}

    def _describe_rule(self, body: dict[str, Any]) -> dict[str, Any]:
        bus, rule = self._rule(body, "Name")
        return _rule_view(bus, rule)

    def _list_rules(self, body: dict[str, Any]) -> dict[str, Any]:
        bus, prefix = self._bus(body.get("EventBusName")), str(body.get("NamePrefix") or "")
        found = [rule for name, rule in sorted(bus.rules.items()) if name.startswith(prefix)]
        chosen, token = page(found, lambda r: r.name, body.get("NextToken"), body.get("Limit"), default=100, most=100)
        return _with_token({"Rules": [_rule_view(bus, rule) for rule in chosen]}, token)

    def _delete_rule(self, body: dict[str, Any]) -> dict[str, Any]:
        bus = self._bus(body.get("EventBusName"))
        rule = bus.rules.get(str(body.get("Name")))
        if rule is not None and rule.targets:
            raise _invalid("Rule can't be deleted since it has targets.")
        bus.rules.pop(str(body.get("Name")), None)
        return {}

    def _enable(self, body: dict[str, Any]) -> dict[str, Any]:
        self._rule(body, "Name")[1].is_enabled = True
        return {}

    def _disable(self, body: dict[str, Any]) -> dict[str, Any]:
        self._rule(body, "Name")[1].is_enabled = False
        return {}

    def _rule(self, body: dict[str, Any], member: str) -> tuple[Bus, Rule]:
        bus, name = self._bus(body.get("EventBusName")), str(body.get(member) or "")
        rule = bus.rules.get(name)
        if rule is None:
            sentence = f"Rule {name} does not exist on EventBus {bus.name}."
            raise ApiError("ResourceNotFoundException", sentence)
        return bus, rule

    # Targets.

    def _put_targets(self, body: dict[str, Any]) -> dict[str, Any]:
        _, rule = self._rule(body, "Rule")
        targets = [self._read_target(each) for each in structures(body.get("Targets"))]
        if len({*rule.targets, *(target.identifier for target in targets)}) > _MAX_TARGETS:
            sentence = "The requested resource exceeds the maximum number allowed."
            raise ApiError("LimitExceededException", sentence)
        rule.targets |= {target.identifier: target for target in targets}
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _read_target(self, given: dict[str, Any]) -> Target:
        further = sorted(set(given) - _TARGET_MEMBERS)
        if further:
            raise not_implemented(f"{further[0]} of EventBridge targets")
        identifier, arn = str(given.get("Id") or ""), str(given.get("Arn") or "")
        if not identifier or not self._deliveries.reaches(arn):
            raise _invalid(f"Parameter {arn} is not valid. Reason: Provided Arn is not in correct format.")
        text, path = given.get("Input"), given.get("InputPath")
        if text is not None and path is not None:
            raise _invalid("Only one of Input, InputPath, or InputTransformer must be provided for a target.")
        if text is not None:
            _json(text, f"JSON syntax error in input for target {identifier}")
        if path is not None and _PATH.fullmatch(str(path)) is None:
            raise _invalid(f"Invalid InputPath for target {identifier}.")
        group = structure(given.get("SqsParameters")).get("MessageGroupId")
        return Target(identifier, arn, text, path, group)

    def _remove_targets(self, body: dict[str, Any]) -> dict[str, Any]:
        _, rule = self._rule(body, "Rule")
        for identifier in texts(body.get("Ids")):
            rule.targets.pop(identifier, None)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _list_targets(self, body: dict[str, Any]) -> dict[str, Any]:
        _, rule = self._rule(body, "Rule")
        return {"Targets": [target.to_api() for target in rule.targets.values()]}

    # Events.

    def _put_events(self, body: dict[str, Any]) -> dict[str, Any]:
        entries = structures(body.get("Entries"))
        if not 1 <= len(entries) <= _MAX_ENTRIES:
            raise _invalid("Value at 'entries' failed to satisfy constraint: Member must have length between 1 and 10")
        if sum(_size(entry) for entry in entries) > _MAX_BYTES:
            raise _invalid("Total size of the entries in the request is over the limit.")
        answers: list[dict[str, str]] = []
        for entry in entries:
            try:
                answers.append({"EventId": self._put_event(entry)})
            except ApiError as error:
                answers.append({"ErrorCode": error.code, "ErrorMessage": error.message})
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def _put_event(self, entry: dict[str, Any]) -> str:
        for member in ("Source", "DetailType", "Detail"):
            if not entry.get(member):
                sentence = f"Parameter {member} is not valid. Reason: {member} is a required argument."
                raise ApiError("InvalidArgument", sentence)
        try:
            detail = json.loads(str(entry["Detail"]))
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            raise ApiError("MalformedDetail", "Detail is malformed.")
        if str(entry["Source"]).startswith("aws."):
            raise ApiError("NotAuthorizedForSourceException", "Not authorized for the source.")
        bus = self._bus(entry.get("EventBusName"))
        source, detail_type = str(entry["Source"]), str(entry["DetailType"])
        event = self._event(source, detail_type, texts(entry.get("Resources")), detail)
        if isinstance(entry.get("Time"), int | float):
            event["time"] = _time(entry["Time"])
        return publish(bus, event, self._deliveries)

    def _event(self, source: str, detail_type: str, resources: list[str], detail: Any) -> dict[str, Any]:
        return {
            "source": source,
            "detail-type": detail_type,
            "account": self._naming.account_id,
            "region": self._naming.region,
            "resources": resources,
            "detail": detail,
        }

    def _test_pattern(self, body: dict[str, Any]) -> dict[str, Any]:
        event = _json(body.get("Event"), "Parameter Event is not valid.")
        return {"Result": patterns.matches(_pattern(body.get("EventPattern")), event)}

    # Tags.

    def _tag(self, body: dict[str, Any]) -> dict[str, Any]:
        self._tagged(body).update(_tags(body))
        return {}

    def _untag(self, body: dict[str, Any]) -> dict[str, Any]:
        tags = self._tagged(body)
        for key in texts(body.get("TagKeys")):
            tags.pop(key, None)
        return {}

    def _list_tags(self, body: dict[str, Any]) -> dict[str, Any]:
        return {"Tags": [{"Key": key, "Value": value} for key, value in self._tagged(body).items()]}

    def _tagged(self, body: dict[str, Any]) -> dict[str, str]:
        arn = str(body.get("ResourceARN"))
        for bus in self._buses.values():
            tags = {bus.arn: bus.tags, **{rule.arn: rule.tags for rule in bus.rules.values()}}
            if arn in tags:
                return tags[arn]
        raise ApiError("ResourceNotFoundException", f"Resource {arn} does not exist.")


def _rule_view(bus: Bus, rule: Rule) -> dict[str, Any]:
    view = {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventPattern": rule.pattern,
        "State": "ENABLED" if rule.is_enabled else "DISABLED",
        "EventBusName": bus.name,
    }
    if rule.description:
        view["Description"] = rule.description
    if rule.role:
        view["RoleArn"] = rule.role
    return view


def _pattern(text: object) -> dict[str, Any]:
    try:
        return patterns.parse(str(text or ""))
    except patterns.PatternError as error:
        raise ApiError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {error}") from error


def _json(text: object, sentence: str) -> Any:
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise _invalid(sentence) from error


def _size(entry: dict[str, Any]) -> int:
    """Return the bytes of an entry that count."""
    parts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *texts(entry.get("Resources"))]
    return sum(len(str(part or "").encode(errors="replace")) for part in parts) + (14 if entry.get("Time") else 0)


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, OSError, ValueError) as error:
        raise ApiError("InvalidArgument", "Parameter Time is not valid.") from error


def _tags(body: dict[str, Any]) -> dict[str, str]:
    return {str(tag.get("Key")): str(tag.get("Value", "")) for tag in structures(body.get("Tags"))}


def _with_token(document: dict[str, Any], token: str | None) -> dict[str, Any]:
    return document if token is None else {**document, "NextToken": token}


def _invalid(sentence: str) -> ApiError:
    return ApiError("ValidationException", sentence)
