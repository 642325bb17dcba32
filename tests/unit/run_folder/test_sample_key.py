import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.run_folder.sample_key import SampleKey

FIELD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9.-]{0,20}", fullmatch=True)
KEYS = st.builds(SampleKey, FIELD, FIELD, st.integers(0, 10**6))


@given(KEYS)
def test_file_name_is_read_back(key: SampleKey) -> None:
    assert SampleKey.parse(key.filename()) == key


@given(a=KEYS, b=KEYS)
def test_different_keys_have_different_names(a: SampleKey, b: SampleKey) -> None:
    assert (a.filename() == b.filename()) == (a == b)


@given(st.text(max_size=40))
def test_parse_takes_only_what_filename_gives(text: str) -> None:
    try:
        key = SampleKey.parse(text)
    except UserError:
        return
    assert key.filename() == text


@given(suite=st.text(max_size=10), prompt_id=st.text(max_size=10))
def test_every_accepted_key_comes_back(suite: str, prompt_id: str) -> None:
    try:
        key = SampleKey(suite, prompt_id, 0)
    except UserError:
        return
    assert SampleKey.parse(key.filename()) == key


def test_name_of_a_sample() -> None:
    assert SampleKey("sprite-test", "0042", 3).filename() == "sprite-test__0042__003.mp4"
    assert SampleKey("s", "p", 1234).filename() == "s__p__1234.mp4"


def test_keys_sort_by_suite_prompt_and_number() -> None:
    keys = [SampleKey("b", "0", 0), SampleKey("a", "1", 10), SampleKey("a", "1", 9)]
    assert sorted(keys) == keys[::-1]


@pytest.mark.parametrize(
    ("suite", "prompt_id", "named"),
    [
        ("s", "a__b", "prompt_id 'a__b'"),
        ("a b", "p", "suite 'a b'"),
        ("s", "", "prompt_id ''"),
        ("s", "../x", "prompt_id"),
        ("s", "a/b", "prompt_id 'a/b'"),
        ("s", "..", "prompt_id '..'"),
        ("s", "x" * 300, "of 300 characters makes too long a name"),
    ],
)
def test_fields_that_are_no_file_name_are_refused(suite: str, prompt_id: str, named: str) -> None:
    with pytest.raises(UserError, match=named):
        SampleKey(suite, prompt_id, 0)


def test_negative_sample_is_refused() -> None:
    with pytest.raises(UserError, match="-1 is negative"):
        SampleKey("s", "p", -1)


@pytest.mark.parametrize(
    "name", ["A dog runs-0.mp4", "s__p__1.mp4", "s__p__0001.mp4", "s__p__001.webm", "s__p__001.mp4\n"]
)
def test_foreign_names_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="is not the name of a sample"):
        SampleKey.parse(name)
