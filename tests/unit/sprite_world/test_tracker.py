"""The tracker against exact ground truth, before and after a codec, and on videos that are no sprite videos."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from probekit.errors import UserError
from probekit.sprite_world.episodes import Episode, episode
from probekit.sprite_world.renderer import coverage, render
from probekit.sprite_world.scene import Scene, Sprite
from probekit.sprite_world.template_fit import fit_templates
from probekit.sprite_world.tracker import SpriteTrack, TrackedVideo, track_video
from probekit.sprite_world.tracker_objects import Sight, tracked_objects
from probekit.sprite_world.tracker_templates import IDENTITIES
from probekit.sprite_world.vocabulary import BACKGROUNDS, COLORS, SHAPES, SIZES
from tests.helpers.sprite_videos import CIRCLE, OPEN, PAIR, PILLAR, SQUARE, clip_of, straight

Frames = NDArray[np.uint8]


class Accuracy(NamedTuple):
    right: float
    hidden: float
    false_colors: int


def accuracy(episodes: list[Episode], videos: list[TrackedVideo]) -> Accuracy:
    """Share of half-visible frames with the right identity within 1 px; of hidden ones seen as hidden."""
    right, hidden, false_colors = [], [], 0
    for truth, video in zip(episodes, videos, strict=True):
        tracks = {track.color: track for track in video.tracks}
        false_colors += len(tracks.keys() - {sprite.color for sprite in truth.scene.sprites})
        for i, sprite in enumerate(truth.labels.identity):
            track, fraction = tracks[sprite.color], truth.labels.visible_fraction[:, i]
            error = np.hypot(*(np.stack([track.x, track.y]) - truth.labels.position[:, i].T))
            same = (track.shape == SHAPES.index(sprite.shape)) & (track.size == list(SIZES).index(sprite.size))
            right.append((same & (error <= 1))[fraction >= 0.5])
            hidden.append(~track.visible[fraction < 0.02])
    return Accuracy(np.concatenate(right).mean(), np.concatenate([*hidden, [True]]).mean(), false_colors)


@pytest.fixture(scope="module")
def episodes() -> list[Episode]:
    return [episode("validation", 5, index) for index in range(12)]


def test_reads_true_videos(episodes: list[Episode]) -> None:
    videos = [track_video(truth.frames) for truth in episodes]
    assert accuracy(episodes, videos) >= Accuracy(0.99, 0.99, 0)
    assert [video.background for video in videos] == [truth.scene.background for truth in episodes]
    assert [video.pillar_x for video in videos] == [truth.scene.pillar_x for truth in episodes]
    assert min(video.background_confidence for video in videos) > 0.7


def test_reads_videos_after_the_codec(episodes: list[Episode]) -> None:
    import torch

    from probekit.models.linear_codec import LinearVideoCodec
    from probekit.models.video_codec import to_uint8_frames, to_unit_range

    def batch(videos: list[Episode]) -> torch.Tensor:
        return to_unit_range(torch.from_numpy(np.stack([video.frames for video in videos])))

    codec = LinearVideoCodec.fit(batch([episode("train", 0, index, n_frames=41) for index in range(60)]))
    decoded = to_uint8_frames(codec.decode(codec.encode(batch(episodes)))).numpy()
    result = accuracy(episodes, [track_video(frames) for frames in decoded])
    assert result.right >= 0.97
    assert result.hidden >= 0.97  # the codec smears four frames into one another
    assert result.false_colors == 0


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", SIZES)
def test_every_identity_at_every_phase(shape: str, size: str) -> None:
    """Positions come back to a twentieth of a pixel, anywhere in the frame."""
    rng = np.random.default_rng(3)
    truth = rng.uniform(SIZES[size], 32 - SIZES[size], (40, 2)).astype(np.float32)
    alpha = coverage(shape, SIZES[size], truth[:, 0], truth[:, 1])
    fit = fit_templates(alpha, np.ones(alpha.shape, bool))
    best = fit.error.argmin(1)
    assert {IDENTITIES[index] for index in best} == {(shape, size)}
    found = np.stack([fit.x, fit.y], -1)[np.arange(40), best]
    np.testing.assert_allclose(found, truth, atol=0.05)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_integer_search_finds_the_least_error(seed: int) -> None:
    """The FFT finds what trying every shift finds: no template fits better at another integer centre."""
    rng = np.random.default_rng(seed)
    alpha = rng.random((1, 32, 32), np.float32)
    valid = rng.random((1, 32, 32)) > 0.3
    fit = fit_templates(alpha, valid)
    for m in (0, 3, 7):
        shape, size = IDENTITIES[m]
        centre = np.arange(round(SIZES[size]), 33 - round(SIZES[size]))
        y, x = (grid.ravel().astype(np.float32) for grid in np.meshgrid(centre, centre, indexing="ij"))
        template = coverage(shape, SIZES[size], x, y)
        error = (valid * (alpha - template) ** 2).sum((1, 2)) + 0.004 * (~valid * template).sum((1, 2))
        assert fit.error[0, m] <= error.min() + 1e-2


def test_shape_is_decided_frame_by_frame() -> None:
    clip = clip_of(OPEN)
    swapped = render(OPEN._replace(sprites=(CIRCLE._replace(shape="cross", size="small"),)), clip.position)
    (track,) = track_video(np.concatenate([clip.frames[:30], swapped[30:]])).tracks
    assert [SHAPES[i] for i in track.shape] == ["circle"] * 30 + ["cross"] * 51
    assert [tuple(SIZES)[i] for i in track.size] == ["large"] * 30 + ["small"] * 51


def test_visible_fraction_and_front_sprite() -> None:
    """A sprite behind another is recognised from what is left of it, and says how much that is."""
    scene = Scene((SQUARE, CIRCLE), "desert", None, ("plain", "plain"))
    position = np.broadcast_to(np.array([[18.0, 18.0], [15.0, 15.0]], np.float32), (4, 2, 2))
    red = next(track for track in track_video(render(scene, position)).tracks if track.color == "red")
    assert [SHAPES[i] for i in red.shape] == ["circle"] * 4
    np.testing.assert_allclose(red.x, 15.0, atol=0.2)
    assert 0.4 < red.visible_fraction.min() <= red.visible_fraction.max() < 0.75


def test_blended_edge_is_no_third_sprite() -> None:
    """Where red and yellow meet there is orange, but no orange sprite."""
    sprites = (Sprite("red", "circle", "large"), Sprite("yellow", "circle", "large"))
    position = np.stack([straight((10, 10), (0.2, 0.2), 41), straight((14, 10), (0.1, 0.2), 41)], axis=1)
    video = track_video(render(Scene(sprites, "night", None, ("plain", "plain")), position))
    assert set(video.present) == {"red", "yellow"}
    assert {track.color for track in video.tracks} == {"red", "yellow"}


@pytest.mark.parametrize(
    "distort",
    [
        lambda frames: gaussian_filter(frames, (0, 0.8, 0.8, 0)),
        lambda frames: frames + np.random.default_rng(0).normal(0, 12, frames.shape),
        lambda frames: frames + np.array([12, -8, 10]),
        lambda frames: 110 + 0.8 * (frames - 110),
    ],
    ids=["blur", "noise", "colour cast", "low contrast"],
)
def test_reads_imperfect_videos(episodes: list[Episode], distort: Callable[[NDArray[np.float64]], Frames]) -> None:
    few = episodes[:4]
    videos = [np.rint(distort(truth.frames.astype(np.float64))).clip(0, 255).astype(np.uint8) for truth in few]
    assert accuracy(few, [track_video(frames) for frames in videos]).right >= 0.9


def test_confidence_falls_with_the_picture() -> None:
    clip = clip_of(OPEN)
    blurred = gaussian_filter(clip.frames.astype(np.float32), (0, 2.0, 2.0, 0)).astype(np.uint8)
    (clean,), (poor,) = track_video(clip.frames).tracks, track_video(blurred).tracks
    assert clean.confidence.min() > 0.9
    assert np.median(poor.confidence) < 0.85


@pytest.mark.parametrize("value", [0, 255, 128])
def test_plain_frames_hold_nothing(value: int) -> None:
    video = track_video(np.full((9, 32, 32, 3), value, np.uint8))
    assert video.present == () or video.present == ("white",)
    assert video.background_confidence < 0.5
    assert len(tracked_objects(video)) <= 1


def test_empty_background_and_noise() -> None:
    for name in BACKGROUNDS:
        frames = render(Scene((CIRCLE,), name, 6, ("plain",)), np.full((5, 1, 2), -50, np.float32))
        video = track_video(frames)
        assert (video.background, video.pillar_x, video.tracks) == (name, 6, ())
        assert video.background_confidence == pytest.approx(1.0)
    noise = np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    assert track_video(noise).background_confidence < 0.2


@pytest.mark.parametrize("shape", [(0, 32, 32, 3), (3, 64, 64, 3), (3, 32, 32, 1)])
def test_other_worlds_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="32"):
        track_video(np.zeros(shape, np.uint8))


def test_single_frame() -> None:
    (track,) = track_video(clip_of(OPEN).frames[:1]).tracks
    assert (track.color, SHAPES[track.shape[0]]) == ("red", "circle")


def test_objects_say_why_a_sprite_is_out_of_view() -> None:
    passing = clip_of(PILLAR)
    (behind,) = tracked_objects(track_video(passing.frames))
    assert Sight.ABSENT not in behind.sight
    assert 10 <= (behind.sight == Sight.HIDDEN).sum() <= 35
    alone, both = clip_of(OPEN._replace(background="night")), clip_of(PAIR)
    vanishing = np.concatenate([both.frames[:40], alone.frames[40:]])
    objects = tracked_objects(track_video(vanishing))
    absent = [int((this.sight == Sight.ABSENT).sum()) for this in objects]
    assert sorted(absent) == [0, 41]


def test_a_colour_that_replaces_another_is_the_same_object() -> None:
    clip = clip_of(PILLAR)
    green = render(PILLAR._replace(sprites=(PILLAR.sprites[0]._replace(color="green"),)), clip.position)
    (this,) = tracked_objects(track_video(np.concatenate([clip.frames[:40], green[40:]])))
    assert len(set(this.color[this.visible].tolist())) == 2


def a_track(color: str, visible: np.ndarray, rng: np.random.Generator) -> SpriteTrack:
    """A track of whole red squares or the like, in view where it is said, somewhere."""
    frames = len(visible)
    ones, places = np.ones(frames, np.float32), rng.uniform(4, 28, (2, frames)).astype(np.float32)
    index = np.where(visible, 0, -1)
    x, y = (np.where(visible, place, np.float32(np.nan)) for place in places)
    return SpriteTrack(color, visible, index, index, index, x, y, ones * visible, ones * visible, ones * visible)


def video_of(tracks: list[SpriteTrack]) -> TrackedVideo:
    frames = len(tracks[0].visible)
    return TrackedVideo(
        "gray", 1.0, None, np.zeros(frames, np.int64), np.ones(frames, np.float32), np.full(frames, -1),
        tuple(tracks), tuple(track.color for track in tracks),
    )  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 60))
def test_tracks_of_any_kind_become_objects_that_hold_each_of_them_once(seed: int, count: int, frames: int) -> None:
    """Flickering sprites of generated videos: many begin in one frame, late, and are hardly ever in view together."""
    rng = np.random.default_rng(seed)
    shown = rng.random((count, frames)) < rng.uniform(0.1, 0.9)
    shown[:, : int(rng.integers(frames + 1))] &= rng.random() < 0.3
    shown[:, -1] |= ~shown.any(axis=1)
    tracks = [a_track(color, visible, rng) for color, visible in zip(COLORS, shown, strict=False)]
    objects = tracked_objects(video_of(tracks))
    seen = np.logical_or.reduce([one.visible for one in objects] or [np.zeros(frames, bool)])
    whole = [track.visible for track in tracks if track.visible.sum() >= 8]
    assert not (np.logical_or.reduce(whole or [np.zeros(frames, bool)]) & ~seen).any()
    assert len(objects) <= len(tracks)


def test_two_late_tracks_that_begin_in_one_frame_are_two_objects() -> None:
    """The second was never seen before the first began, so that it continues nothing."""
    frames = 200
    one, other = np.zeros((2, frames), bool)
    one[100:150], other[100] = True, True
    other[150:] = True
    rng = np.random.default_rng(0)
    assert len(tracked_objects(video_of([a_track("red", one, rng), a_track("blue", other, rng)]))) == 2
