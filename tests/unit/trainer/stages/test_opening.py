"""Whatever a recipe may name as a model, only a whole text-to-video Wan is opened or planned with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from probekit.errors import UserError
from tests.helpers.weight_folders import small_wan, two_experts
from trainer.planning.architectures import architecture
from trainer.stages.opening import open_generator, open_score

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
