"""Suites: held-out, stable, without repeats."""

import pytest

from probekit.errors import UserError
from probekit.provenance import sha256_text
from probekit.sprite_world.captions import parse_caption
from probekit.sprite_world.placement import split_of
from probekit.suites.registry import constants_of, load_suite, planned_dimensions


def test_sprite_prompts_are_held_out_and_state_different_facts() -> None:
    suite = load_suite("sprite-5s")
    facts = [parse_caption(prompt.text) for prompt in suite.prompts]
    assert len(facts) >= 100
    assert all(split_of(one) == "test" for one in facts)
    identities = [tuple(sorted(sprite.identity for sprite in one.sprites)) for one in facts]
    scenes = {(sprites, one.background, one.pillar) for sprites, one in zip(identities, facts, strict=True)}
    assert len(scenes) == len(facts)
    assert {len(one.sprites) for one in facts} == {1, 2}


def test_the_prompts_never_change() -> None:
    """Golden: published numbers belong to exactly these prompts under exactly these identifiers."""
    lines = "\n".join(f"{prompt.prompt_id}\t{prompt.text}" for prompt in load_suite("sprite-5s").prompts)
    assert sha256_text(lines) == "c4c4c1028fbb20676c19499644262b24646f6d038835d6b991b66cc062ac83a3"


def test_every_planned_video_has_one_key() -> None:
    suite = load_suite("sprite-5s")
    keys = suite.keys()
    assert len(keys) == len(set(keys)) == len(suite.prompts) * suite.samples == 1000
    assert suite.frames == 81


def test_cutting_keeps_identifiers_and_refuses_nonsense() -> None:
    suite = load_suite("sprite-5s")
    cut = suite.reduced(3, 1)
    assert cut.prompts == suite.prompts[:3]
    assert len(cut.keys()) == 3
    assert cut.card().file_hash != suite.card().file_hash
    with pytest.raises(UserError, match="1 to 200"):
        suite.reduced(0, 1)
    with pytest.raises(UserError, match="1 to 5"):
        suite.reduced(3, 6)


def test_unknown_suites_are_named() -> None:
    with pytest.raises(UserError, match="sprite-6s"):
        load_suite("sprite-6s")


def test_sprite_suites_have_constants_of_their_own() -> None:
    assert {c.dimension for c in constants_of("sprite-5s")} != {c.dimension for c in constants_of("custom")}


def test_sprite_suites_take_no_options() -> None:
    with pytest.raises(UserError, match="frames"):
        load_suite("sprite-5s", ["frames=501"])
    with pytest.raises(UserError, match="key=value"):
        load_suite("sprite-5s", ["frames"])


def test_only_vbench_entries_are_scored_for_some_dimensions_alone() -> None:
    assert planned_dimensions("sprite-5s", "test-000") is None
    assert planned_dimensions("custom", "anything") is None
