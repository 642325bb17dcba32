"""Which prompt a chunk reads."""

from typing import Any

import pytest

from probekit.errors import UserError
from probekit.rollout.prompt_schedule import PromptSchedule


def test_a_prompt_holds_from_its_chunk_until_the_next_one_whatever_their_order() -> None:
    texts: dict[int, Any] = {5: "c", 0: "a", 1: "b"}
    schedule = PromptSchedule(texts)
    assert [schedule.at(chunk) for chunk in range(-1, 7)] == ["a", "a", "b", "b", "b", "b", "c", "c"]


def test_one_prompt_has_to_begin_at_the_first_chunk() -> None:
    texts: dict[int, Any] = {1: "a"}
    with pytest.raises(UserError, match="No prompt begins at chunk 0"):
        PromptSchedule(texts)
