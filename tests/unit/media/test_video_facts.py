"""Facts of a video come from its packets and time stamps, whatever its header, its tags or its place in a file say."""

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from probekit.errors import UserError
from probekit.media.seeking import read_frames_at
from probekit.media.video_files import iter_frames, read_video, video_info, write_video
from probekit.media.video_stream import Clock, frame_rate
from probekit.reporting.browser_videos import plays_in_browser
from tests.helpers.bad_videos import write_frames, write_sound
from tests.helpers.refusals import CHANGES, Change, changed, is_one_line_about, refusal

RATES = (Fraction(8), Fraction(16), Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60))


def noise(n_frames: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (n_frames, 48, 64, 3), dtype=np.uint8)


def all_frames(path: Path) -> list[np.ndarray]:
    return list(iter_frames(path))


def third_frame(path: Path) -> np.ndarray:
    return read_frames_at(path, (2,), 5)


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
    while start < end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        yield start, size, kind
        start += size


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4s", len(payload) + 8, kind) + payload


def with_cover(path: Path, *, first: bool) -> Path:
    """Write a copy of an MP4 with artwork whose tag stands before or behind the track."""
    data = path.read_bytes()
    picture = io.BytesIO()
    Image.new("RGB", (64, 48), (200, 10, 10)).save(picture, "JPEG")
    cover = box(b"covr", box(b"data", struct.pack(">II", 13, 0) + picture.getvalue()))
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", cover)))
    start, size, _ = next(b for b in boxes(data, 0, len(data)) if b[2] == b"moov")
    inner = [data[s : s + n] for s, n, kind in boxes(data, start + 8, start + size) if kind != b"udta"]
    inner.insert(1 if first else len(inner), tags)
    target = path.with_name(f"cover-{first}.mp4")
    target.write_bytes(data[:start] + box(b"moov", b"".join(inner)))
    return target


@pytest.mark.parametrize("first", [True, False])
def test_a_cover_picture_is_no_video_wherever_its_tag_stands(tmp_path: Path, first: bool) -> None:
    write_video(tmp_path / "plain.mp4", noise(17), 16, crf=20)
    covered = with_cover(tmp_path / "plain.mp4", first=first)
    with av.open(str(covered)) as container:
        assert len(container.streams.video) == 2
    clip = read_video(covered)
    assert np.array_equal(clip.frames, read_video(tmp_path / "plain.mp4").frames)
    assert clip.fps == 16
    assert video_info(covered) == (17, 48, 64, 16)
    assert np.array_equal(read_frames_at(covered, (3, 16), 17), clip.frames[[3, 16]])
    assert plays_in_browser(covered)


def test_a_song_with_a_cover_is_no_video(tmp_path: Path) -> None:
    write_sound(tmp_path / "song.mp4")
    with pytest.raises(UserError, match="its only picture is a cover"):
        read_video(with_cover(tmp_path / "song.mp4", first=False))


def test_several_video_streams_are_named(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=16), container.add_stream("mpeg4", rate=16)]
        for stream, height in zip(streams, (48, 32), strict=True):
            assert isinstance(stream, VideoStream)
            stream.height, stream.width, stream.pix_fmt = height, 64, "yuv420p"
        for stream in streams:
            for pixels in noise(3):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels[: stream.height], format="rgb24")))
            container.mux(stream.encode(None))
    for read in (video_info, read_video, all_frames, third_frame):
        with pytest.raises(
            UserError, match=r"has 2 video streams: stream 0 \(h264, 64x48\); stream 1 \(mpeg4, 64x32\)"
        ):
            read(path)
    assert not plays_in_browser(path)


def write_avi(path: Path, times: list[int]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 16)
        for time, pixels in zip(times, noise(len(times)), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 16)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_held_picture_of_an_avi_is_an_uneven_rate_and_no_loss(tmp_path: Path) -> None:
    """AVI stores "the picture stays" as packets of 0 bytes and counts them."""
    path = write_avi(tmp_path / "held.avi", [*range(16), 18])
    with pytest.raises(UserError, match="no constant frame rate: its frames are 62 to 188 ms apart"):
        video_info(path)
    assert read_video(path).fps == 16
    assert len(read_video(path).frames) == 17


def test_a_header_that_promises_a_frame_too_many_is_not_believed(tmp_path: Path) -> None:
    path = write_avi(tmp_path / "more.avi", list(range(16)))
    data = bytearray(path.read_bytes())
    for tag, place in ((b"avih", 8 + 16), (b"strh", 8 + 32)):
        start = data.index(tag) + place
        assert int.from_bytes(data[start : start + 4], "little") == 16
        data[start : start + 4] = (17).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    assert video_info(path) == (16, 48, 64, 16)


@pytest.mark.parametrize("kept", [0.4, 0.7, 0.9])
def test_a_cut_avi_never_passes(tmp_path: Path, kept: float) -> None:
    path = write_avi(tmp_path / "cut.avi", list(range(40)))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(UserError, match=r"cut\.avi is truncated"):
        video_info(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("seconds", [0, 5])
def test_how_long_the_last_frame_stays_does_not_change_the_rate(tmp_path: Path, suffix: str, seconds: int) -> None:
    plain, path = tmp_path / "plain.mp4", tmp_path / f"long.{suffix}"
    write_frames(plain, n_frames=17)
    with av.open(str(plain)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.dts is not None]
        packets[-1].duration = seconds * int(1 / packets[-1].time_base)
        for packet in packets:
            packet.stream = stream
            target.mux(packet)
    assert video_info(path) == (17, 32, 32, 16)


@given(rate=st.sampled_from(RATES), tick=st.sampled_from((1000, 12800, 90000)), n=st.integers(2, 120), data=st.data())
def test_a_stated_rate_is_taken_where_the_time_stamps_fit_it(
    rate: Fraction, tick: int, n: int, data: st.DataObject
) -> None:
    """Rounded clocks keep 30000/1001 exactly; wrong numbers of the container and the order of frames do not matter."""
    ticks = [round(number / rate * tick) for number in range(n)]
    wrong = data.draw(st.lists(st.sampled_from((Fraction(1), Fraction(90000), Fraction(7, 3))), max_size=2))
    shuffled = data.draw(st.permutations(ticks))
    clock = Clock(sorted(shuffled), Fraction(1, tick), [*wrong, rate, *wrong])
    assert frame_rate(clock) == rate


@given(rate=st.integers(1, 60), n=st.integers(2, 60), offset=st.integers(-90000, 90000))
def test_the_rate_is_measured_where_the_container_states_a_wrong_one(rate: int, n: int, offset: int) -> None:
    ticks = [offset + round(Fraction(number, rate) * 90000) for number in range(n)]
    assert frame_rate(Clock(ticks, Fraction(1, 90000), [Fraction(1001)])) == pytest.approx(rate, rel=1e-3)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for suffix in ("mp4", "mkv", "avi", "ts"):
        write_frames(folder / f"a.{suffix}")
    return {path.suffix: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(suffix=st.sampled_from((".mp4", ".mkv", ".avi", ".ts")), head=st.booleans(), changes=CHANGES)
def test_any_bytes_are_a_video_or_a_named_mistake(
    whole: dict[str, bytes], tmp_path: Path, suffix: str, head: bool, changes: list[Change]
) -> None:
    path = tmp_path / f"mutated{suffix}"
    path.write_bytes(changed(whole[suffix], changes, within=1500 if head else None))
    for read in (video_info, read_video, all_frames, third_frame):
        assert is_one_line_about(refusal(read, path), path)
