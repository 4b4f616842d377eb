"""What is compared: repeated options and `[[variant]]` tables become named plans, or a sentence that names the key."""

from __future__ import annotations

import pytest

from lambdatune.cli.plan_options import comparison_from
from lambdatune.model.errors import UsageError
from lambdatune.session.profile import read_profile
from lambdatune.session.samples import bundled_profiles
from lambdatune.session.variants.settings import is_comparison, variants_of


def variants(profile: str | None = None, **options: object):
    given, tables = comparison_from(profile, options)
    assert is_comparison(given, tables)
    return variants_of(given, tables)


@pytest.fixture
def profile(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "these.toml"
        path.write_text(text)
        return str(path)

    return write


def test_each_function_in_each_mode_is_a_variant() -> None:
    found = variants(function=("sample:checkout", "sample:lookup-python"), mode=("invoke", "sqs"), memory="512")
    assert [(each.name, each.plan.mode) for each in found] == [
        ("checkout invoke", "invoke"), ("checkout sqs", "sqs"),
        ("lookup-python invoke", "invoke"), ("lookup-python sqs", "sqs"),
    ]  # fmt: skip
    assert [each.plan.rate_per_s for each in found] == [None, 10.0, None, 10.0]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (("shop:blue", "shop:green"), ["shop:blue", "shop:green"]),
        (("shop", "shop"), ["shop", "shop-2"]),
        (("arn:aws:lambda:eu-west-1:123456789012:function:shop:7", "cart"), ["shop:7", "cart"]),
    ],
)
def test_a_function_names_its_variant(function, names) -> None:
    assert [each.name for each in variants(function=function)] == names


def test_one_function_is_no_comparison() -> None:
    assert not is_comparison(*comparison_from(None, {"function": ("shop",), "mode": ("sqs",)}))


def test_a_profile_lists_functions_or_tables(profile) -> None:
    assert [each.name for each in variants(profile('function = ["a", "b"]'))] == ["a", "b"]
    text = 'function = "shop"\n[[variant]]\narchitecture = "x86_64"\n[[variant]]\narchitecture = "arm64"\n'
    found = variants(profile(text))
    assert [(each.name, each.plan.architecture, each.plan.function.name) for each in found] == [
        ("x86_64", "x86_64", "shop"), ("arm64", "arm64", "shop"),
    ]  # fmt: skip


def test_a_table_lies_over_what_all_have_in_common_and_options_over_the_latter(profile) -> None:
    text = """
        function = "shop"
        memory = "512"
        cold-starts = 3
        [[variant]]
        name = "plain"
        [[variant]]
        name = "with SnapStart"
        memory = "1024"
        snap-start = "on"
        optional = true
    """
    plain, snap = variants(profile(text), cold_starts=1, memory="256")
    assert [each.plan.cold_starts for each in (plain, snap)] == [1, 1]
    assert [str(each.plan.memory) for each in (plain, snap)] == ["256", "1024"]
    assert (plain.plan.snap_start, snap.plan.snap_start) == (None, "on")
    assert (plain.is_optional, snap.is_optional) == (False, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[variant]]\nfunction = "a"\n', "a comparison takes two variants at least"),
        ('variant = "a"\n', "key `variant`: expected tables"),
        ('[[variant]]\nfuncton = "a"\n[[variant]]\n', "there is no key `functon`"),
        ('[[variant]]\nfunction = 3\n[[variant]]\n', "variant 1, key `function`: expected a text"),
        ('[[variant]]\nname = 3\n[[variant]]\n', "key `name`: expected a text"),
        ('[[variant]]\noptional = "yes"\n[[variant]]\n', "key `optional`: expected true or false"),
        ('[[variant]]\nfunction = "a"\nmax-usd = 3\n[[variant]]\n', "variants cannot differ in `max-usd`"),
        ('function = "a"\n[[variant]]\nname = "x"\n[[variant]]\nname = "x"\n', "two variants are called `x`"),
        ('[[variant]]\nname = "../x"\nfunction = "a"\n[[variant]]\n', "`../x` is no name of a variant"),
        ('[[variant]]\nfunction = "a"\n[[variant]]\n', "no function is given"),
        ('function = "a"\nmode = ["invoke", "sqs"]\n[[variant]]\n[[variant]]\n', "two ways to say what is compared"),
        ('function = ["a", "b", 3]\n', "expected a text"),
        ('function = []\n', "expected a text"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_profile_is_named(profile, text, said) -> None:
    with pytest.raises(UsageError, match=said):
        variants(profile(text))


def test_the_same_function_is_not_changed_twice_at_a_time() -> None:
    with pytest.raises(UsageError, match=r"would both change \$LATEST of shop"):
        variants(function=("shop", "shop"), isolation="version")


def test_too_many_are_refused() -> None:
    with pytest.raises(UsageError, match="13 variants are too many"):
        variants(function=tuple(f"f{number}" for number in range(13)))


def test_where_one_is_tuned_a_comparison_is_not_taken_for_its_first(profile) -> None:
    with pytest.raises(UsageError, match="compares 2 variants, and one function is tuned here"):
        read_profile(profile('[[variant]]\nfunction = "a"\n[[variant]]\nfunction = "b"\n'))


def test_the_bundled_comparison_has_python_and_optional_runtimes() -> None:
    found = variants(str(bundled_profiles()["compare-runtimes"]))
    assert [(each.name, each.is_optional) for each in found] == [
        ("python", False), ("node", True), ("java", True), ("ruby", True),
    ]  # fmt: skip
