"""Latent clips: shards with an index, from the sprite world and from people's videos; what is broken is named."""

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from probekit.errors import UserError
from probekit.media.video_files import write_video
from probekit.models.loading import load_codec
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.video_codec import to_unit_range
from trainer.cli import app
from trainer.data.encode_videos import CaptionedVideo, ClipSize, encode_videos, fitted_frames, read_captions
from trainer.data.latent_clips import LatentClips, shard_path, write_index, write_shard

SIZE = ClipSize(frames=9, height=32, width=32)


def clips(seed: int, count: int = 2) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(16, 3, 8, 8, generator=rng) for _ in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        write_shard(shard_path(tmp_path, "train", number), clips(number), [f"clip {number}-{i}" for i in range(2)])
    write_index(tmp_path)
    return tmp_path


def test_rows_of_all_shards_are_read_in_order(folder: Path) -> None:
    found = LatentClips(folder, "train")
    assert (len(found), found.shape) == (6, (16, 3, 8, 8))
    batch = found.take(np.array([5, 0]), latent_frames=2)
    assert batch.captions == ["clip 2-1", "clip 0-0"]
    assert torch.equal(batch.latents[0], clips(2)[1].half().float()[:, :2])
    assert found.batch(3, 3, np.random.default_rng(0)).latents.shape == (3, 16, 3, 8, 8)


def test_a_lost_or_cut_shard_is_named_and_skipped_only_if_told_to(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost, cut = shard_path(folder, "train", 0), shard_path(folder, "train", 2)
    lost.unlink()
    with pytest.raises(UserError, match="train-00000"):
        LatentClips(folder, "train")
    cut.write_bytes(cut.read_bytes()[:500])
    with caplog.at_level(logging.WARNING):
        assert LatentClips(folder, "train", skip_corrupt=True).captions == ["clip 1-0", "clip 1-1"]
    assert [record.getMessage()[:16] for record in caplog.records] == ["skipped: The sha"] * 2


def test_clips_of_two_sizes_are_refused(folder: Path) -> None:
    write_shard(shard_path(folder, "train", 3), [torch.zeros(16, 2, 8, 8)], ["short"])
    with pytest.raises(UserError, match=r"train-00003.*\(16, 2, 8, 8\)"):
        LatentClips(folder, "train")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    out = tmp_path / "videos"
    out.mkdir()
    rng = np.random.default_rng(0)
    for number, (frames, height, width) in enumerate([(9, 32, 32), (12, 48, 64), (9, 64, 32)]):
        pixels = rng.integers(0, 255, (1, height, width, 3), dtype=np.uint8).repeat(frames, axis=0)
        write_video(out / f"{number}.mp4", pixels, 16.0, crf=10)
    (out / "broken.mp4").write_bytes(b"no video")
    return out


def captions_file(path: Path, names: list[str]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("file", "caption"), *((name, f"video {name}") for name in names)])
    return path


def test_videos_are_fitted_encoded_sharded_and_resumed(videos: Path, tmp_path: Path) -> None:
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    pairs = read_captions(captions_file(tmp_path / "captions.csv", ["0.mp4", "1.mp4", "2.mp4"]), videos)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert encode_videos(pairs, codec, whole, SIZE, clips_per_shard=2) == []
    for worker in (1, 0):
        encode_videos(pairs, codec, parts, SIZE, clips_per_shard=2, numbers=range(2)[worker::2])
    for path in sorted(whole.glob("*.safetensors")):
        assert torch.equal(load_file(path)["latents"], load_file(parts / path.name)["latents"])
    stamp = shard_path(whole, "train", 0).stat().st_mtime_ns
    encode_videos(pairs, codec, whole, SIZE, clips_per_shard=2)
    assert shard_path(whole, "train", 0).stat().st_mtime_ns == stamp
    index = json.loads((whole / "index.json").read_text())
    assert [entry["clips"] for entry in index.values()] == [2, 1]
    found = LatentClips(whole, "train")
    assert found.captions == ["video 0.mp4", "video 1.mp4", "video 2.mp4"]
    from probekit.media.video_files import read_video

    frames = torch.from_numpy(read_video(videos / "0.mp4").frames[None, :9].copy())
    torch.testing.assert_close(found.take(np.array([0])).latents, codec.encode(to_unit_range(frames)).half().float())


def test_frames_cover_the_size_and_keep_the_middle() -> None:
    frames = np.zeros((9, 32, 64, 3), np.uint8)
    frames[:, :, 24:40] = 200
    fitted = fitted_frames(frames, ClipSize(9, 32, 32), Path("wide.mp4"))
    assert fitted.shape == (9, 32, 32, 3)
    assert (fitted[:, :, 8:24] == 200).all()
    assert (fitted[:, :, :8] == 0).all()
    with pytest.raises(UserError, match=r"wide\.mp4 has 9 frames, not 13"):
        fitted_frames(frames, ClipSize(13, 32, 32), Path("wide.mp4"))


def test_a_broken_video_stops_or_is_left_out_as_asked(videos: Path, tmp_path: Path) -> None:
    codec = load_codec(SHIPPED_MODELS / "sprite-base")
    pairs = [CaptionedVideo(videos / name, "a") for name in ("0.mp4", "broken.mp4")]
    with pytest.raises(UserError, match=r"broken\.mp4"):
        encode_videos(pairs, codec, tmp_path / "out", SIZE)
    left_out = encode_videos(pairs, codec, tmp_path / "out", SIZE, skip_corrupt=True)
    assert len(left_out) == 1
    assert "broken.mp4" in left_out[0]
    assert len(LatentClips(tmp_path / "out", "train")) == 1


def test_captions_without_file_or_outside_the_folder_are_named(videos: Path, tmp_path: Path) -> None:
    refused = {"gone.mp4": "line 2: there is no gone.mp4", "../x.mp4": r"names .\.\./x\.mp4., which is no file inside"}
    for name, message in refused.items():
        with pytest.raises(UserError, match=message):
            read_captions(captions_file(tmp_path / "captions.csv", [name]), videos)
    lines = tmp_path / "captions.jsonl"
    lines.write_text('{"file": "0.mp4", "caption": "a"}\n{"file": "1.mp4", "caption": ""}\n')
    with pytest.raises(UserError, match="line 2: file or caption is empty"):
        read_captions(lines, videos)


def test_the_command_encodes_a_folder(videos: Path, tmp_path: Path) -> None:
    arguments = ["encode-videos", str(videos), "--model", "sprite-base", "--out", str(tmp_path / "out")]
    arguments += ["--captions", str(captions_file(tmp_path / "c.csv", ["0.mp4", "broken.mp4"]))]
    arguments += ["--frames", "9", "--height", "32", "--width", "32", "--split", "validation"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 2
    assert "broken.mp4" in refused.output
    taken = CliRunner().invoke(app, [*arguments, "--skip-corrupt"])
    assert taken.exit_code == 0, taken.output
    assert LatentClips(tmp_path / "out", "validation").captions == ["video 0.mp4"]
    uneven = CliRunner().invoke(app, [*arguments, "--frames", "8"])
    assert "--frames 8 is not 1 more than a multiple of 4" in uneven.output
    assert "Use 9" in uneven.output
    ragged = CliRunner().invoke(app, [*arguments, "--height", "30"])
    assert "30x32 is not a multiple of 4 pixels" in ragged.output
    shared = CliRunner().invoke(app, [*arguments, "--shard", "1/2", "--out", str(tmp_path / "none")])
    assert shared.exit_code == 0
    assert list((tmp_path / "none").glob("*.safetensors")) == []


def test_lines_that_are_not_records_are_named(videos: Path, tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    for line, message in (("{broken", "line 2: it is not JSON"), ('["0.mp4"]', "line 2: it is not an object")):
        path.write_text('{"file": "0.mp4", "caption": "a"}\n' + line + "\n")
        with pytest.raises(UserError, match=message):
            read_captions(path, videos)


@pytest.mark.gpu
def test_a_gpu_encodes_as_the_cpu_does(videos: Path, tmp_path: Path) -> None:
    pairs = [CaptionedVideo(videos / "0.mp4", "a")]
    for device in (torch.device("cpu"), torch.device("cuda")):
        codec = load_codec(SHIPPED_MODELS / "sprite-base").to(device)
        encode_videos(pairs, codec, tmp_path / device.type, SIZE, device=device)
    ours, theirs = (LatentClips(tmp_path / name, "train").take(np.array([0])).latents for name in ("cpu", "cuda"))
    torch.testing.assert_close(ours, theirs, atol=2e-3, rtol=0)
