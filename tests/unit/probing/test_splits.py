"""Splits of prompts, futures of chunks and exchanged futures, by hand and as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.probing.splits import Side, ahead, shuffled_videos, side_of, split_prompts


@pytest.mark.parametrize(
    ("prompts", "sizes"), [(5, (2, 1, 2)), (6, (3, 1, 2)), (10, (5, 1, 4)), (20, (10, 2, 8)), (100, (50, 10, 40))]
)
def test_half_of_the_prompts_train_a_tenth_validates_and_the_rest_judges(prompts: int, sizes: tuple[int, ...]) -> None:
    names = [f"p{number}" for number in range(prompts) for _ in range(2)]  # two videos of each
    split = split_prompts(names)
    assert tuple(map(len, split)) == sizes
    assert frozenset.union(*split) == set(names)
    assert sum(map(len, split)) == prompts  # none on two sides


@pytest.mark.parametrize("prompts", [1, 2, 3, 4])
def test_fewer_than_five_prompts_cannot_be_split(prompts: int) -> None:
    with pytest.raises(UserError, match=f"{prompts} prompts cannot be split"):
        split_prompts([str(number) for number in range(prompts)])


def test_a_split_depends_on_its_seed_and_not_on_the_order_of_the_videos() -> None:
    names = [f"p{number}" for number in range(30)]
    assert split_prompts(names) == split_prompts(names[::-1]) == split_prompts(names, seed=0)
    assert split_prompts(names, seed=1) != split_prompts(names)


def test_a_side_is_every_chunk_of_the_videos_of_its_prompts() -> None:
    side = side_of(["a", "b", "a"], frozenset("a"), chunks=3)
    assert side.videos.tolist() == [0, 0, 0, 2, 2, 2]
    assert side.chunks.tolist() == [0, 1, 2, 0, 1, 2]


def test_a_future_is_the_value_so_many_chunks_later_and_unknown_after_the_end() -> None:
    values = np.arange(2 * 3 * 1, dtype=np.float32).reshape(2, 3, 1)  # 0 1 2, 3 4 5
    side = Side(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 0, 1, 2]))
    nan = np.nan
    for horizon, expected in ((0, [0, 1, 2, 3, 4, 5]), (1, [1, 2, nan, 4, 5, nan]), (2, [2, nan, nan, 5, nan, nan])):
        np.testing.assert_array_equal(
            ahead(values, side, horizon), np.array(expected, np.float32)[:, None], strict=True
        )
    assert np.isnan(ahead(values, side, 3)).all()


@given(counts=st.lists(st.integers(1, 3), min_size=2, max_size=6), seed=st.integers(0, 20))
def test_every_video_gets_the_future_of_another_prompt_and_no_prompt_is_given_twice(
    counts: list[int], seed: int
) -> None:
    names = [str(prompt) for prompt, count in enumerate(counts) for _ in range(count)]
    others = shuffled_videos(names, seed)
    given_to = {name: {names[other] for other, one in zip(others, names, strict=True) if one == name} for name in names}
    assert all(len(found) == 1 and name not in found for name, found in given_to.items())
    assert len(set.union(*given_to.values())) == len(counts)


def test_videos_of_a_prompt_keep_their_order_and_begin_again_where_the_other_has_fewer() -> None:
    names = ["a", "b", "a", "b", "a"]  # a has videos 0, 2 and 4, b has 1 and 3
    assert shuffled_videos(names).tolist() == [1, 0, 3, 2, 1]


def test_the_circle_of_prompts_is_seeded() -> None:
    names = [str(number) for number in range(12)]
    assert shuffled_videos(names, 1).tolist() == shuffled_videos(names, 1).tolist()
    assert shuffled_videos(names, 1).tolist() != shuffled_videos(names, 0).tolist()
    assert shuffled_videos(names).tolist() == shuffled_videos(names, 0).tolist()
