"""Which chunks each chunk may attend to."""

import pytest

from probekit.models.causal_attention import block_causal, teacher_forcing


def test_a_chunk_sees_itself_and_every_chunk_before_it() -> None:
    assert block_causal(3) == [[0], [0, 1], [0, 1, 2]]


def test_a_window_keeps_the_newest_chunks() -> None:
    assert block_causal(4, window_chunks=2) == [[0], [0, 1], [1, 2], [2, 3]]


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_under_teacher_forcing_a_noisy_chunk_sees_every_earlier_clean_chunk_and_itself(chunks: int) -> None:
    clean, noisy = teacher_forcing(chunks)[:chunks], teacher_forcing(chunks)[chunks:]
    assert clean == block_causal(chunks)
    for index, seen in enumerate(noisy):
        assert set(seen) == set(range(index)) | {chunks + index}
        assert len(seen) == index + 1
