"""The journal knows what is left to undo, whatever moment the program died at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lambdatune.model.change import Change, Place
from lambdatune.model.errors import UsageError
from lambdatune.session.journal import Journal

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("eu-central-1", "http://127.0.0.1:9001")
CLONE = Change("create-function", "lambdatune-shop-1", PLACE)
LOGS = Change("create-log-group", "/aws/lambda/lambdatune-shop-1", PLACE)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def test_a_journal_that_was_never_written_leaves_nothing_to_undo(journal) -> None:
    assert journal.pending() == ()


def test_changes_are_undone_last_first(journal) -> None:
    journal.intend(LOGS)
    journal.intend(CLONE)
    assert Journal(journal.path).pending() == (CLONE, LOGS)


def test_what_was_undone_is_not_pending(journal) -> None:
    journal.intend(LOGS)
    journal.intend(CLONE)
    journal.undone(CLONE)
    assert journal.pending() == (LOGS,)


def test_a_line_that_a_crash_cut_short_was_not_acted_on_yet(journal) -> None:
    journal.intend(LOGS)
    journal.intend(CLONE)
    whole = journal.path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) - 1):
        journal.path.write_bytes(whole[:cut])
        assert journal.pending() == (LOGS,)


def test_a_damaged_line_in_the_middle_is_an_error_that_says_where(journal) -> None:
    journal.intend(LOGS)
    journal.path.write_bytes(b"{nonsense}\n" + journal.path.read_bytes())
    with pytest.raises(UsageError, match="line 1 cannot be read"):
        journal.pending()


def test_what_is_written_after_a_cut_line_is_not_lost_with_it(journal) -> None:
    journal.intend(LOGS)
    journal.path.write_bytes(journal.path.read_bytes() + b'{"event":"intent","chan')
    journal.intend(CLONE)
    assert journal.pending() == (CLONE, LOGS)


def test_the_journal_says_which_process_makes_the_run_and_all_that_it_ever_meant_to_change(journal) -> None:
    assert journal.owner() is None
    journal.begin("ci-7:12:345")
    journal.intend(LOGS)
    journal.undone(LOGS)
    assert journal.owner() == "ci-7:12:345"
    assert journal.pending() == ()
    assert journal.intents() == (LOGS,)


def test_a_change_of_the_users_function_holds_no_environment_and_names_what_undoes_it(journal) -> None:
    change = Change("update-function", "shop", PLACE, run="r", memory_mb=512, changed_memory_mb=256)
    journal.intend(change)
    assert Journal(journal.path).pending() == (change,)
    assert change.thing == "memory size and nonce of function `shop`"
    assert "update-function-configuration --function-name shop --memory-size 512 --region" in change.command()


def test_only_its_owner_may_read_the_journal(journal) -> None:
    journal.intend(CLONE)
    assert journal.path.stat().st_mode & 0o077 == 0


def test_a_change_names_the_command_that_undoes_it_by_hand() -> None:
    assert CLONE.command() == (
        "aws lambda delete-function --function-name lambdatune-shop-1 --region eu-central-1 "
        "--endpoint-url http://127.0.0.1:9001"
    )
