"""Every stage from nothing at the smallest size, then again: finished runs are passed over."""

from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.causal_card import read_causal_card
from probekit.models.loading import load_transformer
from trainer.reproduce import SCALES, parse_changes, reproduce

TINY = {
    "sprite-base": [
        "model.heads=1", "model.layers=2", "phases=[{steps: 1, latent_frames: 1, batch_size: 2}]", "scale={}",
    ],
    "sprite-large": [
        "model.heads=1", "model.layers=4", "phases=[{steps: 1, latent_frames: 1, batch_size: 2}]", "scale={}",
    ],
    "sprite-ar": ["steps=1", "batch_size=1", "latent_frames=6"],
    "sprite-trajectories": ["shards=1", "clips_per_shard=1", "euler_steps=4"],
    "sprite-ode": ["steps=1", "batch_size=1"],
    "sprite-dmd-baseline": ["steps=1", "batch_size=1", "latent_frames=6", "critic_updates=1"],
    "sprite-dmd-foresight": [
        "steps=1", "batch_size=1", "latent_frames=6", "critic_updates=1", "foresight.predictor_heads=1",
    ],
}  # fmt: skip
NO_SCHEDULE = ["optimizer.warmup_steps=0", "optimizer.decay_steps=0"]


def changes() -> dict[str, list[str]]:
    return {name: settings + (NO_SCHEDULE if name != "sprite-trajectories" else []) for name, settings in TINY.items()}


@pytest.mark.long
def test_the_whole_scale_from_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.data.sprite_latents.SHARD_SIZE", 4)
    sizes = {"shards": 1, "codec_episodes": 4, "text_steps": 1}
    assert reproduce("sprite", tmp_path, changes=changes(), **sizes)
    roles = {
        "sprite-ar": "ar_teacher",
        "sprite-ode": "ode_student",
        "sprite-dmd-baseline": "dmd_student",
        "sprite-dmd-foresight": "dmd_student",
    }
    for work in SCALES["sprite"]:
        if work.name in roles:
            assert read_causal_card(tmp_path / work.name / "export").role == roles[work.name]
    baseline = load_transformer(tmp_path / "sprite-dmd-baseline" / "export").state_dict()
    method = load_transformer(tmp_path / "sprite-dmd-foresight" / "export").state_dict()
    assert list(baseline) == list(method)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")}
    assert reproduce("sprite", tmp_path, changes=changes(), **sizes)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")} == before


def test_unknown_scales_and_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no scale 'wan'"):
        reproduce("wan", tmp_path)
    with pytest.raises(UserError, match="no run 'sprite-art'"):
        reproduce("sprite", tmp_path, changes={"sprite-art": ["steps=1"]})
    assert parse_changes(["a:x=1", "a:y=2", "b:z=3"]) == {"a": ["x=1", "y=2"], "b": ["z=3"]}
    with pytest.raises(UserError, match="RUN:key=value"):
        parse_changes(["steps=1"])
