"""The world as a model: videos that show what their prompts state, drawn by key."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from probekit.errors import UserError
from probekit.media.video_files import read_video
from probekit.rollout.generation_runner import Request
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.world_sampler import WorldSampler
from probekit.run_folder.manifest import load_video_set
from probekit.sprite_world.captions import parse_caption
from probekit.sprite_world.dynamics import seen_at_start
from probekit.sprite_world.episodes import scene_stating
from probekit.sprite_world.tracker import track_video
from probekit.sprite_world.vocabulary import PILLAR_COLUMNS, SHAPES, STARTS
from probekit.suites.registry import load_suite
from probekit.suites.suite import Prompt, Suite
from probekit.workflows.sample import SpeedSettings, sample_suite

SUITE = load_suite("sprite-5s").reduced(12, 2)


def videos(suite: Suite, **fields: object) -> NDArray[np.uint8]:
    texts = suite.generation_texts()
    requests = [Request(key, texts[key.prompt_id]) for key in suite.keys()]
    return WorldSampler(suite, SamplingConfig(**fields)).generate(requests)


def test_a_video_begins_with_what_its_prompt_states() -> None:
    texts = SUITE.generation_texts()
    for key, frames in zip(SUITE.keys(), videos(SUITE._replace(frames=9)), strict=True):
        stated, read = parse_caption(texts[key.prompt_id]), track_video(frames)
        tracks = {track.color: track for track in read.tracks}
        assert read.background == stated.background
        assert (read.pillar_x is not None) == stated.pillar
        assert set(read.present) == {sprite.color for sprite in stated.sprites}
        for sprite in stated.sprites:
            track = tracks[sprite.color]
            assert SHAPES[track.shape[0]] == sprite.shape
            assert np.abs(np.subtract((track.x[0], track.y[0]), STARTS[sprite.start])).max() < 1.5


def test_without_a_configuration_the_seed_is_zero_and_every_seed_has_its_own_videos() -> None:
    suite = SUITE.reduced(2, 1)._replace(frames=33)
    requests = [Request(key, suite.generation_texts()[key.prompt_id]) for key in suite.keys()]
    plain = WorldSampler(suite)
    np.testing.assert_array_equal(plain.generate(requests), videos(suite, seed=0))
    assert (plain.generate(requests) != videos(suite, seed=1)).any()
    assert (plain.card.seed, plain.card.batch_size, plain.card.fps) == (0, 1, 16)
    assert WorldSampler(suite, SamplingConfig(seed=3)).card.seed == 3


@pytest.mark.long
def test_videos_of_one_prompt_part_and_one_key_has_one_video() -> None:
    one = videos(SUITE)
    assert one.shape == (24, 81, 32, 32, 3)
    np.testing.assert_array_equal(one, videos(SUITE))
    assert any((first != second).any() for first, second in zip(one[::2], one[1::2], strict=True))
    assert (one != videos(SUITE, seed=1)).any()
    np.testing.assert_array_equal(videos(SUITE._replace(frames=489))[:, :81], one)  # a longer video begins with it


def test_the_pillar_stands_where_no_sprite_is_hidden_at_the_start() -> None:
    facts = parse_caption("a large red circle east heading east over the desert behind a pillar")
    scenes = [scene_stating(facts, np.random.default_rng(seed)) for seed in range(40)]
    seen = {column for column in PILLAR_COLUMNS if seen_at_start(scenes[0]._replace(pillar_x=column))}
    assert {scene.pillar_x for scene in scenes} == seen
    hidden = parse_caption("a small red circle center heading east over the desert behind a pillar")
    assert scene_stating(hidden, np.random.default_rng(0)).pillar_x in PILLAR_COLUMNS


def test_true_videos_fill_a_run_folder_with_an_honest_card(tmp_path: Path) -> None:
    suite = SUITE.reduced(2, 1)
    rows = sample_suite("sprite-world", suite, tmp_path / "run")
    assert len(rows) == 2
    card = load_video_set(tmp_path / "run").protocol.generation
    assert (card.model, card.codec, card.checkpoint_hash) == ("sprite-world", "none", None)
    written = read_video(tmp_path / "run" / rows[0].path).frames.astype(int)
    assert np.abs(written - videos(suite)[0]).mean() < 4


@pytest.mark.parametrize(
    ("suite", "config", "message"),
    [
        (SUITE._replace(width=48), {}, "frames of 32x32"),
        (SUITE._replace(prompts=(Prompt("a", "a cat"),)), {}, "'a cat' is not a sentence of the sprite world"),
        (SUITE, {"steps": 4}, "The sprite world has no use for steps"),
        (SUITE, {"compile": True}, "no use for compile"),
        (SUITE, {"precision": "bfloat16"}, "no use for precision"),
    ],
)
def test_what_the_world_cannot_do_is_refused_before_a_folder_is_made(
    tmp_path: Path, suite: Suite, config: dict[str, object], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        sample_suite("sprite-world", suite, tmp_path / "run", SamplingConfig(**config))
    assert not (tmp_path / "run").exists()


def test_the_world_has_no_speed_and_no_prompt_cache(tmp_path: Path) -> None:
    for options in ({"speed": SpeedSettings()}, {"prompt_cache": tmp_path}):
        with pytest.raises(UserError, match="no network"):
            sample_suite("sprite-world", SUITE, tmp_path / "run", **options)
