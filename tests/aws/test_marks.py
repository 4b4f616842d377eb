"""What a run made is known again by its marks, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdatune.aws.marks import Maker, clone_name, read_description, read_nonce, run_of_clone

MAKER = Maker("20261123-151200-a1b2", "ci-7.example:4711:99")


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_the_name_of_a_clone_tells_its_run(source) -> None:
    assert run_of_clone(clone_name(source, MAKER.run)) == MAKER.run


@pytest.mark.parametrize(
    "name", ["lambdatune-shop", "shop-20261123-151200-a1b2", "lambdatune-shop-20261123-151200-A1B2x"]
)
def test_another_name_is_of_no_run(name) -> None:
    assert run_of_clone(name) is None


def test_a_description_tells_who_published_and_fits_into_awss_limit() -> None:
    assert read_description(MAKER.description) == MAKER
    assert len(MAKER.description) <= 256
    assert read_description(f"{MAKER.description} and more") is None
    assert read_description("") is None


def test_a_nonce_on_a_users_function_tells_what_the_memory_was() -> None:
    nonce = read_nonce(MAKER.nonce(3, 512, 1024))
    assert nonce is not None
    assert (nonce.maker, nonce.before_mb, nonce.now_mb) == (MAKER, 512, 1024)
    assert read_nonce("3") is None
