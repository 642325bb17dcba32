"""Videos that are cut short, or only seem to be."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.video_files import iter_frames, read_video, video_info, write_video

Frames = NDArray[np.uint8]


def _random_frames(n_frames: int, height: int = 32, width: int = 32, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def _movie_first(path: Path, frames: Frames) -> None:
    """Write a file whose index stands before the pictures, so that a cut file still opens."""
    _repack(path, frames, {"movflags": "+faststart"})


def _edit_list(path: Path, frames: Frames, hidden: int) -> None:
    """Write a file whose index stands first and has an edit list that hides the first frames."""
    _repack(path, frames, {"movflags": "+faststart", "avoid_negative_ts": "disabled"}, hidden)


def _repack(path: Path, frames: Frames, options: dict[str, str], hidden: int = 0) -> None:
    write_video(path.with_suffix(".plain.mp4"), frames, 16)
    with (
        av.open(str(path.with_suffix(".plain.mp4"))) as source,
        av.open(str(path), "w", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                assert packet.pts is not None
                assert packet.duration is not None
                packet.pts -= hidden * packet.duration
                packet.dts -= hidden * packet.duration
                packet.stream = stream
                target.mux(packet)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
def test_truncated_file_never_passes(tmp_path: Path, kept: float) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write_video(whole, _random_frames(20), 16)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.mp4 .*truncated"):
        read_video(cut)


@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.999])
def test_truncated_file_that_still_opens_never_passes(tmp_path: Path, kept: float) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    _movie_first(whole, _random_frames(20))
    assert video_info(whole).n_frames == 20
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.mp4 is truncated"):
        video_info(cut)
    with pytest.raises(UserError, match=r"cut\.mp4 is truncated"):
        list(iter_frames(cut))


@pytest.mark.parametrize("crf", [None, 20])
@pytest.mark.parametrize("kept", [0.5, 0.8, 0.95, 0.999])
def test_truncated_matroska_never_passes(tmp_path: Path, kept: float, crf: int | None) -> None:
    whole, cut = tmp_path / "whole.mkv", tmp_path / "cut.mkv"
    write_video(whole, _random_frames(20), 16, crf=crf)
    assert video_info(whole).n_frames == 20
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=rf"cut\.mkv is truncated: it has \d+ of {len(data)} bytes"):
        read_video(cut)


def test_matroska_of_unknown_length_is_read(tmp_path: Path) -> None:
    """Live recordings do not say how long they are."""
    path = tmp_path / "live.mkv"
    write_video(path, _random_frames(5), 16)
    before, segment, after = path.read_bytes().partition(b"\x18\x53\x80\x67")
    assert after[0] == 1, "a size of eight bytes"
    path.write_bytes(before + segment + b"\x01" + bytes([255] * 7) + after[8:])
    assert video_info(path).n_frames == 5


@pytest.mark.parametrize("kept", [0.5, 0.8, 0.95])
def test_cut_fragment_never_passes(tmp_path: Path, kept: float) -> None:
    """A fragmented MP4 has no frame count in its header."""
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    _repack(whole, _random_frames(20), {"movflags": "frag_keyframe+empty_moov"})
    assert video_info(whole).n_frames == 20
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.mp4 is truncated or damaged"):
        video_info(cut)


def test_frames_that_an_edit_list_hides_are_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "edited.mp4"
    _edit_list(path, _random_frames(20), hidden=8)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 20
    clip = read_video(path, expect_frames=12)
    assert np.array_equal(clip.frames, read_video(path.with_suffix(".plain.mp4")).frames[8:])
    assert clip.fps == 16


@pytest.mark.parametrize("kept", [0.3, 0.5, 0.8, 0.95, 0.99])
def test_truncated_file_with_an_edit_list_never_passes(tmp_path: Path, kept: float) -> None:
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    _edit_list(whole, _random_frames(20), hidden=8)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.mp4 is truncated"):
        video_info(cut)


def test_overwritten_middle_never_passes(tmp_path: Path) -> None:
    path = tmp_path / "holed.mp4"
    _movie_first(path, _random_frames(20))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"holed\.mp4 is truncated or damaged after \d+ frames"):
        read_video(path)
