"""VBench-Long's clip boundaries, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probekit.errors import UserError
from probekit.evaluation.clips import (
    ClipRow,
    Span,
    clip_spans,
    clip_table,
    scorer_id_under,
)
from probekit.reporting.table import Table, fields


def official(n_frames: int, fps: float) -> list[tuple[int, int]]:
    """`split_video_into_clips` in its own words: full segments, then the rest, with frames borrowed before it."""
    segment = int(fps) * 2
    if n_frames < segment:
        return [(0, n_frames)]
    total, rest = divmod(n_frames, segment)
    spans = [(i * segment, (i + 1) * segment) for i in range(total)]
    return spans + ([(max(0, total * segment - (segment - rest)), n_frames)] if rest else [])


def test_boundaries_of_five_and_thirty_seconds() -> None:
    assert clip_spans(81, 16.0, "vbench-long") == ((0, 32), (32, 64), (49, 81))
    for n_frames, last in ((489, (457, 489)), (501, (469, 501))):
        spans = clip_spans(n_frames, 16.0, "vbench-long")
        assert (len(spans), spans[0], spans[-1]) == (16, (0, 32), last)


@given(n_frames=st.integers(1, 700), fps=st.floats(1.0, 60.0))
def test_boundaries_are_the_official_ones(n_frames: int, fps: float) -> None:
    assert list(clip_spans(n_frames, fps, "vbench-long")) == official(n_frames, fps)


@given(n_frames=st.integers(1, 700), fps=st.floats(1.0, 60.0))
def test_every_frame_is_in_a_clip_and_clips_have_one_length(n_frames: int, fps: float) -> None:
    spans = clip_spans(n_frames, fps, "vbench-long")
    assert {frame for span in spans for frame in range(*span)} == set(range(n_frames))
    assert len({span.stop - span.start for span in spans}) == 1


def test_clips_of_another_length() -> None:
    assert clip_spans(489, 16.0, "vbench-long", seconds=10) == ((0, 160), (160, 320), (320, 480), (329, 489))


def test_whole_video_is_one_clip() -> None:
    assert clip_spans(489, 16.0) == (Span(0, 489),)


def test_clip_table() -> None:
    assert clip_table([("a", 40, 16.0), ("b", 3, 16.0)], "vbench-long") == [
        ClipRow("a", 0, 0, 32), ClipRow("a", 1, 8, 40), ClipRow("b", 0, 0, 3),
    ]  # fmt: skip
    assert clip_table([("a", 40, 16.0)], "whole") == [ClipRow("a", 0, 0, 40)]


def test_clip_table_as_text() -> None:
    table = Table(fields(ClipRow._fields), clip_table([("a b,c", 81, 16.0)], "vbench-long"))
    assert table.csv() == 'video,clip,start,stop\n"a b,c",0,0,32\n"a b,c",1,32,64\n"a b,c",2,49,81\n'


def test_a_rule_other_than_whole_is_named_in_scorer_ids() -> None:
    assert scorer_id_under("x+noweights+1", "whole") == "x+noweights+1"
    assert scorer_id_under("x+noweights+1", "vbench-long") == "x+noweights+1+clips=vbench-long-2s"


def test_slower_than_a_frame_a_second_is_refused() -> None:
    with pytest.raises(UserError, match="Score it whole"):
        clip_spans(10, 0.5, "vbench-long")
