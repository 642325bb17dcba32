"""Whatever a recipe may name as a model, only a whole text-to-video Wan is opened or planned with."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from probekit.errors import UserError
from probekit.models.loading import load_transformer
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.weight_folders import small_wan, two_experts
from trainer.config.causal import AutoregressiveConfig, CausalOdeConfig, ConsistencyConfig
from trainer.config.recipe import DmdConfig
from trainer.planning.architectures import architecture
from trainer.stages.opening import check_frames, initial_roles, open_codec, open_generator, open_score

Way = Callable[[str], object]
WAYS: tuple[Way, ...] = (
    lambda model: open_generator(model, (None,), 3, "a test"),
    lambda model: open_score(model, 3, "a test"),
    lambda model: architecture(model, "sprite-base"),
)


@pytest.mark.parametrize("way", WAYS)
def test_half_of_a_model_and_an_image_to_video_model_are_refused(tmp_path: Path, way: Way) -> None:
    with pytest.raises(UserError, match="two experts, transformer and transformer_2"):
        way(str(two_experts(tmp_path / "A14B", "diffusers")))
    small_wan(in_channels=36).save_pretrained(tmp_path / "I2V" / "transformer")
    with pytest.raises(UserError, match="36 input channels for 16"):
        way(str(tmp_path / "I2V"))


@pytest.mark.parametrize(("latent", "chunk", "chunks"), [(21, 3, 7), (3, 3, 1), (5, 1, 5)])
def test_a_clip_is_whole_chunks(latent: int, chunk: int, chunks: int) -> None:
    assert check_frames(latent, chunk) == chunks


@pytest.mark.parametrize(("latent", "chunk", "proposed"), [(7, 3, 6), (2, 3, 3), (8, 3, 6), (1, 2, 2)])
def test_a_clip_that_is_not_names_the_nearest_length_below_or_one_chunk(latent: int, chunk: int, proposed: int) -> None:
    with pytest.raises(UserError, match=f"latent_frames: {latent} is not a multiple of chunk_frames: {chunk}") as found:
        check_frames(latent, chunk)
    assert found.value.fix == f"Use {proposed} latent frames, for example."


def test_a_generator_trains_in_fp32_and_a_score_is_frozen_in_the_precision_asked_for(tmp_path: Path) -> None:
    folder = write_tiny_model(tmp_path / "model")
    generator = open_generator(str(folder), (None,), 3, "a test")
    assert generator.training
    assert {(p.dtype, p.requires_grad) for p in generator.parameters()} == {(torch.float32, True)}
    plain = load_transformer(folder).state_dict()
    assert all(torch.equal(tensor, plain[name]) for name, tensor in generator.state_dict().items())
    for dtype in (torch.float32, torch.bfloat16):
        score = open_score(str(folder), 3, "a test", dtype)
        assert {tensor.dtype for tensor in (*score.parameters(), *score.buffers()) if tensor.is_floating_point()} == {
            dtype
        }
    assert open_score(str(folder), 3, "a test").dtype == torch.float32


def test_each_stage_starts_from_the_model_of_the_stage_before_it_or_goes_on_with_its_own() -> None:
    """None stands for a bidirectional model: stage 1 and Self-Forcing's stage 2 begin with it."""
    found = [
        initial_roles(AutoregressiveConfig.model_construct()),
        initial_roles(CausalOdeConfig.model_construct(clean_context=True)),
        initial_roles(CausalOdeConfig.model_construct(clean_context=False)),
        initial_roles(ConsistencyConfig.model_construct()),
        initial_roles(DmdConfig.model_construct()),
    ]
    assert found == [
        (None, "ar_teacher"),
        ("ar_teacher", "ode_student"),
        (None, "ar_teacher", "ode_student"),
        ("ar_teacher", "ode_student"),
        ("ode_student", "dmd_student"),
    ]


@pytest.mark.parametrize("name", ["sprite-base", str(SHIPPED_MODELS / "sprite-base")])
def test_every_part_of_a_stage_opens_by_a_shipped_name_and_by_a_folder(name: str) -> None:
    """Recipes give names; a codec once opened by its folder alone."""
    assert open_codec(Path(name)).__class__.__name__ == "LinearVideoCodec"
    assert open_score(name, 3, "a test").config == open_generator(name, (None,), 3, "a test").config
