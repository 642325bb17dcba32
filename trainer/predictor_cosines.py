"""How well the foresight predictor answers on held-out prompts: by chunk and target, beside other videos' targets."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from probekit.atomic_files import write_csv
from probekit.errors import UserError
from probekit.probing.probe_comparison import difference_over_prompts, mean_over_prompts
from probekit.progress import track
from probekit.rollout.fixed_batch import row_blocks
from trainer.distributed.sharding import autocast
from trainer.distributed.world import SINGLE
from trainer.engine.checkpoint import load_checkpoint, newest_checkpoint
from trainer.gradient_sketches import distillation_of
from trainer.launch import build_stage
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

OWN = "own video"
OTHER = "another video"


def predictor_cosines(recipe: Path, run: Path, out: Path, prompts: int = 64) -> pd.DataFrame:
    """Write the cosine of prediction and target of every held-out prompt, and their means with intervals.

    The predictor is in checkpoints alone: exports do without it.

    Args:
        recipe: recipe of a distillation with a `foresight` block.
        run: its run folder, whose newest checkpoint is read.
        out: folder of the tables `cosines.csv` (by prompt) and `cosine_means.csv`.
        prompts: number of held-out prompts; whole batches are taken.

    Returns:
        The means: a row per chunk, target and kind of video.

    Raises:
        UserError: the recipe has no foresight, or the run no checkpoint.
    """
    config = distillation_of(recipe, [])
    newest = newest_checkpoint(run / "checkpoints")
    if newest is None:
        raise UserError(f"{run} has no checkpoint.", "Train first.")
    stage = build_stage(config)
    assert isinstance(stage, AsymmetricDmdStage)
    load_checkpoint(newest, stage.training_state())
    blocks = row_blocks(-(-prompts // config.batch_size) * config.batch_size, config.batch_size)
    with autocast(SINGLE, config.scale):
        rows = [row for block in track(blocks, "predicting held-out features") for row in _rows(stage, block)]
    values = pd.DataFrame(rows, columns=["name", "videos", "row", "prompt", "cosine"])
    means = pd.DataFrame(list(_means(values)))
    write_csv(out / "cosines.csv", values)
    write_csv(out / "cosine_means.csv", means)
    return means


def _rows(stage: AsymmetricDmdStage, block: range) -> Iterator[tuple[str, str, int, str, float]]:
    objective = stage.auxiliary
    assert objective is not None
    watched = objective.watch(stage.last_step)
    prompts, text, video = stage.held_out_rollout(block, [watched])
    own = objective.agreement(watched.states, video, text)
    other = objective.agreement(watched.states, video.roll(-1, 0), text.roll(-1, 0))
    for kind, found in ((OWN, own), (OTHER, other)):
        for name, cosines in found.items():
            for row, prompt, cosine in zip(block, prompts, cosines.tolist(), strict=True):
                yield name, kind, row, prompt, cosine


def _means(values: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Means over prompts, and how much more the own video has than another one."""
    for name, group in values.groupby("name", sort=False):
        own, other = (group[group.videos == kind].set_index("row").cosine for kind in (OWN, OTHER))
        estimates = {kind: mean_over_prompts(str(name), cosines) for kind, cosines in ((OWN, own), (OTHER, other))}
        estimates[f"{OWN} - {OTHER}"] = difference_over_prompts(str(name), own, other)
        for kind, estimate in estimates.items():
            yield {
                "name": name,
                "videos": kind,
                "cosine": estimate.difference,
                "low": estimate.low,
                "high": estimate.high,
                "n_prompts": estimate.n_prompts,
            }
