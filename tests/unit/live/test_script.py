"""A script says what a watcher did; as options of a command it says the same."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.live.script import Change, Script, script_of

SEEDS = st.integers(0, 2**53 - 1)
PROMPTS = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1, max_size=30).filter(
    str.strip
)
CHANGES = st.builds(
    Change,
    chunk=st.integers(0, 9),
    prompt=PROMPTS | st.none(),
    seed=SEEDS | st.none(),
    forks=st.lists(SEEDS, max_size=6, unique=True).map(tuple) | st.none(),
)


def of_options(words: list[str]) -> Script:
    values = dict(zip(words[:4:2], words[1:4:2], strict=True))
    assert set(words[4::2]) <= {"--at"}
    return script_of(values["--prompt"], int(values["--seed"]), words[5::2])


@given(PROMPTS, SEEDS, st.lists(CHANGES, max_size=5))
def test_the_options_of_a_script_give_the_script_again(prompt: str, seed: int, changes: list[Change]) -> None:
    script = Script(prompt=prompt, seed=seed)
    for change in sorted(changes, key=lambda one: one.chunk):
        script = script.with_change(change)
    again = of_options(shlex.split(shlex.join(script.options())))
    assert (again.prompt, again.seed) == (script.prompt, script.seed)
    assert all(again.at(chunk) == script.at(chunk) for chunk in range(10))


def test_two_changes_of_one_chunk_are_one_and_a_change_takes_later_ones_away() -> None:
    script = Script(prompt="a").with_change(Change(chunk=2, seed=4)).with_change(Change(chunk=5, seed=6))
    script = script.with_change(Change(chunk=2, prompt="b")).with_change(Change(chunk=2, forks=(1,)))
    assert script.changes == (Change(chunk=2, seed=4, prompt="b", forks=(1,)),)
    assert script.at(5) == Change(chunk=5)
    assert script.options() == [
        "--prompt",
        "a",
        "--seed",
        "0",
        "--at",
        "2:prompt=b",
        "--at",
        "2:seed=4",
        "--at",
        "2:forks=1",
    ]


def test_an_empty_list_of_forks_ends_them_and_is_not_the_same_as_none() -> None:
    assert script_of("a", 0, ["3:forks="]).at(3).forks == ()
    assert script_of("a", 0, ["3:seed=1"]).at(3).forks is None


@pytest.mark.parametrize(
    "text",
    [
        "seed=3", "3", "3:seeds=1", "-1:seed=2", "3:seed=", "3:seed=x", "3:seed=1,2", "3:seed=-1", "3:forks=1,1",
        "3:forks=1,2,3,4,5,6,7", "3:prompt=", "3:prompt= ", "3:prompt=a\nb", "3:prompt=a\x00", "9999999:seed=1",
        "3:seed=9007199254740992", "٣:seed=1", "3:forks=1.5",
    ],
)  # fmt: skip
def test_a_change_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(UserError, match="--at"):
        script_of("a", 0, [text])


@pytest.mark.parametrize(("prompt", "seed"), [("", 0), (" ", 0), ("a" * 2001, 0), ("a", -1), ("a", 2**53)])
def test_a_first_prompt_or_seed_that_does_not_fit_is_refused(prompt: str, seed: int) -> None:
    with pytest.raises(UserError, match="the command's options"):
        script_of(prompt, seed, [])
