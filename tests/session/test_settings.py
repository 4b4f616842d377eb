"""Profiles and options become a plan, or an error that names the key and the nearest valid choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdatune.cli.commands.run import command
from lambdatune.model.errors import UsageError
from lambdatune.model.load_shape import BurstLoad, Ramp
from lambdatune.session.profile import read_profile
from lambdatune.session.samples import bundled_profiles
from lambdatune.session.setting_table import SETTINGS, Given, check_kind
from lambdatune.session.settings import build_plan

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def profile(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "ci.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def plan_of(text: str):
    return build_plan(read_profile(text))


@pytest.mark.parametrize("name", ["quickstart", "cold-starts", "queue", "ci-gate"])
def test_the_bundled_profiles_are_plans(name) -> None:
    plan = plan_of(name)
    assert plan.function.is_path
    assert plan.targets


def test_every_bundled_profile_is_named_in_the_help_of_run() -> None:
    assert command.help is not None
    assert all(name in command.help for name in bundled_profiles())


def test_a_profile_gives_the_whole_plan(profile) -> None:
    plan = plan_of(
        profile("""
            function = "arn:aws:lambda:eu-central-1:123456789012:function:shop"
            memory = [256, 128]
            target = ["p95<=200ms", "cold.duration.p90<=1s"]
            cold-rate = "2%"
            concurrency = 4
            max-usd = 0.5
            payload = '{"id": 1}'
            seed = 7
            strategy = "balanced"
        """)
    )
    assert plan.memory.sizes_mb == (128, 256)
    assert [str(target) for target in plan.targets] == ["warm.duration.p95<=200ms", "cold.duration.p90<=1s"]
    assert (plan.cold_rate, plan.concurrency, plan.limits.max_usd, plan.seed) == (0.02, 4, 0.5, 7)
    assert plan.payloads[0].body == b'{"id": 1}'
    assert plan.strategy == "balanced"


def test_traffic_has_the_cold_rate_that_is_given_and_none_otherwise(profile) -> None:
    plan = plan_of(profile("function = 'x'\ntraffic = 50"))
    assert (plan.traffic_per_s, plan.traffic_cold_rate, plan.cold_rate) == (50.0, None, 0.01)
    plan = plan_of(profile("function = 'x'\ntraffic = '3/min'\ncold-rate = '1%'"))
    assert (plan.traffic_per_s, plan.traffic_cold_rate) == (0.05, 0.01)
    assert plan_of(profile("function = 'x'\ncold-rate = '2%'")).traffic_cold_rate is None
    with pytest.raises(UsageError, match="no traffic that can be reckoned with"):
        plan_of(profile("function = 'x'\ntraffic = 1000000"))


def test_a_profile_gives_a_ramp_or_bursts(profile) -> None:
    plan = plan_of(profile("function = 'x'\nramp = ['0s:20', '10s:20']\narrivals = 'poisson'"))
    assert plan.ramp == Ramp(((0, 20), (10, 20)))
    assert (plan.arrivals, plan.whole_block, plan.in_blocks(201), plan.arrivals_per_s) == ("poisson", 200, 400, 20)
    plan = plan_of(profile("function = 'x'\nburst = '20/5s'"))
    assert plan.burst == BurstLoad(20, 5)
    assert (plan.whole_block, plan.warm_block, plan.in_blocks(21), plan.arrivals_per_s) == (20, 20, 40, 4)
    assert plan_of(profile("function = 'x'\nburst = 3")).burst == BurstLoad(3, 1)


def test_paths_in_a_profile_are_relative_to_it(profile, tmp_path, monkeypatch) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "event.json").write_text("{}")
    monkeypatch.chdir("/")
    plan = plan_of(
        profile("""
            function = "./code"
            runtime = "python3.12"
            handler = "app.handler"
            payload = ["@event.json:0.9", '{"rare": true}:0.1']
        """)
    )
    assert plan.function.name == str(tmp_path / "code")
    assert [payload.weight for payload in plan.payloads] == [0.9, 0.1]


def test_a_bundled_function_has_a_runtime_which_another_one_replaces(profile) -> None:
    usual = plan_of(profile("function = 'sample:basket-node'")).function
    assert (usual.runtime, usual.handler, usual.timeout_s) == ("nodejs20.x", "basket.handler", 60)
    other = plan_of(profile("function = 'sample:basket-node'\nruntime = 'nodejs24.x'\ntimeout = 5")).function
    assert (other.name, other.runtime, other.handler, other.timeout_s) == (
        usual.name, "nodejs24.x", "basket.handler", 5,
    )  # fmt: skip
    image = plan_of(profile("function = 'sample:basket-shell'\nentry-point = './bootstrap'")).function
    assert (image.runtime, image.handler, image.entry_point) == (None, None, "./bootstrap")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("memori = 128", "there is no key `memori`", "did you mean memory?"),
        ("function = 3", "key `function`: expected a text, not a number", None),
        ("function = 'x'\nconcurrency = 0", "key `concurrency`: 0 is out of range", "the nearest is 1"),
        ("function = 'x'\nconcurrency = 1.5", "expected a whole number", None),
        ("function = 'x'\nconfidence = true", "expected a number, not true or false", None),
        ("function = 'x'\nstrategy = 'cheepest'", "key `strategy`: there is no strategy", "did you mean cheapest?"),
        ("function = 'x'\nmemory = '64'", "key `memory`: memory size 64 MB is out of range", "128"),
        ("function = 'x'\ntarget = 'p95<200ms'", "key `target`: .* expected <=", "p95<=200ms"),
        ("function = 'x'\ntarget = 'p95<=200'", "key `target`: `200` is not a duration", "200ms"),
        ("function = 'x'\npayload = '{'", "key `payload`: payload is not JSON", None),
        ("function = 'x'\npayload = '@missing.json'", "missing.json` cannot be read", None),
        ("function = './missing'", "path `./missing` does not exist", None),
        ("function = 'sample:chekout'", "there is no bundled function `chekout`", "did you mean checkout?"),
        ("function = 'x'\nrate = 'fast'", "key `rate`: `fast` is not a rate", "200/s"),
        ("function = 'x'\narrivals = 'poisson'", "key `arrivals`: arrivals have no rate", "--rate 50/s"),
        ("function = 'x'\nrate = 5\narrivals = 'poison'", "`poison` is no kind of arrivals", "did you mean poisson?"),
        ("function = 'x'\nramp = '30s'", "key `ramp`: `30s` is no stage of a ramp", "30s:10/s,60s:50/s"),
        ("function = 'x'\nramp = ['1s:100', '1s:ten']", "key `ramp`: `ten` is not a rate", "200/s"),
        ("function = 'x'\nburst = 0", "key `burst`: `0` is no burst: expected 1 to 10,000 calls", "20/5s"),
        ("function = 'x'\nburst = 5\nrate = 5", "key `burst`: the load is given already by .*key `rate`", "leave one"),
        ("function = 'x'\nburst = 5\narrivals = 'poisson'", "key `arrivals`: arrivals have no rate", "--rate 50/s"),
        ("function = 'x'\nramp = '9s:9,9s:0'\narrivals = 'poisson'", "key `ramp`: the ramp ends at 0/s", "1/s"),
        (
            "function = 'x'\nramp = '10s:10'\nmax-invocations = 49",
            "key `ramp`: one ramp makes 50 calls, and .* allows 49",
            "raise the limit",
        ),
        (
            "function = 'x'\nramp = '90s:10'\nmax-minutes = 1",
            "key `ramp`: one ramp takes 90 s, and .* allows 1 min",
            "raise the limit",
        ),
        ("function = 'x'\npayload-tokens = 1", "expected true or false, not a number", None),
        ("memory = '128'", "no function is given", "lambdatune demo"),
        ("function = 'x'\nruntime = 'python3.12'", "only a function given as a path takes it", None),
        ("function = = 'x'", "is not TOML", None),
        ("function = '.'", "which also needs --runtime and --handler", "--entry-point 'python app.py'"),
        (
            "function = '.'\nentry-point = 'x'\nhandler = 'app.handler'",
            "key `handler`: .*key `entry-point` makes the function a container image, which has no handler",
            "leave out either",
        ),
        ("function = '.'\nentry-point = '\"x'", 'key `entry-point`: `"x` is no command line: no closing quot', None),
        (
            "function = '.'\nentry-point = ' '",
            "key `entry-point`: expected a program and its arguments",
            "python app.py",
        ),
        ("function = './ci.toml'\nentry-point = 'x'", "only a directory can stand in for a container image", "unpack"),
        ("function = 'x'\nentry-point = 'x'", "only a function given as a path takes it", None),
    ],
)
def test_an_error_names_the_file_the_key_and_the_nearest_choice(profile, text, message, hint) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        plan_of(profile(text))
    assert hint is None or hint in (caught.value.hint or "")
    if "no function" not in message:
        assert "ci.toml" in caught.value.message


def test_an_unknown_profile_hints_at_the_nearest_bundled_one() -> None:
    with pytest.raises(UsageError) as caught:
        read_profile("quickstrat")
    assert caught.value.hint == "did you mean the bundled profile quickstart?"


def test_a_payload_over_the_limit_of_a_synchronous_call_is_refused(tmp_path) -> None:
    (tmp_path / "big.json").write_bytes(b'"' + b"x" * (6 * 1024 * 1024) + b'"')
    given = {
        "function": Given("shop", "--function", tmp_path),
        "payload": Given(["@big.json"], "--payload", tmp_path),
    }
    with pytest.raises(UsageError, match=r"--payload: payload file .* has 6291458 bytes"):
        build_plan(given)


def test_every_setting_is_a_key_and_an_option() -> None:
    options = {option for parameter in command.params for option in parameter.opts}
    for setting in SETTINGS:
        assert f"--{setting.name}" in options
        if setting.kind in {"integer", "number"}:
            with pytest.raises(UsageError):
                check_kind(setting.name, "text", "here")


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('isolation = "copy"', "there is no isolation `copy`: expected clone, version or current", "choose one of"),
        ('isolation = "clon"', "there is no isolation `clon`", "did you mean clone?"),
        ('isolation = "current"\nmemory = "128-512"', "`memory`: a range is for a search", "leave the memory out"),
        ('isolation = "current"\ncold-starts = 3', "a cold start cannot be forced without a change", "leave it out"),
        (
            'isolation = "current"\ntarget = "cold.p90<=1s"',
            "which --isolation current cannot force",
            "--isolation clone",
        ),
        ('architecture = "aarch64"', "there is no architecture `aarch64`: expected x86_64 or arm64", "mean arm64?"),
        ('snap-start = "yes"', "SnapStart is `on` or `off`, not `yes`", "for example --snap-start on"),
        (
            'isolation = "version"\narchitecture = "arm64"',
            "`architecture`: only a clone can be given it, and --isolation version calls the function itself",
            "use --isolation clone",
        ),
        ('isolation = "current"\nprovisioned-concurrency = 2', "only a clone can be given it", "leave it out"),
        (
            'snap-start = "on"\nprovisioned-concurrency = 2',
            "no provisioned concurrency for a function with SnapStart",
            "leave one of them out",
        ),
        ("provisioned-concurrency = 2\ncold-starts = 3", "no call waits for an init", "leave it out (or 0)"),
        (
            'provisioned-concurrency = 2\ntarget = "cold.p90<=1s"',
            "needs cold starts, which there are none of",
            "without `cold.`",
        ),
        ("concurrency-share = 0", "leaves no call to make", "for example 50%"),
        ('concurrency-share = "120%"', "is not a share", "for example"),
    ],
)
def test_an_isolation_or_share_that_cannot_be_names_what_can(profile, text, said, hint) -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(profile(f'function = "shop"\n{text}\n'))
    assert said in caught.value.message
    assert hint in str(caught.value.hint)


def test_current_has_no_cold_starts_and_clone_is_the_default(profile) -> None:
    plan = plan_of(profile('function = "shop"\nisolation = "current"\nconcurrency-share = "80%"\n'))
    assert (plan.isolation, plan.cold_starts, plan.concurrency_share) == ("current", 0, 0.8)
    plan = plan_of(profile('function = "shop"\n'))
    assert (plan.isolation, plan.cold_starts, plan.concurrency_share) == ("clone", 10, 0.5)


def test_a_clone_is_told_its_architecture_snap_start_and_provisioned_environments(profile) -> None:
    plan = plan_of(profile('function = "shop"\narchitecture = "arm64"\nsnap-start = "on"\n'))
    assert (plan.architecture, plan.snap_start, plan.provisioned_concurrency, plan.cold_starts) == (
        "arm64",
        "on",
        0,
        10,
    )
    plan = plan_of(profile('function = "shop"\nsnap-start = "off"\nprovisioned-concurrency = 3\ncold-starts = 0\n'))
    assert (plan.architecture, plan.snap_start, plan.provisioned_concurrency, plan.cold_starts) == (None, "off", 3, 0)


def test_code_on_this_machine_needs_no_isolation(tmp_path, profile) -> None:
    (tmp_path / "code").mkdir()
    text = 'function = "./code"\nruntime = "python3.12"\nhandler = "app.handler"\nisolation = "version"\n'
    with pytest.raises(UsageError, match="nothing needs to be spared"):
        plan_of(profile(text))
