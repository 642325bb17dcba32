"""GRiT's four dimensions: the official functions run on recorded detections; only the detector itself is replaced.

Detections are what `run_caption_tensor` gives: for each box (caption, corners, classes of all boxes), best box first.
"""

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from probekit.evaluation.vbench.official.detectors import detect
from probekit.evaluation.vbench.official.inputs import OfficialInput
from probekit.evaluation.vbench.official.records import score_of
from probekit.evaluation.vbench.official.repairs import official_module
from probekit.media.video_files import write_video
from probekit.suites.vbench import vbench_entries

pytestmark = pytest.mark.slow

FRAMES = 16
MODULES = ("object_class", "multiple_objects", "color", "spatial_relationship")
Box = tuple[str, list[int]]

LEFT, RIGHT, ABOVE, BELOW = [0, 10, 10, 20], [40, 10, 50, 20], [20, 0, 30, 8], [20, 30, 30, 40]


class Recorded:
    """Answers with recorded detections, one list of (class, corners) for each frame."""

    def __init__(self, frames: list[list[Box]], captions: list[str] | None = None) -> None:
        self._frames: Iterator[list[Box]] = iter(frames)
        self._captions = captions

    def run_caption_tensor(self, frame: Any) -> tuple[list[tuple[str, list[int], list[str]]], None]:
        assert frame.shape == (24, 32, 3)
        boxes = next(self._frames)
        classes = [name for name, _ in boxes]
        captions = self._captions or classes
        return [(caption, corners, classes) for caption, (_, corners) in zip(captions, boxes, strict=False)], None


class Broken:
    """A detector without its operator."""

    def run_caption_tensor(self, frame: Any) -> Any:
        raise NotImplementedError("torchvision::nms")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The four official modules, imported without detectron2, which only their detector needs."""
    grit = types.ModuleType("vbench.third_party.grit_model")
    vars(grit)["DenseCaptioning"] = Recorded
    monkeypatch.setitem(sys.modules, grit.__name__, grit)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, f"vbench.{name}", raising=False)
    return {name: vars(official_module(name))[name] for name in MODULES}


@pytest.fixture
def video(tmp_path: Path) -> str:
    path = tmp_path / "video.mp4"
    write_video(path, np.zeros((20, 24, 32, 3), np.uint8), 8.0)
    return str(path)


def entry_input(dimension: str, text: str, path: str) -> OfficialInput:
    """The input that VBench's list gives for a prompt."""
    entry = next(each for each in vbench_entries() if each.text == text and dimension in each.dimensions)
    return OfficialInput(path, entry.text, entry.auxiliary[dimension])


def test_object_class_counts_frames(modules: dict[str, Any], video: str) -> None:
    seen: list[list[Box]] = [[("person", LEFT), ("car", RIGHT)]] * 12 + [[]] * 4
    given = entry_input("object_class", "a person", video)
    record = detect("object_class", modules["object_class"], Recorded(seen), given, "cpu")
    assert record == {"video_path": video, "video_results": 0.75, "success_frame_count": 12, "frame_count": FRAMES}
    assert score_of("object_class", record) == (0.75, 12.0, 16.0, None)


def test_multiple_objects_wants_both(modules: dict[str, Any], video: str) -> None:
    seen: list[list[Box]] = [[("bird", LEFT), ("cat", RIGHT)]] * 4 + [[("bird", LEFT)]] * 12
    given = entry_input("multiple_objects", "a bird and a cat", video)
    record = detect("multiple_objects", modules["multiple_objects"], Recorded(seen), given, "cpu")
    assert record is not None
    assert score_of("multiple_objects", record) == (0.25, 4.0, 16.0, None)


def test_color_is_a_share_of_the_frames_that_show_the_object_in_a_color(modules: dict[str, Any], video: str) -> None:
    given = entry_input("color", "a red bicycle", video)
    seen: list[list[Box]] = [[("bicycle", LEFT)]] * FRAMES
    record = detect("color", modules["color"], Recorded(seen, ["a red bicycle"]), given, "cpu")
    assert record == {"video_path": video, "video_results": 1.0, "cur_success_frame_rate": 1.0}
    blue = detect("color", modules["color"], Recorded(seen, ["a blue bicycle"]), given, "cpu")
    assert blue is not None
    assert blue["video_results"] == 0.0


def test_color_drops_videos_without_the_object_in_any_color(modules: dict[str, Any], video: str) -> None:
    given = entry_input("color", "a red bicycle", video)
    seen: list[list[Box]] = [[("car", LEFT)]] * FRAMES
    assert detect("color", modules["color"], Recorded(seen, ["a red car"]), given, "cpu") is None
    assert detect("color", modules["color"], Recorded([[]] * FRAMES), given, "cpu") is None


def test_color_takes_the_class_of_the_best_box_for_all_boxes(modules: dict[str, Any], video: str) -> None:
    """A defect of the official code that scores depend on: any box's caption counts if the best box is the object."""
    given = entry_input("color", "a red bicycle", video)
    seen: list[list[Box]] = [[("bicycle", LEFT), ("car", RIGHT)]] * FRAMES
    record = detect("color", modules["color"], Recorded(seen, ["a bicycle", "a red car"]), given, "cpu")
    assert record is not None
    assert record["video_results"] == 1.0


@pytest.mark.parametrize("flipped", [False, True])
def test_spatial_relationship_does_not_tell_left_from_right(flipped: bool, modules: dict[str, Any], video: str) -> None:
    given = entry_input("spatial_relationship", "a bicycle on the left of a car, front view", video)
    bicycle, car = (RIGHT, LEFT) if flipped else (LEFT, RIGHT)
    seen: list[list[Box]] = [[("bicycle", bicycle), ("car", car)]] * 8 + [[("bicycle", ABOVE), ("car", BELOW)]] * 8
    record = detect("spatial_relationship", modules["spatial_relationship"], Recorded(seen), given, "cpu")
    assert record is not None
    assert record["frame_results"] == [1] * 8 + [0] * 8
    assert score_of("spatial_relationship", record) == (0.5, 8.0, 16.0, None)


@pytest.mark.parametrize("dimension", MODULES)
def test_a_broken_detector_is_a_failure_and_never_a_zero(dimension: str, modules: dict[str, Any], video: str) -> None:
    entry = next(each for each in vbench_entries() if dimension in each.dimensions)
    given = OfficialInput(video, entry.text, entry.auxiliary[dimension])
    if dimension == "object_class":
        _, records = modules[dimension](Broken(), [given.info()], "cpu")
        assert records[0]["video_results"] == 0.0, "what the official code makes of it"
    with pytest.raises(NotImplementedError, match="nms"):
        detect(dimension, modules[dimension], Broken(), given, "cpu")
