import json
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.run_folder.protocol_card import (
    SCORING_FIELDS,
    FieldMismatch,
    GenerationCard,
    PromptsCard,
    ProtocolCard,
    mismatches,
    protocol_card,
    read_protocol,
    write_protocol,
)

CARD = ProtocolCard(
    prompts=PromptsCard(
        file_hash="ab", suite="sprite-test", generation_variant="short", scoring_variant="short", n_prompts=4, samples=2
    ),
    generation=GenerationCard(
        model="base", checkpoint_hash="c0", ema=True, seed=1, frames=81, fps=16, height=32, width=32,
        sampler="few-step", steps=4, guidance=3.0, shift=5.0, codec="libx264rgb crf 0",
        window_policy="full", rope_policy="absolute",
    ),
    scorers={"color": "color-v1", "object_class": "object-v1"},
)  # fmt: skip


def _changed(section: str, field: str, value: object) -> ProtocolCard:
    document = CARD.model_dump()
    document[section][field] = value
    return ProtocolCard.model_validate(document)


def test_every_scoring_field_exists_and_is_compared() -> None:
    for dotted in SCORING_FIELDS:
        section, _, field = dotted.partition(".")
        if not field:
            continue
        old = CARD.model_dump()[section][field]
        new = old + 1 if isinstance(old, int | float) else f"other {old}"
        assert mismatches(CARD, _changed(section, field, new)) == [FieldMismatch(dotted, old, new)]


FREE = {
    "model", "checkpoint_hash", "ema", "sampler", "steps", "guidance", "shift", "timesteps", "first_chunk_timesteps",
    "negative_prompt", "chunk_frames", "batch_size", "compile",
}  # fmt: skip
"""What may differ between the models that a comparison is about."""


def test_a_field_of_a_card_is_compared_unless_it_is_named_here_as_free() -> None:
    prompts = {f"prompts.{field}" for field in PromptsCard.model_fields}
    generation = {f"generation.{field}" for field in set(GenerationCard.model_fields) - FREE}
    assert set(SCORING_FIELDS) == prompts | generation | {"clip_rule", "scorers"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "ours"),
        ("checkpoint_hash", "c1"),
        ("ema", False),
        ("sampler", "euler"),
        ("steps", 50),
        ("guidance", 6.0),
    ],
)
def test_what_a_comparison_is_about_may_differ(field: str, value: object) -> None:
    assert mismatches(CARD, _changed("generation", field, value)) == []


def test_unknown_against_known_is_a_mismatch() -> None:
    assert mismatches(CARD, _changed("generation", "codec", None)) == [
        FieldMismatch("generation.codec", "libx264rgb crf 0", None)
    ]


def test_scorers_are_compared_one_by_one() -> None:
    other = CARD.model_copy(update={"scorers": {"color": "color-v2", "object_class": "object-v1", "motion": "m"}})
    assert mismatches(CARD, other) == [
        FieldMismatch("scorers.color", "color-v1", "color-v2"),
        FieldMismatch("scorers.motion", None, "m"),
    ]


def test_card_is_read_back(tmp_path: Path) -> None:
    card = protocol_card(CARD.prompts, CARD.generation, CARD.scorers)
    write_protocol(tmp_path, card)
    assert read_protocol(tmp_path) == card
    assert {"numpy", "torch"} <= card.software.packages.keys()
    assert card.software.command
    assert card.hardware["cores"]


def test_absent_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no .*protocol\.json"):
        read_protocol(tmp_path)


def test_misspelt_field_names_its_neighbour(tmp_path: Path) -> None:
    document = CARD.model_dump(mode="json")
    document["generation"]["windowpolicy"] = "full"
    (tmp_path / "protocol.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match=r"Did you mean 'generation\.window_policy'"):
        read_protocol(tmp_path)


@pytest.mark.parametrize("text", ["{", "", "\ufeff{"])
def test_file_that_is_not_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "protocol.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"protocol\.json is not JSON"):
        read_protocol(tmp_path)


def test_a_new_card_states_what_it_is_given_and_knows_nothing_else() -> None:
    card = protocol_card(CARD.prompts, CARD.generation, CARD.scorers)
    assert (card.prompts, card.generation, card.scorers) == (CARD.prompts, CARD.generation, CARD.scorers)
    bare = protocol_card(CARD.prompts)
    assert (bare.generation, bare.scorers) == (GenerationCard(), {})
