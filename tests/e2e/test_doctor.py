"""The doctor finds what is missing, changes nothing, and its policy is what a run needs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from support.faults import client
from support.program import LocalEndpoint, make_function, running_endpoint

pytestmark = pytest.mark.slow

POLICED = Path(__file__).parents[1] / "support" / "policed_endpoint.py"

ON_CLONE = (
    "lambda:CreateFunction", "lambda:TagResource", "lambda:GetFunction@lambdatune-",
    "lambda:UpdateFunctionConfiguration", "lambda:PublishVersion", "lambda:InvokeFunction", "lambda:DeleteFunction",
    "logs:DeleteLogGroup", "iam:PassRole",
)  # fmt: skip
PARTS = ("--memory", "256", "--cold-starts", "1", "--max-invocations", "3", "--yes")


@pytest.fixture(scope="module")
def local() -> Iterator[LocalEndpoint]:
    """Run an endpoint with a function `quick`, on which every test leaves things as it found them."""
    with running_endpoint() as endpoint:
        make_function(endpoint.url, "quick", "def handler(event, context):\n    return {'ok': True}\n")
        yield endpoint


class Policed:
    """An endpoint, and before it programs that deny; call with their options for the URL of one."""

    def __init__(self, local: LocalEndpoint) -> None:
        self.local = local
        self.started: list[subprocess.Popen[str]] = []
        self._environments_before = self._environments()

    def __call__(self, *arguments: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(POLICED), self.local.url, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip()

    @property
    def calls_were_made(self) -> bool:
        """Whether a function was called since the test began: idle environments are of clones that are gone."""
        return self._environments() != self._environments_before

    def _environments(self) -> int:
        return int(self.local.facts()["environments_started"])


@pytest.fixture
def policed(local) -> Iterator[Policed]:
    """Put programs that deny before the endpoint; functions that a test leaves are deleted."""
    police = Policed(local)
    yield police
    for process in police.started:
        process.kill()
        process.communicate()
    with client("lambda", local.url) as functions:
        for name in set(local.functions()) - {"quick"}:
            functions.delete_function(FunctionName=name)


def denied(*rules: str) -> list[str]:
    return [part for rule in rules for part in ("--deny", rule)]


def requests_of(url: str) -> list[str]:
    with urlopen(f"{url}/requests") as answer:
        return json.load(answer)  # type: ignore[no-any-return]


def test_all_is_well(policed, lambdatune) -> None:
    url = policed()
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick")
    assert done.code == 0, done.out + done.err
    assert "✗" not in done.out
    assert "✓ ok           iam:PassRole (role)" in done.out
    assert "simulated by IAM" in done.out
    assert "1000 concurrent executions" in done.out
    assert "within 1 s of AWS's" in done.out
    assert policed.local.functions() == ["quick"]
    assert not policed.calls_were_made


def test_nothing_that_writes_is_sent_at_the_function_itself(policed, lambdatune) -> None:
    url = policed()
    for isolation in ("clone", "version", "current"):
        assert lambdatune("doctor", "--endpoint-url", url, "--function", "quick", "--isolation", isolation).code == 0
    writes = [seen for seen in requests_of(url) if not seen.startswith("GET") and "/functions/quick" in seen]
    assert set(writes) == {"POST /2015-03-31/functions/quick/invocations"}  # of type DryRun
    assert not policed.calls_were_made


@pytest.mark.parametrize("rule", ON_CLONE)
def test_each_permission_that_is_missing_is_found_and_the_doctor_exits_7(policed, lambdatune, rule) -> None:
    url = policed(*denied(rule))
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick", "--json", "-")
    assert done.code == 7, done.err
    report = json.loads(done.out)
    assert report["schema"] == "lambdatune.doctor/1"
    missing = [check["name"].partition(" ")[0] for check in report["checks"] if check["state"] == "missing"]
    assert missing == [rule.partition("@")[0]]


@pytest.mark.parametrize("rule", ON_CLONE)
def test_a_run_without_a_permission_exits_7_before_anything_is_changed(policed, lambdatune, tmp_path, rule) -> None:
    url = policed(*denied(rule))
    done = lambdatune(
        "run", "--endpoint-url", url, "--function", "quick", *PARTS, "--output", str(tmp_path / "runs")
    )  # fmt: skip
    action = rule.partition("@")[0]
    assert done.code == 7, done.err
    assert f"the permission is missing: {action}; nothing was changed" in done.err
    line = next(line for line in done.err.splitlines() if '"Effect"' in line)
    statement = json.loads(line[line.index("{") :])
    assert statement["Effect"] == "Allow"
    assert statement["Action"] == [action]
    assert not (tmp_path / "runs").exists()
    assert policed.local.functions() == ["quick"]


def test_a_run_whose_permissions_are_all_there_goes_on(policed, lambdatune, tmp_path) -> None:
    url = policed()
    done = lambdatune("run", "--endpoint-url", url, "--function", "quick", *PARTS, "--output", str(tmp_path / "runs"))
    assert "missing" not in done.err
    assert done.code in {0, 5}, done.err
    assert policed.local.functions() == ["quick"]


def test_several_missing_permissions_are_named_together(policed, lambdatune, tmp_path) -> None:
    url = policed(*denied("lambda:PublishVersion", "logs:DeleteLogGroup"))
    done = lambdatune("run", "--endpoint-url", url, "--function", "quick", *PARTS, "--output", str(tmp_path / "runs"))
    assert done.code == 7
    assert "the permissions are missing: lambda:PublishVersion, logs:DeleteLogGroup" in done.err
    assert done.err.count('"Effect": "Allow"') == 2


def test_a_function_that_may_not_be_read_comes_with_the_statement_that_allows_it(policed, lambdatune) -> None:
    url = policed(*denied("lambda:GetFunction"))
    done = lambdatune("run", "--endpoint-url", url, "--function", "quick", *PARTS)
    assert done.code == 7
    assert (
        'hint: add this statement to the caller\'s policy: {"Effect": "Allow", "Action": ["lambda:GetFunction"], '
        '"Resource": ["arn:aws:lambda:us-east-1:123456789012:function:quick"]}'
    ) in done.err


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_an_unknown_function_names_the_nearest(policed, lambdatune, command) -> None:
    done = lambdatune(command, "--endpoint-url", policed(), "--function", "quik")
    assert done.code == 7
    assert "function `quik` was not found in us-east-1" in done.out + done.err
    assert "hint: did you mean quick?" in done.out + done.err


def test_what_a_run_can_do_without_is_a_warning(policed, lambdatune) -> None:
    url = policed(*denied("logs:FilterLogEvents", "lambda:ListFunctions"))
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick")
    assert done.code == 0, done.out
    assert "! warning      logs:FilterLogEvents (logs)" in done.out


def test_what_cannot_be_tried_without_harm_says_why(policed, lambdatune) -> None:
    url = policed("--no-simulator")
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick", "--isolation", "version")
    assert done.code == 0
    assert "? not checked  lambda:UpdateFunctionConfiguration (function)" in done.out
    assert "it cannot be tried without harm, and iam:SimulatePrincipalPolicy answered" in done.out


def test_under_version_what_the_simulator_denies_is_missing(policed, lambdatune) -> None:
    url = policed(*denied("lambda:PublishVersion"))
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick", "--isolation", "version")
    assert done.code == 7
    assert "✗ missing      lambda:PublishVersion (function)" in done.out


@pytest.mark.parametrize(("ahead_s", "said"), [(400, "400 s behind"), (-90, "90 s ahead of")])
def test_a_clock_that_is_off_is_a_warning_with_the_reason(policed, lambdatune, ahead_s, said) -> None:
    url = policed(f"--ahead={ahead_s}")
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick", "--json", "-")
    (clock,) = [check for check in json.loads(done.out)["checks"] if check["name"] == "clock"]
    assert clock["state"] == "warning"
    seconds = int(said.split()[0])
    assert any(clock["detail"].startswith(said.replace(str(seconds), str(seconds + off))) for off in (-1, 0, 1))
    assert "5 minutes" in clock["detail"]


def test_the_policy_alone_goes_into_a_pipe(policed, lambdatune) -> None:
    done = lambdatune("doctor", "--endpoint-url", policed(), "--function", "quick", "--policy")
    assert done.code == 0, done.err
    policy = json.loads(done.out)
    assert policy["Version"] == "2012-10-17"
    clones = [each for each in policy["Statement"] if "lambda:CreateFunction" in each["Action"]]
    assert [each["Resource"] for each in clones] == [["arn:aws:lambda:us-east-1:123456789012:function:lambdatune-*"]]
    (passing,) = [each for each in policy["Statement"] if each["Action"] == ["iam:PassRole"]]
    assert passing["Resource"] == ["arn:aws:iam::000000000000:role/any"]
    assert passing["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    assert len({each["Sid"] for each in policy["Statement"]}) == len(policy["Statement"])


def test_no_secret_is_printed(lambdatune, tmp_path, monkeypatch) -> None:
    secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1",
        "AWS_SESSION_TOKEN": "a-session-token", "AWS_CONFIG_FILE": "/nonexistent",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # Nothing listens there; what is told before that is told from the environment.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    done = lambdatune("doctor", "--function", "quick")
    assert done.code == 7
    assert "environment variables; temporary, access key AKIA...MPLE" in done.out
    for hidden in (secret, "a-session-token", "AKIAIOSFODNN7EXAMPLE"):
        assert hidden not in done.out + done.err


def test_code_on_this_machine_needs_nothing_of_aws(functions, lambdatune) -> None:
    path = ("--function", str(functions / "quick"), "--runtime", "python3.12", "--handler", "app.handler")
    done = lambdatune("doctor", *path)
    assert done.code == 0, done.err
    assert "no AWS credentials or permissions are needed" in done.out
    assert "receive timestamps" in done.out
    refused = lambdatune("doctor", *path, "--policy")
    assert refused.code == 2
    assert "needs no permission on AWS" in refused.err


def test_a_run_needs_no_more_than_the_policy(policed, lambdatune, tmp_path) -> None:
    policy = lambdatune("doctor", "--endpoint-url", policed(), "--function", "quick", "--policy")
    (tmp_path / "policy.json").write_text(policy.out)
    url = policed("--policy", str(tmp_path / "policy.json"))
    done = lambdatune("run", "--endpoint-url", url, "--function", "quick", *PARTS, "--output", str(tmp_path / "runs"))
    assert done.code in {0, 5}, done.err
    assert policed.local.functions() == ["quick"]
    assert lambdatune("doctor", "--endpoint-url", url, "--function", "quick").code == 0
    other = lambdatune("doctor", "--endpoint-url", url, "--function", "another")
    assert "not authorized to perform: lambda:GetFunction" in other.out


@pytest.mark.parametrize("can_delete", [True, False])
def test_an_endpoint_that_takes_anything_for_a_zip_is_left_as_it_was_or_it_is_said(
    policed, lambdatune, can_delete
) -> None:
    url = policed("--sloppy", *([] if can_delete else denied("lambda:DeleteFunction")))
    done = lambdatune("doctor", "--endpoint-url", url, "--function", "quick")
    if can_delete:
        assert done.code == 0, done.err
        assert policed.local.functions() == ["quick"]
        return
    assert done.code == 8
    (left,) = set(policed.local.functions()) - {"quick"}
    assert f"hint: aws lambda delete-function --function-name {left}" in done.err


def test_the_region_is_that_of_the_functions_arn(policed, lambdatune) -> None:
    arn = "arn:aws:lambda:us-east-1:123456789012:function:quick"
    done = lambdatune("doctor", "--endpoint-url", policed(), "--function", arn)
    assert done.code == 0, done.out
    assert "us-east-1 at http://" in done.out
    other = lambdatune("doctor", "--function", arn, "--region", "eu-west-1")
    assert other.code == 2
    assert "is in us-east-1, and the region given is eu-west-1" in other.err
