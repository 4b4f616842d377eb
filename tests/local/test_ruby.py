"""Ruby handlers: what they find, how they answer, fail and log; as AWS's own runtime client does."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from lambdatune.local.errors import ApiError
from lambdatune.local.runtimes import Runtimes

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME = "ruby3.3"


def create(endpoint: Any, source: str = "", **members: Any) -> str:
    """Create a Ruby function of one file, `app.rb`."""
    files = members.pop("files", {"app.rb": source})
    function: str = endpoint.create(
        files=files, **{"Runtime": RUNTIME, "Handler": "app.handler", "MemorySize": 1769, **members}
    )
    return function


def test_context_and_environment(endpoint: Any) -> None:
    source = """
        def handler(event:, context:)
          {
            event: event, remaining: context.get_remaining_time_in_millis, id: context.aws_request_id,
            name: context.function_name, version: context.function_version, memory: context.memory_limit_in_mb,
            arn: context.invoked_function_arn, group: context.log_group_name, stream: context.log_stream_name,
            client: context.client_context, environment: ENV.to_h, cwd: Dir.pwd,
            encoding: Encoding.default_external.to_s, ruby: RUBY_VERSION, paths: $LOAD_PATH,
            there: [Net::HTTP, URI, Logger, StringIO, Time.method(:parse)].size,
          }
        end
    """
    name = create(endpoint, source, Timeout=7, MemorySize=256, Environment={"Variables": {"OWN": "value"}})
    custom = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
    answer = endpoint.invoke(name, {"a": [1, "ü"]}, X_Amz_Client_Context=custom)
    found, report = answer.json, answer.report
    assert found["event"] == {"a": [1, "ü"]}
    assert found["id"] == report.request_id
    assert (found["name"], found["version"], found["memory"]) == (name, "$LATEST", "256")
    assert found["arn"].endswith(f":function:{name}")
    assert (found["group"], "[$LATEST]" in found["stream"]) == (f"/aws/lambda/{name}", True)
    assert found["client"] == {"custom": {"k": "v"}}
    assert 6000 < found["remaining"] <= 7000
    assert found["cwd"] == found["environment"]["LAMBDA_TASK_ROOT"] == found["paths"][0]
    assert found["environment"]["OWN"] == "value"
    assert found["environment"]["AWS_EXECUTION_ENV"] == "AWS_Lambda_ruby3.3"
    assert not found["environment"].keys() & {"HOME", "USER", "GEM_HOME"}
    assert (found["encoding"], found["there"]) == ("UTF-8", 5)
    assert report.init_ms is not None
    assert endpoint.invoke(name).report.init_ms is None
    assert f"INIT_START Runtime Version: ruby:{found['ruby']}\t" in answer.tail
    note = endpoint.host()["runtimes"][RUNTIME]
    assert f"(Ruby {found['ruby']}" in note
    assert note.endswith(", not 3.3: this host has none)") == (not found["ruby"].startswith("3.3."))


@pytest.mark.parametrize(
    ("handler", "files"),
    [
        ("app.Shop.price", {"app.rb": "module Shop; def self.price(event:, context:) = 'here'; end"}),
        ("app.Shop::Till.price", {"app.rb": "module Shop; class Till; def self.price(**) = 'here'; end; end"}),
        (
            "src/app.handler",
            {
                "src/app.rb": "require_relative 'word'\nrequire 'src/word'\ndef handler(**) = WORD",
                "src/word.rb": "WORD = 'here'",
            },
        ),
        ("app.handler", {"app.rb": "def handler(**) = StringIO.new('\"here\"')"}),
        (
            "app.handler",
            {
                "app.rb": "def (AwsLambda::Marshaller).marshall_request(raw) = raw['content-type'] + raw.body\n"
                "def handler(event:, context:) = event == 'application/json{}' ? 'here' : event"
            },
        ),
    ],
)  # fmt: skip
def test_forms_of_handlers(endpoint: Any, handler: str, files: dict[str, str]) -> None:
    answer = endpoint.invoke(create(endpoint, files=files, Handler=handler))
    assert (answer.function_error, answer.json) == (None, "here")


def test_gems_of_the_package_are_found(endpoint: Any) -> None:
    version = endpoint.invoke(create(endpoint, "def handler(**) = RbConfig::CONFIG['ruby_version']")).json
    gem = f"vendor/bundle/ruby/{version}"
    specification = "Gem::Specification.new { |s| s.name = 'own'; s.version = '1.0'; s.summary = s.author = 'own' }"
    files = {
        "app.rb": "require 'own'\ndef handler(**) = OWN",
        f"{gem}/specifications/own-1.0.gemspec": specification,
        f"{gem}/gems/own-1.0/lib/own.rb": "OWN = 'of a gem'",
    }
    assert endpoint.invoke(create(endpoint, files=files)).json == "of a gem"


FAILING = """
    class OwnError < StandardError; end
    def deep = raise(OwnError, "ein ü\\nin two lines")
    def handler(event:, context:)
      case event["how"]
      when "raise" then deep
      when "argument" then raise ArgumentError, "bad"
      when "marshal" then Float::NAN
      when "name" then nobody(1)
      when "exit" then exit(3)
      when "exit!" then exit!(3)
      when "sleep" then sleep
      else $$
      end
    end
"""


@pytest.fixture(scope="module")
def failing(endpoint: Any) -> str:
    return create(endpoint, FAILING, Timeout=1)


def test_errors_have_the_shape_of_aws(endpoint: Any, failing: str) -> None:
    process = endpoint.invoke(failing).json
    answer = endpoint.invoke(failing, {"how": "raise"})
    assert answer.function_error == "Unhandled"
    assert list(answer.json) == ["errorMessage", "errorType", "stackTrace"]
    assert (answer.json["errorMessage"], answer.json["errorType"]) == ("ein ü\nin two lines", "Function<OwnError>")
    frames = answer.json["stackTrace"]
    # Ruby 3.4 writes 'Object#deep' for `deep'.
    assert [re.sub(r"^.*/|[`']|Object#", "", frame) for frame in frames] == ["app.rb:3:in deep", "app.rb:6:in handler"]
    logged = answer.tail.partition("Error raised from handler method\n")[2].partition("END RequestId")[0]
    assert json.loads(logged) == answer.json
    assert endpoint.invoke(failing, {"how": "argument"}).json["errorType"] == "Function<ArgumentError>"
    assert endpoint.invoke(failing, {"how": "marshal"}).json["errorType"] == "Function<JSON::GeneratorError>"
    assert endpoint.invoke(failing).json == process


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("name", "Function<NoMethodError>", r"undefined method [`']nobody' for .*LambdaHandler.*"),
        ("exit", "Function<SystemExit>", "exit"),
        ("exit!", "Runtime.ExitError", r"RequestId: \S+ Error: Runtime exited with error: exit status 3"),
        ("sleep", "Sandbox.Timedout", r"RequestId: \S+ Error: Task timed out after 1.00 seconds"),
    ],
)
def test_what_ends_the_process(endpoint: Any, failing: str, how: str, kind: str, message: str) -> None:
    process = endpoint.invoke(failing).json
    answer = endpoint.invoke(failing, {"how": how})
    assert (answer.function_error, answer.json["errorType"]) == ("Unhandled", kind)
    assert re.fullmatch(message, answer.json["errorMessage"])
    again = endpoint.invoke(failing)
    assert (again.function_error, again.json == process) == (None, False)


@pytest.mark.parametrize(
    ("handler", "source", "kind", "message"),
    [
        ("other.handler", "", "Init<LoadError>", "cannot load such file -- other"),
        ("app.handler", "def handler(", "Init<SyntaxError>", ""),
        ("app.handler", "raise 'at start'", "Init<RuntimeError>", "at start"),
        ("app", "", "Init<ArgumentError>", 'Invalid handler ["app"], must be of form'),
    ],
)
def test_an_init_that_fails_is_told(endpoint: Any, handler: str, source: str, kind: str, message: str) -> None:
    answer = endpoint.invoke(create(endpoint, source, Handler=handler))
    assert (answer.function_error, answer.json["errorType"]) == ("Unhandled", kind)
    assert answer.json["errorMessage"].startswith(message)
    assert "INIT_REPORT" in answer.tail
    assert f"Init error when loading handler {handler}" in answer.tail


def test_output_and_loggers_are_in_the_log(endpoint: Any) -> None:
    source = """
        LOGGER = Logger.new($stdout)
        def handler(event:, context:)
          puts "printed ü"
          $stderr.puts "to stderr"
          LOGGER.warn("logged")
          Logger.new($stdout, formatter: proc { |*, text| "own #{text}\\n" }).info("layout")
        end
    """
    answer = endpoint.invoke(create(endpoint, source))
    lines = answer.tail.splitlines()
    assert {"printed ü", "to stderr", "own layout"} <= set(lines)
    layout = rf"W, \[\d{{4}}-\S+ #\d+\]  WARN {answer.report.request_id} -- : logged"
    assert any(re.fullmatch(layout, line) for line in lines), lines


def test_large_events_and_responses(endpoint: Any) -> None:
    name = create(endpoint, "def handler(event:, context:) = event", Timeout=10)
    text = "ü" * 1_000_000
    assert endpoint.invoke(name, text).json == text
    assert endpoint.invoke(name, {"small": 1}).json == {"small": 1}
    assert endpoint.invoke(name, [None]).json == [None]


def test_a_host_without_ruby_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "bin" / "ruby"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\necho \'["/opt/ruby/bin/ruby", "2.7.8"]\'\n')
    old.chmod(0o755)
    runtimes = Runtimes(tmp_path / "bootstraps")
    for path, told in (("/nowhere", "on the PATH of this host. "), (str(old.parent), "(/opt/ruby/bin/ruby is 2.7.8)")):
        monkeypatch.setenv("PATH", path)
        with pytest.raises(ApiError, match=r"Install Ruby 3\.4") as caught:
            runtimes.program("ruby3.4")
        assert caught.value.code == "InvalidParameterValueException"
        assert told in str(caught.value)


def test_the_ruby_of_the_version_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in (("ruby", "3.4.1"), ("ruby3.2", "3.2.9")):
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\necho \'["{path}", "{version}"]\'\n')
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    runtimes = Runtimes(tmp_path / "bootstraps")
    assert runtimes.program("ruby3.2").note == f"{tmp_path}/ruby3.2 (Ruby 3.2.9)"
    assert runtimes.program("ruby3.4").note == f"{tmp_path}/ruby (Ruby 3.4.1)"
    other = runtimes.program("ruby3.3")
    assert other.note == f"{tmp_path}/ruby (Ruby 3.4.1, not 3.3: this host has none)"
    assert "--disable=did_you_mean" not in other.command
