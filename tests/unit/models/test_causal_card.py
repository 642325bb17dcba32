"""Cards of causal generators: what they may say, what comes back from a folder, and which models fit a part."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from probekit.errors import UserError
from probekit.models.causal_card import (
    CAUSAL_CARD,
    CausalCard,
    is_causal,
    read_causal_card,
    require_role,
    write_causal_card,
)

STUDENT: dict[str, Any] = {"role": "dmd_student", "chunk_frames": 3, "shift": 5.0, "few_steps": (1000, 500)}
TEACHER: dict[str, Any] = {"role": "ar_teacher", "chunk_frames": 1, "shift": 2.0, "euler_steps": 16, "guidance": 4.0}


@pytest.mark.parametrize("values", [STUDENT, TEACHER])
def test_a_card_comes_back_from_its_folder(tmp_path: Path, values: dict[str, Any]) -> None:
    assert not is_causal(tmp_path)
    write_causal_card(tmp_path, CausalCard(**values))
    assert is_causal(tmp_path)
    assert read_causal_card(tmp_path) == CausalCard(**values)
    (tmp_path / "other.json").write_bytes((tmp_path / CAUSAL_CARD).read_bytes())
    assert read_causal_card(tmp_path, "other.json") == CausalCard(**values)


def test_a_student_has_no_guidance_unless_its_card_says_so() -> None:
    card = CausalCard(**STUDENT)
    assert (card.guidance, card.euler_steps) == (1.0, None)
    assert CausalCard(**TEACHER).few_steps is None


@pytest.mark.parametrize("steps", [{"few_steps": None}, {"euler_steps": 8}])
def test_a_card_names_one_sampler(steps: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give either few_steps or euler_steps"):
        CausalCard(**{**STUDENT, **steps})


@pytest.mark.parametrize(("frames", "fits"), [(0, False), (1, True), (2**16, True), (2**16 + 1, False)])
def test_a_chunk_has_at_least_one_and_at_most_65536_frames(frames: int, fits: bool) -> None:
    if fits:
        assert CausalCard(**{**STUDENT, "chunk_frames": frames}).chunk_frames == frames
    else:
        with pytest.raises(ValidationError, match="chunk_frames"):
            CausalCard(**{**STUDENT, "chunk_frames": frames})


def test_a_folder_without_a_card_is_no_generator(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a causal generator: it has no causal\.json"):
        read_causal_card(tmp_path)


def test_a_model_takes_a_part_by_its_role_and_its_chunks(tmp_path: Path) -> None:
    plain, student = tmp_path / "plain", tmp_path / "student"
    for folder in (plain, student):
        folder.mkdir()
    write_causal_card(student, CausalCard(**STUDENT))
    require_role(plain, (None, "ar_teacher"), 7, "used")  # a bidirectional model has no chunks
    require_role(student, ("ar_teacher", "dmd_student"), 3, "used")
    with pytest.raises(UserError, match=r"bidirectional model, which cannot be used.*ar_teacher, dmd_student"):
        require_role(plain, ("ar_teacher", "dmd_student"), 3, "used")
    with pytest.raises(UserError, match=r"dmd_student model, which cannot be used.*bidirectional, ar_teacher"):
        require_role(student, (None, "ar_teacher"), 3, "used")
    with pytest.raises(UserError, match=r"chunks of 3 latent frames, not 1.*chunk_frames: 3"):
        require_role(student, ("dmd_student",), 1, "used")
