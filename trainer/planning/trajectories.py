"""What solving trajectories takes: models, operations and memory, from configurations alone.

Shards are independent, so every process holds the whole teacher; nothing is sharded.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from probekit.errors import UserError
from probekit.geometry import LatentGeometry
from probekit.models.flops import parameter_count
from probekit.models.presets import family_of
from probekit.rollout.fixed_batch import fixed_batch_size
from trainer.config.causal import TrajectoryConfig
from trainer.planning.architectures import architecture, latent_geometry, text_encoder_parameters
from trainer.planning.cost import CycleShape, forward_cost, rollout_pass_cost
from trainer.planning.memory import GB, Memory, Part, cache_bytes, reading_activations


class SolverPlan(NamedTuple):
    """What a recipe's solver works on.

    Attributes:
        teacher: configuration of its transformer.
        text: parameters of the text encoder.
        forced: an AR teacher, forced on clips chunk after chunk; else a bidirectional one that makes whole clips.
        geometry: sizes of a latent frame and of a chunk.
        video: tokens of a video.
    """

    teacher: Mapping[str, Any]
    text: int
    forced: bool
    geometry: LatentGeometry
    video: int

    @property
    def chunk(self) -> int:
        """Tokens of a chunk."""
        return self.geometry.tokens(self.geometry.chunk_frames)


def solver_plan(config: TrajectoryConfig) -> SolverPlan:
    """Sizes of a recipe; with `data` its teacher is taken for an AR one, on clips of its family's size.

    Raises:
        UserError: if an architecture is not known here.
    """
    base = str(config.text_and_codec)
    teacher = architecture(config.teacher, base)
    forced = config.data is not None
    geometry = latent_geometry(teacher, config.chunk_frames, None if forced else config.latent_size)
    return SolverPlan(teacher, text_encoder_parameters(base), forced, geometry, geometry.tokens(config.latent_frames))


def solver_operations(config: TrajectoryConfig, plan: SolverPlan) -> float:
    """Operations of one clip; an AR teacher also commits every chunk."""
    tokens = family_of(plan.teacher).text_tokens
    branches = 2 if config.guidance > 1 else 1
    if not plan.forced:
        return branches * config.euler_steps * forward_cost(plan.teacher, plan.video, tokens)
    chunks = config.latent_frames // config.chunk_frames
    shape = CycleShape(tokens=plan.video, chunks=chunks, text_tokens=tokens)
    return branches * (config.euler_steps + 1) * rollout_pass_cost(plan.teacher, shape)


def solver_memory(config: TrajectoryConfig, plan: SolverPlan) -> Memory:
    """Memory of each process."""
    half = config.precision == "bf16"
    tokens = plan.chunk if plan.forced else plan.video
    videos = min(fixed_batch_size(tokens), config.clips_per_shard) * (2 if config.guidance > 1 else 1)
    static = [Part("teacher: frozen weights", 4 * parameter_count(plan.teacher), False)]
    if not config.precompute_text:
        static.append(Part("text encoder", 4 * plan.text, False))
    dynamic = [Part("activations of a pass", videos * reading_activations(plan.teacher, tokens, half), False)]
    if plan.forced:
        dynamic.append(Part("keys and values", videos * cache_bytes(plan.teacher, plan.video, half), False))
    return Memory(tuple(static), tuple(dynamic))


def solver_lines(config: TrajectoryConfig, gigabytes: float | None) -> Iterator[str]:
    """Models, tokens, operations and memory, in lines for a reader.

    Raises:
        UserError: if a process does not fit into the memory, with the closest settings that do.
    """
    plan = solver_plan(config)
    clips, branches = config.shards * config.clips_per_shard, 2 if config.guidance > 1 else 1
    yield f"# work: {clips} clips, {config.euler_steps * branches} passes of each chunk or clip"
    yield "# models"
    yield f"{'teacher (frozen)':28} {parameter_count(plan.teacher):>14,} parameters"
    yield f"{'text encoder (frozen)':28} {plan.text:>14,} parameters"
    yield "# tokens"
    yield f"{plan.geometry.tokens_per_frame} per latent frame, {plan.chunk} per chunk, {plan.video} per video"
    yield "# operations"
    one = solver_operations(config, plan)
    yield f"{'a clip':28} {one / 1e12:>14,.3f} TFLOP"
    yield f"{'all clips':28} {clips * one / 1e12:>14,.3f} TFLOP"
    memory = solver_memory(config, plan)
    yield "# memory of each process; shards are shared out over any number of GPUs"
    for part in (*memory.static, *memory.dynamic):
        yield f"{part.name:44} {part.bytes / GB:>10,.2f} GB"
    yield f"{'peak':44} {memory.on_each(1) / GB:>10,.2f} GB"
    if gigabytes is not None:
        check_solver(config, plan, gigabytes)
        yield f"fits {gigabytes:g} GB"


def check_solver(config: TrajectoryConfig, plan: SolverPlan, gigabytes: float) -> None:
    """Refuse what does not fit.

    Raises:
        UserError: with the closest settings that do.
    """
    memory = solver_memory(config, plan)
    if memory.fits(1, gigabytes):
        return
    changes: list[str] = []
    fix = "Use larger GPUs."
    smaller = config
    for key, value in (("precompute_text", True), ("precision", "bf16")):
        if dict(smaller)[key] == value:
            continue
        smaller = smaller.model_copy(update={key: value})
        changes.append(f"--set {key}={str(value).lower()}")
        if solver_memory(smaller, plan).fits(1, gigabytes):
            fix = f"This fits: {' '.join(changes)}."
            break
    raise UserError(f"{config.name} needs {memory.on_each(1) / GB:.1f} GB on a GPU of {gigabytes:g} GB.", fix)
