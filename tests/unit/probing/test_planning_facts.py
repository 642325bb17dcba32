"""What is asked of the time after an occlusion, worked out a second way; and the episodes as generators see them."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from probekit.models.causal_card import write_causal_card
from probekit.models.video_codec import to_unit_range
from probekit.probing.planning_episodes import PlanningEpisodes, chunk_ends
from probekit.probing.planning_facts import FACTS, entropy, facts_under, futures_after, true_states
from probekit.rollout.generation_runner import Request
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.sample_key import SampleKey
from probekit.sprite_world.captions import parse_caption
from probekit.sprite_world.dynamics import MotionState
from probekit.sprite_world.futures import FutureDistribution, frames_ahead
from probekit.sprite_world.occlusions import OccludedEpisode, seen_at
from probekit.sprite_world.posterior import posteriors
from probekit.sprite_world.vocabulary import COLORS, DIRECTIONS, PILLAR_COLUMNS, SHAPES, SIZES, TONES
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import CARDS, write_tiny_model

ENDS = np.array([8, 20, 32, 44, 56, 68, 80])
SHOWN = PlanningEpisodes.of(12, 1, ENDS)
FACT = {fact.name: fact for fact in FACTS}


@pytest.fixture(scope="module")
def sampler(tmp_path_factory: pytest.TempPathFactory) -> StreamingSampler:
    folder = write_tiny_model(tmp_path_factory.mktemp("student") / "student")
    write_causal_card(folder, CARDS["student"])
    return StreamingSampler(folder, load_suite("sprite-5s")._replace(frames=33))


def test_what_is_asked_and_what_the_caption_states() -> None:
    assert [(fact.name, fact.kind, fact.classes, fact.stated) for fact in FACTS] == [
        ("position", "vector", 0, False), ("place", "class", 16, False), ("direction", "class", 8, False),
        ("pillar", "class", len(PILLAR_COLUMNS), False), ("sprite-color", "class", len(COLORS), True),
        ("sprite-shape", "class", len(SHAPES), True), ("sprite-size", "class", len(SIZES), True),
        ("sprite-tone", "class", len(TONES), False),
    ]  # fmt: skip


def test_facts_of_a_state_by_hand() -> None:
    """A frame is 512 units wide, a field 128; fields are counted row by row, and the frame's end is in the last."""
    episode = SHOWN.found[0].episode
    states = MotionState(np.array([0, 127, 128, 512]), np.array([0, 128, 512, 384]), np.array([0, 3, 5, 7]))
    values = {name: fact.values(episode.scene, states) for name, fact in FACT.items()}
    np.testing.assert_allclose(values["position"], np.stack([states.x, states.y], axis=1) / 512)
    assert values["place"].ravel().tolist() == [0, 4, 13, 15]
    assert values["direction"].ravel().tolist() == [0, 3, 5, 7]
    (sprite,) = episode.scene.sprites
    identity = (list(COLORS).index(sprite.color), SHAPES.index(sprite.shape), list(SIZES).index(sprite.size))
    for name, expected in zip(("sprite-color", "sprite-shape", "sprite-size"), identity, strict=True):
        assert values[name].tolist() == [[expected]] * 4
    assert values["pillar"].tolist() == [[PILLAR_COLUMNS.index(episode.scene.pillar_x)]] * 4


def test_entropy_is_that_of_a_fair_die_and_certainty_has_none() -> None:
    assert entropy(np.array([0.25, 0, 0.25, 0.5])) == pytest.approx(1.5 * math.log(2))
    for certain in (np.array([0.0, 1.0]), np.array([1.0])):
        assert entropy(certain) == 0
        assert math.copysign(1, entropy(certain)) == 1  # tables would show a negative 0


def test_a_place_that_is_certain_has_no_variance_and_a_spread_one_has_its_own() -> None:
    """Two places, 96 units apart along x and one along y, with 1/4 and 3/4: variances p·(1 - p)·distance², averaged."""
    scene = SHOWN.found[0].episode.scene
    states = MotionState(np.array([300, 396]), np.array([200, 201]), np.array([1, 1]))
    best = FACT["position"].best(scene, FutureDistribution(states, np.array([0.25, 0.75])))
    assert best.values == pytest.approx([372 / 512, 200.75 / 512])
    assert best.floor == pytest.approx(3 / 16 * (96**2 + 1) / 512**2 / 2)


def test_the_best_readout_of_a_class_is_its_probability_whatever_states_share_it() -> None:
    """Three states in two fields, with 1/2, 1/4 and 1/4."""
    scene = SHOWN.found[0].episode.scene
    states = MotionState(np.array([10, 20, 300]), np.array([10, 20, 400]), np.array([1, 2, 1]))
    future = FutureDistribution(states, np.array([0.5, 0.25, 0.25]))
    place, direction = (FACT[name].best(scene, future) for name in ("place", "direction"))
    assert place.values.tolist() == [0.75] + [0.0] * 13 + [0.25, 0.0]
    assert direction.values.tolist() == [0, 0.75, 0.25, 0, 0, 0, 0, 0]
    assert place.floor == direction.floor == pytest.approx(-0.75 * math.log(0.75) - 0.25 * math.log(0.25))
    assert FACT["sprite-size"].best(scene, future).values.max() == 1


def test_a_caption_of_another_sprite_states_nothing_of_this_one() -> None:
    own, others = facts_under(captions_of_another=False), facts_under(captions_of_another=True)
    assert own == FACTS
    assert others == tuple(fact._replace(stated=False) for fact in FACTS)


def test_the_true_state_is_the_labels_position_in_units_and_the_direction_that_they_move_in() -> None:
    for found in SHOWN.found[:4]:
        labels, states = found.episode.labels, true_states(found.episode, ENDS)
        np.testing.assert_array_equal(np.stack([states.x, states.y], axis=1), labels.position[ENDS, 0] * 16)
        signs = np.sign(labels.velocity[ENDS, 0])
        np.testing.assert_array_equal(np.array(DIRECTIONS)[states.direction], signs)


def asked_by_hand(
    found: OccludedEpisode, horizons: Sequence[int]
) -> dict[tuple[int, int], dict[tuple[int, int, int], float]]:
    """Probability of each state by chunk and horizon: the posterior of the frames so far, moved on in one go."""
    scene, asked = found.episode.scene, {}
    for chunk in np.flatnonzero(found.hidden):
        for horizon in sorted(horizons):
            if chunk + horizon >= len(ENDS) or not found.seen[chunk + horizon]:
                continue
            *_, present = posteriors(scene, found.episode.frames[: ENDS[chunk] + 1])
            future = frames_ahead(present, scene.sprites[0].radius, int(ENDS[chunk + horizon] - ENDS[chunk]))
            places = np.stack([future.states.x, future.states.y], axis=1) / 16
            asked[int(chunk), horizon] = by_state(future.given(seen_at(scene, places)))
    return asked


def by_state(future: FutureDistribution) -> dict[tuple[int, int, int], float]:
    keys = zip(*(part.tolist() for part in future.states), strict=True)
    return {key: chance for key, chance in zip(keys, future.probability.tolist(), strict=True) if chance}


@pytest.mark.parametrize(("horizons", "episodes"), [((2, 3), SHOWN.found[:2]), ((3, 1), SHOWN.found[2:8])])
def test_what_a_state_may_know_of_each_later_chunk_is_its_own_posterior_moved_on(
    horizons: tuple[int, ...], episodes: tuple[OccludedEpisode, ...]
) -> None:
    """Whatever the order of horizons, and however many chunks the sprite is hidden in."""
    pairs = 0
    for found in episodes:
        asked = {(chunk, horizon): by_state(future) for chunk, horizon, future in futures_after(found, horizons, ENDS)}
        expected = asked_by_hand(found, horizons)
        assert asked.keys() == expected.keys()
        for place, chances in expected.items():
            assert asked[place].keys() == chances.keys()
            assert list(asked[place].values()) == pytest.approx([chances[state] for state in asked[place]], abs=1e-12)
        pairs += len(expected)
    assert pairs > 1


def hidden_in(found: OccludedEpisode, *chunks: int) -> OccludedEpisode:
    """An episode whose sprite counts as hidden in these chunks and as seen in all others."""
    hidden = np.isin(np.arange(len(ENDS)), chunks)
    return found._replace(hidden=hidden, seen=~hidden)


@pytest.mark.parametrize(
    ("chunks", "horizons", "expected"),
    [
        ((5,), (1,), [(5, 1)]),
        ((6,), (1,), []),
        ((5, 6), (1, 2), []),
        ((4, 5), (2, 1), [(4, 2), (5, 1)]),
        ((3,), (3, 4), [(3, 3)]),
    ],
)
def test_a_state_is_asked_up_to_the_last_chunk_and_not_beyond(
    chunks: tuple[int, ...], horizons: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    asked = futures_after(hidden_in(SHOWN.found[0], *chunks), horizons, ENDS)
    assert [(chunk, horizon) for chunk, horizon, _ in asked] == expected


def test_episodes_are_told_by_their_own_captions_unless_another_identity_is_asked_for() -> None:
    own = PlanningEpisodes.of(4, 2, ENDS)
    assert [text for _, text in own.prompts] == [one.episode.caption for one in own.found]
    assert own.prompts == PlanningEpisodes.of(4, 2, ENDS, other_identity=False).prompts
    assert [name for name, _ in own.prompts] == [f"episode-2-{one.number:05d}" for one in own.found]
    other = PlanningEpisodes.of(4, 2, ENDS, other_identity=True)
    assert [name for name, _ in other.prompts] == [name for name, _ in own.prompts]
    assert other.prompts != own.prompts
    for (_, told), found in zip(other.prompts, own.found, strict=True):
        stated, (sprite,) = parse_caption(told), parse_caption(found.episode.caption).sprites
        assert (stated.sprites[0].start, stated.sprites[0].heading) == (sprite.start, sprite.heading)
        assert stated.pillar


def test_chunks_end_where_the_streams_frames_end(sampler: StreamingSampler) -> None:
    request = Request(
        SampleKey("sprite-5s", "p", 0), "a small red circle north heading east over the night in the open"
    )
    counts = [part.shape[1] for part in sampler.stream(request)]
    assert chunk_ends(sampler).tolist() == (np.cumsum(counts) - 1).tolist() == [8, 20, 32]


def test_given_videos_are_the_codecs_latents_of_the_requested_episodes_in_their_order(
    sampler: StreamingSampler,
) -> None:
    shown = PlanningEpisodes.of(3, 1, ENDS)
    asked = [Request(SampleKey("planning", shown.prompts[row][0], 0), "") for row in (2, 0)]
    found = shown.given(sampler)(asked)
    assert found.shape == (2, 16, 21, 8, 8)
    for latents, row in zip(found, (2, 0), strict=True):
        frames = torch.from_numpy(shown.found[row].episode.frames)[None]
        torch.testing.assert_close(latents, sampler.parts.codec.encode(to_unit_range(frames))[0])
