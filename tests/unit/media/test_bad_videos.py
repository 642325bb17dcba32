"""What videos as people have them give: pixels where they are legal, one clear line where they are not."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from probekit.errors import UserError
from probekit.media.video_files import iter_frames, read_video, video_info
from tests.helpers.bad_videos import write_frames, write_sound, write_truncated
from tests.helpers.permissions import folder_of_all, ordinary_user


@pytest.mark.parametrize(("height", "width"), [(31, 33), (1, 47), (480, 2)])
def test_odd_sizes_are_legal(tmp_path: Path, height: int, width: int) -> None:
    path = tmp_path / "a.mp4"
    write_frames(path, height=height, width=width, pixel_format="yuv444p")
    assert video_info(path) == (5, height, width, 16.0)


def test_grey_videos_are_legal_and_stay_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    write_frames(path, pixel_format="gray")
    frames = read_video(path).frames
    assert frames.shape == (5, 32, 32, 3)
    assert np.array_equal(frames[..., 0], frames[..., 1])
    assert np.array_equal(frames[..., 0], frames[..., 2])
    assert len(np.unique(frames)) > 100


def test_ten_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    deep, plain = tmp_path / "deep.mp4", tmp_path / "plain.mp4"
    write_frames(deep, pixel_format="yuv444p10le")
    write_frames(plain, pixel_format="yuv444p")
    difference = read_video(deep).frames.astype(int) - read_video(plain).frames
    assert np.abs(difference).mean() < 4, "the same pictures, but for what the codec loses; noise differs by 66"


@pytest.mark.parametrize("name", ["🦊 läuft 🎬.mp4", "x" * 236 + ".mp4", "ß.MP4", " .mp4", "a\nb.mp4"])
def test_any_file_name_is_legal(tmp_path: Path, name: str) -> None:
    write_frames(tmp_path / name)
    assert video_info(tmp_path / name).n_frames == 5


def _nothing_more(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("this is not a video\n" * 100)


def _pointer(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 9\n")


def _page(path: Path) -> None:
    path.write_text("<!DOCTYPE html><html>Sign in")


def _playlist(path: Path) -> None:
    """A text that FFmpeg follows to another file, which is a sound video."""
    write_frames(path.with_name("other.mp4"))
    path.write_text("ffconcat version 1.0\nfile other.mp4\n")


def _askew(path: Path) -> None:
    write_frames(path, width=48, rotation=45)


def _uneven(path: Path) -> None:
    write_frames(path, n_frames=8, times=lambda number: number * number)


def _dropped(path: Path) -> None:
    write_frames(path, n_frames=20, times=lambda number: number + (number > 9))


@pytest.mark.parametrize(
    ("write", "problem"),
    [
        (_nothing_more, r"is empty \(0 bytes\)"),
        (_text, "is not a video that can be decoded"),
        (_pointer, "is a Git LFS pointer, not a video"),
        (_page, "is a web page in HTML, not a video"),
        (_playlist, "is a playlist, which names other files, not a video"),
        (write_sound, "has no video stream"),
        (write_truncated, "truncated"),
        (_askew, r"is stored rotated by -45 degrees, which is no quarter turn"),
        (_uneven, r"no constant frame rate: its frames are 62 to 812 ms apart"),
        (_dropped, r"no constant frame rate: its frames are 62 to 125 ms apart"),
    ],
)
def test_what_cannot_be_scored_gives_one_line_and_a_fix(
    tmp_path: Path, write: Callable[[Path], None], problem: str
) -> None:
    path = tmp_path / "bad.mp4"
    write(path)
    with pytest.raises(UserError, match=problem) as caught:
        video_info(path)
    assert "bad.mp4" in str(caught.value)
    assert "Fix: " in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotated_videos_are_shown_upright(tmp_path: Path, degrees: int) -> None:
    """A display matrix turns clockwise (ISO 14496-12)."""
    stored, turned = tmp_path / "stored.mp4", tmp_path / "turned.mp4"
    write_frames(stored, width=48)
    write_frames(turned, width=48, rotation=degrees)
    expected = np.rot90(read_video(stored).frames, -degrees // 90, axes=(1, 2))
    assert np.array_equal(read_video(turned).frames, expected)
    assert video_info(turned)[1:3] == expected.shape[1:3]
    assert all(np.array_equal(*pair) for pair in zip(iter_frames(turned), expected, strict=True))


@pytest.mark.parametrize(
    ("pixel_format", "rotation", "levels"),
    [("yuv420p", 0, 0), ("yuv444p", 0, 0), ("gray", 0, 0), ("yuv444p10le", 0, 0), ("yuv420p10le", 0, 4)]
    + [("yuv420p", degrees, 0) for degrees in (90, 180, 270)],
)
def test_pixels_are_those_of_opencv(tmp_path: Path, pixel_format: str, rotation: int, levels: int) -> None:
    """The official dimensions see what OpenCV decodes."""
    cv2 = pytest.importorskip("cv2")
    path = tmp_path / "a.mp4"
    write_frames(path, width=48, pixel_format=pixel_format, rotation=rotation)
    capture = cv2.VideoCapture(str(path))
    for frame in read_video(path).frames:
        seen, theirs = capture.read()
        assert seen
        assert theirs.shape == frame.shape
        assert np.abs(theirs[..., ::-1].astype(int) - frame).max() <= levels


def test_clocks_that_round_are_constant(tmp_path: Path) -> None:
    """Matroska counts milliseconds: at 16 frames per second its frames are 62 or 63 apart."""
    write_frames(tmp_path / "a.mkv", n_frames=30)
    assert video_info(tmp_path / "a.mkv").fps == pytest.approx(16, rel=1e-3)


def test_names_that_no_disk_has_are_refused(tmp_path: Path) -> None:
    for name in ("x" * 300 + ".mp4", "a\0b.mp4"):
        with pytest.raises(UserError, match=r"name too long|There is no video file"):
            video_info(tmp_path / name)


def test_unreadable_files_and_folders_are_named() -> None:
    with folder_of_all() as root:
        folder, video = root / "closed", root / "closed" / "a.mp4"
        folder.mkdir()
        write_frames(video)
        video.chmod(0o644)
        with ordinary_user():
            assert video_info(video).n_frames > 0
        for closed in (video, folder):
            closed.chmod(0)
            with ordinary_user(), pytest.raises(UserError, match="Permission denied"):
                video_info(video)
            closed.chmod(0o755)
