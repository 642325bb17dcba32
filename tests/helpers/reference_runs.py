"""Short runs of the sprite recipes on tiny seeded models, whose logs are kept under `tests/golden/training`.

`python -m tests.helpers.reference_runs tests/golden/training` writes them again, after a change that is meant to change
them.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import torch

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.models.loading import load_codec
from probekit.models.model_folder import SHIPPED_MODELS
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.places import REPOSITORY
from trainer.data.latent_clips import shard_path, write_shard
from trainer.data.trajectories import Trajectories
from trainer.engine.log_comparison import read_log
from trainer.launch import train_from_recipe

GOLDEN: Final = REPOSITORY / "tests" / "golden" / "training"
RECIPES: Final = REPOSITORY / "trainer" / "recipes" / "sprite"
PARTS: Final = SHIPPED_MODELS / "sprite-base"
LEVELS: Final = (1.0, 0.9375, 0.8333333, 0.625)
FRAMES: Final = 6


class ReferenceRun(NamedTuple):
    """A recipe with what makes it small; `{root}` is the folder of the models and clips."""

    recipe: str
    changes: tuple[str, ...]


_SHORT: Final = ("steps=2", "batch_size=2", "optimizer.warmup_steps=1", "scale={}")
_STAGED: Final = (*_SHORT, "optimizer.decay_steps=1", "log_every=1")
_CLIPS: Final = (f"latent_frames={FRAMES}", "data={root}/clips")
_TEACHER: Final = "{root}/teacher"
_SOLVED: Final = ("shards=1", "clips_per_shard=2", "euler_steps=8")
_OF_AR: Final = "trajectories={root}/run-ode_trajectories"
_OF_BASE: Final = "trajectories={root}/run-self_forcing_trajectories"
_ENCODERS: Final = ("real_model={root}/real", "base_model={root}/base", "foresight.predictor_heads=1")
_SCORES: Final = ("real_model={root}/real", "critic_model={root}/base", "critic_updates=2")
RUNS: Final[dict[str, ReferenceRun]] = {
    "bidirectional": ReferenceRun(
        "sprite_base.yaml",
        (
            "model={heads: 1, layers: 2}",
            "phases=[{steps: 1, latent_frames: 1, batch_size: 4}, {steps: 2, latent_frames: 3, batch_size: 2}]",
            "optimizer={learning_rate: 1.0e-3, warmup_steps: 1, decay_steps: 1}",
            "scale={}",
            "log_every=1",
            "data={root}/clips",
        ),
    ),
    "ar_finetune": ReferenceRun("ar.yaml", (*_STAGED, *_CLIPS, "initial_model={root}/base")),
    "ar_diffusion_forcing": ReferenceRun(
        "ar.yaml", (*_STAGED, *_CLIPS, "initial_model={root}/base", "forcing=diffusion", "bell_weighting=true")
    ),
    "ode_trajectories": ReferenceRun(
        "ode_trajectories.yaml", (*_SOLVED, f"teacher={_TEACHER}", "data={root}/clips")
    ),
    "causal_ode": ReferenceRun("ode.yaml", (*_STAGED, f"initial_model={_TEACHER}", _OF_AR)),
    "causal_ode_foresight": ReferenceRun(
        "ode_foresight.yaml", (*_STAGED, *_ENCODERS, f"initial_model={_TEACHER}", _OF_AR)
    ),
    "self_forcing_trajectories": ReferenceRun(
        "self_forcing/ode_trajectories.yaml",
        (*_SOLVED, f"latent_frames={FRAMES}", "teacher={root}/base"),
    ),
    "self_forcing_ode": ReferenceRun(
        "self_forcing/ode.yaml", (*_STAGED, "initial_model={root}/base", _OF_BASE)
    ),
    "consistency": ReferenceRun(
        "consistency.yaml", (*_STAGED, *_CLIPS, f"initial_model={_TEACHER}", f"teacher={_TEACHER}")
    ),
    "dmd_baseline": ReferenceRun(
        "dmd_baseline.yaml", (*_SHORT, *_SCORES, f"latent_frames={FRAMES}", "initial_model={root}/student")
    ),
    "dmd_foresight": ReferenceRun(
        "dmd_foresight.yaml",
        (
            *_SHORT, *_SCORES, f"latent_frames={FRAMES}", "initial_model={root}/student", "foresight.predictor_heads=1",
        ),
    ),
}  # fmt: skip


def prepare(root: Path) -> None:
    """Models with seeded weights, and clips of the sprite world cut to a few frames."""
    for seed, name in enumerate(("base", "real", "teacher", "student")):
        write_tiny_model(root / name, seed)
    card = CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=8, guidance=2.0)
    write_causal_card(root / "teacher", card)
    student = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(root / "student", student)
    for split in ("train", "validation"):
        encode_few(root / "clips", split)


def encode_few(folder: Path, split: str) -> None:
    """Two clips of a split."""
    from probekit.models.video_codec import to_unit_range
    from probekit.sprite_world.episodes import episode

    codec, latents, captions = load_codec(PARTS), [], []
    for index in range(2):
        clip = episode(split, 0, index)  # type: ignore[arg-type]
        frames = torch.from_numpy(clip.frames[: 4 * (FRAMES - 1) + 1])[None]
        latents.append(codec.encode(to_unit_range(frames))[0])
        captions.append(clip.caption)
    write_shard(shard_path(folder, split, 0), latents, captions)


def perform(name: str, root: Path) -> list[dict[str, float]]:
    """Train a reference run, after those that it learns from, and return its log without what is the machine's."""
    run = RUNS[name]
    for other in RUNS:
        if other != name and any(f"{{root}}/run-{other}" in change for change in run.changes):
            if not (root / f"run-{other}").is_dir():
                perform(other, root)
    changes = [change.replace("{root}", str(root)) for change in run.changes]
    threads = torch.get_num_threads()
    try:
        train_from_recipe(RECIPES / run.recipe, root / f"run-{name}", [*changes, "threads=1"])
    finally:
        torch.set_num_threads(threads)
    if name.endswith("trajectories"):
        return list(_trajectory_sizes(root / f"run-{name}"))
    records: dict[int, dict[str, float]] = {}
    for (step, key), value in read_log(root / f"run-{name}").items():
        records.setdefault(step, {"step": step})[key] = value
    return list(records.values())


def _trajectory_sizes(folder: Path) -> Iterator[dict[str, float]]:
    """Mean magnitude of each state and of the end, clip by clip: trajectories have no log."""
    stored = Trajectories(folder, LEVELS)
    for row in range(len(stored)):
        clip = stored.take(torch.tensor([row]).numpy())
        states = {f"state_{level}": float(clip.states[0, level].abs().mean()) for level in range(len(LEVELS))}
        yield {"step": row, **states, "endpoint": float(clip.endpoint.abs().mean())}


def write_log(path: Path, records: list[dict[str, float]]) -> None:
    """One record a line, six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rounded = [{name: float(f"{value:.6g}") for name, value in record.items()} for record in records]
    lines = [json.dumps({**record, "step": int(record["step"])}) for record in rounded]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write every log again."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        prepare(root)
        for name in RUNS:
            write_log(Path(sys.argv[1]) / f"{name}.jsonl", perform(name, root))


if __name__ == "__main__":
    main()
