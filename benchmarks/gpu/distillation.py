"""Steps 4 and 6: what foresight costs in stage 3, and its throughput and memory, from `wan/dmd_foresight.yaml`.

Models have Wan's width and two different depths; a time or a memory that is linear in depth gives that of the whole
model. Published: 13.7 % for a cycle of one generator and five critic updates (Video-Mirai, appendix B).
"""

import functools
import gc
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from benchmarks.gpu.measuring import markdown_table, peak_of, quantile, seconds_of
from benchmarks.gpu.random_models import model_of_depth, text_parts
from benchmarks.gpu.sizes import Sizes
from trainer.config.recipe import DmdConfig, load_recipe
from trainer.distributed.world import World
from trainer.engine.checkpoint import CheckpointWriter, load_checkpoint, newest_checkpoint
from trainer.launch import build_stage
from trainer.planning.recipe import memory_of
from trainer.stages.asymmetric_dmd import AsymmetricDmdStage

RECIPES: Final = Path(__file__).parents[2] / "trainer" / "recipes" / "wan"
PROMPTS: Final = (
    "a small red circle north heading east over the night in the open\n"
    "a large blue cross south heading west over the stone in the open\n"
)


class StageTimes(NamedTuple):
    """Median seconds of one video's share of an update, and the largest memory of a cycle in bytes."""

    generator: float
    critic: float
    replay: float
    peak: float
    planned: float

    def at_depth(self, other: "StageTimes", depths: tuple[int, int], depth: int) -> "StageTimes":
        """The straight line through two depths, read at a third."""
        share = (depth - depths[0]) / (depths[1] - depths[0])
        return StageTimes(*(a + share * (b - a) for a, b in zip(self, other, strict=True)))

    @property
    def cycle(self) -> float:
        """One generator update and five critic updates; replay follows the last four."""
        return self.generator + 5 * self.critic + 4 * self.replay


def overrides(sizes: Sizes, folder: Path, student_depth: int, teacher_depth: int) -> list[str]:
    """Changes to a Wan recipe that point it to random models of some depth."""
    parts = text_parts(sizes, folder / "parts")
    prompts = folder / "prompts.txt"
    prompts.write_text(PROMPTS)

    def model(name: str, config: dict[str, Any], depth: int, causal: bool = False) -> Path:
        return model_of_depth(config, depth, folder / f"{name}-{depth}", parts, sizes.device, causal)

    settings = {
        "initial_model": model("student", sizes.student, student_depth, causal=True),
        "critic_model": model("critic", sizes.student, student_depth),
        "real_model": model("teacher", sizes.teacher, teacher_depth),
        "text_and_codec": parts, "prompts": prompts, "latent_size": list(sizes.latent),
        "latent_frames": 3 * sizes.chunks, "batch_size": 1, "scale.gradient_accumulation": 1,
        "scale.precompute_text": "false", "scale.asynchronous_checkpoints": "false", "steps": 4,
        "optimizer.warmup_steps": 0, "scale.precision": "bf16" if sizes.device.startswith("cuda") else "fp32",
    }  # fmt: skip
    return [f"{key}={value}" for key, value in settings.items()]


def open_stage(recipe: str, changes: Sequence[str], sizes: Sizes) -> tuple[DmdConfig, AsymmetricDmdStage]:
    """The stage of a recipe on the device."""
    config = load_recipe(RECIPES / f"{recipe}.yaml", changes)
    assert isinstance(config, DmdConfig)
    stage = build_stage(config, World(device=torch.device(sizes.device)))
    assert isinstance(stage, AsymmetricDmdStage)
    return config, stage


def stage_times(recipe: str, changes: Sequence[str], sizes: Sizes) -> StageTimes:
    """Medians of repeated updates of one video."""
    config, stage = open_stage(recipe, changes, sizes)
    peak = peak_of(functools.partial(stage.training_step, 0), sizes.device)

    def median(run: Callable[[], object]) -> float:
        return quantile(seconds_of(run, sizes.device, sizes.repeats), 0.5)

    auxiliary = stage.auxiliary
    return StageTimes(
        generator=median(functools.partial(stage.update_generator, 0)),
        critic=median(functools.partial(stage.update_critic, 0, 1)),
        replay=0.0 if auxiliary is None else median(auxiliary.replay),
        peak=peak.bytes,
        planned=memory_of(config, 1).on_each(1),
    )


def whole_model(recipe: str, sizes: Sizes, folder: Path, extra: Sequence[str]) -> tuple[StageTimes, list[StageTimes]]:
    """Times and memory at the full depth, and those at the two measured depths."""
    ratio = sizes.teacher["num_layers"] / sizes.student["num_layers"]
    found = []
    for depth in sizes.depths:
        teacher_depth = max(1, round(depth * ratio))
        changes = [*overrides(sizes, folder / f"depth-{depth}", depth, teacher_depth), *extra]
        found.append(stage_times(recipe, changes, sizes))
        gc.collect()
        torch.cuda.empty_cache()
    return found[0].at_depth(found[1], sizes.depths, int(sizes.student["num_layers"])), found


def run_cost(sizes: Sizes, out: Path, seconds: float) -> str:
    """Step 4: the cycle with and without foresight."""
    heads = [f"foresight.predictor_heads={sizes.student['num_attention_heads']}"]
    with tempfile.TemporaryDirectory(dir=out) as folder:
        without, _ = whole_model("dmd_baseline", sizes, Path(folder) / "baseline", [])
        with_it, _ = whole_model("dmd_foresight", sizes, Path(folder) / "foresight", heads)
    rows = [
        [name, *(f"{value:.3f}" for value in (times.generator, times.critic, times.replay, times.cycle))]
        for name, times in (("baseline", without), ("foresight", with_it))
    ]
    overhead = with_it.cycle / without.cycle - 1
    about = (
        f"\nForesight adds {100 * overhead:.1f} % to a cycle (published: 13.7 %). Layers measured: {sizes.depths}.\n"
    )
    header = ["arm", "generator update s", "critic update s", "replay s", "cycle s"]
    return markdown_table(header, rows) + about


def checkpoint_seconds(changes: Sequence[str], sizes: Sizes, folder: Path) -> tuple[float, float]:
    """Seconds to save the training state and to load it again."""
    _, stage = open_stage("dmd_foresight", changes, sizes)
    writer = CheckpointWriter(folder, World(device=torch.device(sizes.device)), keep=1, asynchronous=False)

    def save() -> None:
        writer.save(1, stage.training_state(), "")
        writer.finish()

    def load() -> None:
        newest = newest_checkpoint(folder)
        assert newest is not None
        load_checkpoint(newest, stage.training_state())

    return seconds_of(save, sizes.device, 1, warm_up=0)[0], seconds_of(load, sizes.device, 1, warm_up=0)[0]


def _line(sizes: Sizes) -> str:
    return f"{sizes.student['num_layers']} (by the line)"


def run_training(sizes: Sizes, out: Path, seconds: float) -> str:
    """Step 6: throughput of the foresight recipe, the memory plan against the peak, and checkpoints."""
    heads = [f"foresight.predictor_heads={sizes.student['num_attention_heads']}"]
    with tempfile.TemporaryDirectory(dir=out) as folder:
        whole, measured = whole_model("dmd_foresight", sizes, Path(folder) / "models", heads)
        depth = sizes.depths[0]
        changes = [*overrides(sizes, Path(folder) / "checkpointed", depth, depth), *heads]
        save, load = checkpoint_seconds(changes, sizes, Path(folder) / "checkpoints")
    rows = [
        [f"{depth} layers", f"{times.cycle:.2f}", f"{times.planned / 1e9:.2f}", f"{times.peak / 1e9:.2f}",
         f"{times.planned / times.peak:.2f}"]
        for depth, times in zip((*sizes.depths, _line(sizes)), (*measured, whole), strict=True)
    ]  # fmt: skip
    header = ["generator", "cycle s per video", "planned GB", "peak GB", "planned / peak"]
    about = f"\nA checkpoint of {depth} layers is saved in {save:.1f} s and loaded in {load:.1f} s.\n"
    return markdown_table(header, rows) + about
