"""A model folder's configurations say which sizes its videos have; nothing is opened for it."""

import json
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.loading import load_model
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.models.model_geometry import geometry_of, usual_geometry
from probekit.models.presets import SPRITE_GEOMETRY, WAN_1_3B, WAN_480P_GEOMETRY, WAN_FAMILY, family_of


def wan_folder(root: Path, codec: dict[str, object]) -> Path:
    """Configurations of a Wan, without weights."""
    for part, config in (("transformer", WAN_1_3B), ("vae", {"_class_name": "AutoencoderKLWan", **codec})):
        (root / part).mkdir(parents=True)
        (root / part / "config.json").write_text(json.dumps(config))
    return root


@pytest.mark.parametrize("name", ["sprite-base", "sprite-dmd-baseline"])
def test_a_shipped_model_has_the_geometry_that_its_opened_parts_have(name: str) -> None:
    folder = SHIPPED_MODELS / name
    assert (
        geometry_of(folder, 32, 32) == load_model(folder).geometry(32, 32) == SPRITE_GEOMETRY == usual_geometry(folder)
    )


def test_the_stride_is_the_codecs_own(tmp_path: Path) -> None:
    wan21 = wan_folder(tmp_path / "2.1", {})
    assert geometry_of(wan21, 480, 832) == WAN_480P_GEOMETRY == usual_geometry(wan21)
    wan22 = geometry_of(
        wan_folder(
            tmp_path / "2.2", {"scale_factor_spatial": 16, "patch_size": 2, "in_channels": 12, "out_channels": 12}
        ),
        704,
        1280,
    )
    assert (wan22.latent_size, wan22.tokens_per_frame) == ((44, 80), 880)


def test_frames_that_are_not_whole_tokens_are_refused() -> None:
    with pytest.raises(UserError, match="36x32"):
        geometry_of(SHIPPED_MODELS / "sprite-base", 36, 32)


def test_a_family_is_told_by_the_text_that_it_reads() -> None:
    assert family_of(WAN_1_3B) == WAN_FAMILY
    assert family_of({"text_dim": 64}).geometry == SPRITE_GEOMETRY
