import math
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.video_files import iter_frames, read_video, video_info, write_video
from tests.helpers.shared_data import video_page_path

Frames = NDArray[np.uint8]

LIMITED_WRITE = """
import resource, sys
from pathlib import Path
import numpy as np
from probekit.errors import UserError
from probekit.media.video_files import write_video
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
frames = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
try:
    write_video(Path(sys.argv[1]), frames, 16)
except UserError as error:
    sys.stdout.write(error.problem)
"""

# temporal_flickering of the official vbench 0.1.5 on real videos of 81 frames, 832x480.
OFFICIAL_FLICKERING = {
    "bear-tree-base": 0.948712786506204,
    "burger-ours": 0.9842750100528492,
}


def _random_frames(n_frames: int, height: int = 32, width: int = 32, seed: int = 0) -> Frames:
    return np.random.default_rng(seed).integers(0, 256, (n_frames, height, width, 3), dtype=np.uint8)


def _smooth_frames(n_frames: int = 12, size: int = 64) -> Frames:
    rows, columns = np.mgrid[:size, :size]
    shades = [np.stack([rows * 2 + t, columns * 2 + t, rows + columns], axis=-1) for t in range(n_frames)]
    return np.stack(shades).astype(np.uint8)


@settings(max_examples=20)
@given(
    n_frames=st.integers(1, 6),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    seed=st.integers(0, 9),
    fps=st.sampled_from([8.0, 16.0, 25.0, 30000 / 1001]),
)
def test_lossless_round_trip(
    tmp_path_factory: pytest.TempPathFactory, n_frames: int, height: int, width: int, seed: int, fps: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "lossless.mp4"
    frames = _random_frames(n_frames, height, width, seed)
    write_video(path, frames, fps)
    clip = read_video(path, expect_frames=n_frames)
    assert clip.frames.dtype == np.uint8
    assert np.array_equal(clip.frames, frames)
    assert clip.fps == pytest.approx(fps, rel=1e-9)
    assert video_info(path) == (n_frames, height, width, clip.fps)


def test_frames_come_one_by_one_as_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, _smooth_frames(), 16, crf=20)
    assert np.array_equal(np.stack(list(iter_frames(path))), read_video(path).frames)


def test_lossy_quality_follows_crf(tmp_path: Path) -> None:
    frames = _smooth_frames()
    errors = []
    for crf in (0, 20, 40):
        path = tmp_path / f"{crf}.mp4"
        write_video(path, frames, 16, crf=crf)
        errors.append(float(np.abs(read_video(path).frames.astype(int) - frames).mean()))
    assert errors == sorted(errors)
    assert errors[0] < 3
    with av.open(str(tmp_path / "20.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


def test_equal_frames_give_equal_bytes_on_any_number_of_cores(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", _smooth_frames(), 16, crf=20)
    code = (
        "import sys, numpy as np; from pathlib import Path; from probekit.media.video_files import write_video;"
        "write_video(Path(sys.argv[1]), np.load(sys.argv[2]), 16, crf=20)"
    )
    np.save(tmp_path / "frames.npy", _smooth_frames())
    one_core = {min(os.sched_getaffinity(0))}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "b.mp4"), str(tmp_path / "frames.npy")],
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, one_core),
    )
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("name", sorted(OFFICIAL_FLICKERING))
def test_decoded_pixels_give_the_official_temporal_flickering(name: str) -> None:
    """VBench decodes with OpenCV and takes (255 - mean absolute frame difference) / 255 in float32."""
    clip = read_video(video_page_path("videos", f"{name}.mp4"), expect_frames=81)
    frames = clip.frames[..., ::-1].astype(np.float32)
    differences = [np.mean(np.abs(a - b)) for a, b in pairwise(frames)]
    assert (255.0 - np.mean(differences).item()) / 255.0 == pytest.approx(OFFICIAL_FLICKERING[name], abs=1e-8)
    assert (clip.frames.shape, clip.fps) == ((81, 480, 832, 3), 16)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no video file .*gone\.mp4"):
        read_video(tmp_path / "gone.mp4")
    with pytest.raises(UserError, match="no video file"):
        video_info(tmp_path)


def test_empty_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(UserError, match=r"empty\.mp4 is empty \(0 bytes\)"):
        read_video(tmp_path / "empty.mp4")


@pytest.mark.parametrize("content", [b"not a video", bytes(5000), b"\x00\x00\x00\x18ftypmp42" * 9])
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"text\.mp4 is not a video that can be decoded"):
        read_video(path)


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        samples = np.zeros((1, 1024), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match=r"sound\.mp4 has no video stream"):
        video_info(path)


def test_metadata_in_another_encoding_are_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "latin.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "a title"
        stream = container.add_stream("libx264", rate=16, options={"crf": "0"})
        stream.width = stream.height = 32
        for frame in _random_frames(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    data = path.read_bytes()
    assert b"a title" in data
    path.write_bytes(data.replace(b"a title", b"\xe4 title"))
    assert video_info(path).n_frames == 3


@pytest.mark.parametrize("name", ["a:b.mp4", "file:a.mkv", "x:y/z.mp4", "50%d.mp4"])
def test_relative_path_may_have_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(Path(name), _random_frames(3), 16)
    assert (tmp_path / name).is_file()
    assert np.array_equal(read_video(Path(name)).frames, _random_frames(3))


def test_wrong_length_names_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "short.mp4"
    write_video(path, _random_frames(5), 16)
    with pytest.raises(UserError, match=r"short\.mp4 has 5 frames, not the expected 81"):
        read_video(path, expect_frames=81)


def test_odd_size_is_refused_for_yuv420p(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="even height and width, not 31x32"):
        write_video(tmp_path / "a.mp4", _random_frames(2, 31, 32), 16, crf=20)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((2, 3, 8, 8), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
    ],
)
def test_arrays_that_are_no_frames_are_refused(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(ValueError, match=r"frames must be uint8 \(T, H, W, 3\)"):
        write_video(tmp_path / "a.mp4", frames, 16)


def test_crf_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"crf must be in 0\.\.51"):
        write_video(tmp_path / "a.mp4", _random_frames(1), 16, crf=52)


@pytest.mark.parametrize("fps", [0.0, -16.0, math.nan, math.inf, 1e-9])
def test_impossible_frame_rate_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(ValueError, match=r"fps must be a finite number of at least 1/1001, not"):
        write_video(tmp_path / "a.mp4", _random_frames(1), fps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.gif", "a.png"])
def test_other_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"not a video container that can be written\. Fix: .*\.mp4, \.mkv, \.mov"):
        write_video(tmp_path / name, _random_frames(1), 16)
    assert list(tmp_path.iterdir()) == []


def test_full_output_names_the_file_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    result = subprocess.run(
        [sys.executable, "-c", LIMITED_WRITE, str(path)], capture_output=True, text=True, check=True
    )
    assert result.stdout == f"Cannot write {path}: file size limit exceeded."
    assert list(tmp_path.iterdir()) == []
