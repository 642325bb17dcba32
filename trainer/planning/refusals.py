"""What a training would refuse once it runs, told from the recipe and the configurations of its models alone."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from probekit.choices import Role
from probekit.errors import UserError
from probekit.models.causal_card import is_causal, require_role
from probekit.models.flops import width_of
from probekit.models.hub import is_hub_id
from probekit.models.model_folder import is_there, local_place
from probekit.models.presets import SPRITE_FAMILY, family_of, sprite_transformer_config
from probekit.suites.registry import load_suite
from trainer.config.causal import CausalOdeConfig, ConsistencyConfig, TrajectoryConfig
from trainer.config.foresight import ForesightConfig
from trainer.config.recipe import BidirectionalConfig, DmdConfig, StageConfig
from trainer.config.run import CausalRunConfig
from trainer.distributed.world import World
from trainer.planning.architectures import known_architecture
from trainer.planning.recipe import target_width
from trainer.plugins import predictor_size
from trainer.stages.dmd_scores import score_roles
from trainer.stages.initialization import check_growth
from trainer.stages.opening import check_frames, initial_roles


class _Use(NamedTuple):
    """A model that a recipe names.

    Attributes:
        key: key of the recipe.
        model: its value.
        roles: roles that the model may have.
        use: what it is for.
    """

    key: str
    model: str
    roles: tuple[Role | None, ...]
    use: str


def refuse_unworkable(config: StageConfig | TrajectoryConfig, processes: int) -> None:
    """Refuse what cannot run, before anything is loaded. Of models that are not there yet nothing is known.

    Raises:
        UserError: naming the key.
    """
    uses = list(_uses(config))
    known = {use.key: found for use in uses if (found := known_architecture(use.model)) is not None}
    _check_family(known)
    for use in uses:
        folder = local_place(use.model)
        if folder is not None and folder.is_dir() and not isinstance(config, BidirectionalConfig):
            require_role(folder, use.roles, config.chunk_frames, use.use)
    if isinstance(config, TrajectoryConfig):
        _check_trajectories(config)
        return
    for batch in _batches(config):
        World(0, processes).micro_batches(batch, config.scale.gradient_accumulation)
    if config.watch.samples_every is not None or config.watch.evaluate_every is not None:
        load_suite(config.watch.suite).reduced(config.watch.prompts, 1)
    match config:
        case BidirectionalConfig():
            if "grown_from" in known:
                check_growth(sprite_transformer_config(**config.model.model_dump()), known["grown_from"])
        case DmdConfig():
            check_frames(config.latent_frames, config.chunk_frames)
            for key, model in known.items():
                _check_latents(config, key, model)
            _check_foresight(config, config.foresight, known)
        case CausalOdeConfig():  # whose clips are as long as their trajectories
            _check_foresight(config, config.foresight, known)
        case _:
            check_frames(config.latent_frames, config.chunk_frames)


def refuse_absent(config: StageConfig | TrajectoryConfig) -> None:
    """Refuse models, prompts and data that are not there.

    Raises:
        UserError: naming the key.
    """
    for absent in _absent(config):
        raise absent.error


def not_there_yet(config: StageConfig | TrajectoryConfig) -> list[str]:
    """What a recipe needs in the working folder that is not there yet, each as its key and path.

    Raises:
        UserError: something is not there that no other command makes: the recipe states a place of its own.
    """
    found = list(_absent(config))
    for absent in found:
        if Path(absent.path).is_absolute():
            raise absent.error
    return [f"{absent.key}: {absent.path}" for absent in found]


class _Absent(NamedTuple):
    """Something that a recipe names and that is not there."""

    key: str
    path: str
    error: UserError


def _absent(config: StageConfig | TrajectoryConfig) -> Iterator[_Absent]:
    named = [(use.key, use.model) for use in _uses(config)] + [("text_and_codec", str(config.text_and_codec))]
    for key, model in named:
        if local_place(model) is None and not is_hub_id(model):
            error = UserError(f"{key}: there is no model {model}.", "Train it first, or name another.")
            yield _Absent(key, model, error)
    for key, path in _files(config).items():
        if path is not None and not is_there(path):
            error = UserError(f"{key}: there is no file or folder {path}.", f"Give one by --set {key}=PATH.")
            yield _Absent(key, str(path), error)


def _files(config: StageConfig | TrajectoryConfig) -> dict[str, Path | None]:
    """The files and folders that a recipe reads, by key."""
    match config:
        case TrajectoryConfig():
            return {"prompts": config.prompts, "data": config.data}
        case DmdConfig():
            return {"prompts": config.prompts}
        case CausalOdeConfig():
            return {"trajectories": config.trajectories}
        case _:
            return {"data": config.data}


def _uses(config: StageConfig | TrajectoryConfig) -> Iterator[_Use]:
    """The models that a recipe needs, the generator first."""
    if isinstance(config, CausalRunConfig):
        yield _Use("initial_model", config.initial_model, initial_roles(config), "the initial model")
    match config:
        case BidirectionalConfig():
            if config.grown_from is not None:
                yield _Use("grown_from", config.grown_from, (None,), "grown")
        case TrajectoryConfig():
            yield _Use("teacher", config.teacher, (None, "ar_teacher"), "the teacher of ODE trajectories")
        case DmdConfig():
            yield _Use("real_model", config.real_model, score_roles(config), "the real score")
            yield _Use("critic_model", config.critic_model, score_roles(config), "the critic")
            if config.base_model is not None:
                yield _Use("base_model", config.base_model, (None,), "the foresight encoder")
        case ConsistencyConfig():
            yield _Use("teacher", config.teacher, ("ar_teacher",), "the teacher")
        case CausalOdeConfig():
            encoder = None if config.foresight is None else config.foresight.encoder
            named = {"real": config.real_model, "base": config.base_model}
            model = named.get(encoder or "")
            if model is not None:
                yield _Use(f"{encoder}_model", model, (None,), "the foresight encoder")
        case _:
            pass


def _batches(config: StageConfig) -> list[int]:
    if isinstance(config, BidirectionalConfig):
        return [phase.batch_size for phase in config.phases]
    return [config.batch_size]


def _check_trajectories(config: TrajectoryConfig) -> None:
    folder = local_place(config.teacher)
    if folder is not None and is_causal(folder) and config.data is None:
        raise UserError(f"The AR teacher {config.teacher} is forced on clips.", "Set data: to a folder of them.")


def _check_family(known: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse models that read other latents or texts than one another."""
    for size, what in (("in_channels", "latents of {} channels"), ("text_dim", "texts of width {}")):
        found = {key: model[size] for key, model in known.items()}
        if len(set(found.values())) > 1:
            (one, first), *others = found.items()
            other, second = next((key, value) for key, value in others if value != first)
            raise UserError(
                f"{one} reads {what.format(first)}, {other} {what.format(second)}.", "Name models of one family."
            )


def _check_latents(config: DmdConfig, key: str, model: Mapping[str, Any]) -> None:
    _, rows, columns = model["patch_size"]
    if config.latent_size[0] % rows or config.latent_size[1] % columns:
        raise UserError(
            f"latent_size: {list(config.latent_size)} is not a multiple of the patch {rows}x{columns} of {key}.",
            f"Use multiples of {rows} and {columns}.",
        )
    table = model["rope_max_seq_len"]
    longest = max(config.latent_frames, config.latent_size[0] // rows, config.latent_size[1] // columns)
    if longest > table:
        raise UserError(
            f"latent_frames or latent_size need {longest} positions; those of {key} end at {table}.",
            "Use shorter clips or smaller frames.",
        )


def _check_foresight(
    config: CausalOdeConfig | DmdConfig, foresight: ForesightConfig | None, known: Mapping[str, Mapping[str, Any]]
) -> None:
    if foresight is None:
        return
    key = _encoder_key(config, foresight)
    generator, encoder = known.get("initial_model"), None if key is None else known.get(key)
    for key, layer, model in (
        ("foresight.student_layer", foresight.student_layer, generator),
        ("foresight.encoder_layer", foresight.encoder_layer, encoder),
    ):
        if layer is not None and model is not None and layer >= model["num_layers"]:
            raise UserError(
                f"{key}: {layer} is not a block of a model of {model['num_layers']}.",
                f"Use 0 to {model['num_layers'] - 1}.",
            )
    if generator is not None and (encoder is not None or key is None):
        predictor_size(foresight, width_of(generator), target_width(foresight, encoder or {}))
    if generator is not None and key is None and family_of(generator) is not SPRITE_FAMILY:
        raise UserError("foresight.encoder: world reads sprites alone.", "Use real, base or ema.")
    chunks = config.latent_frames // config.chunk_frames
    if isinstance(config, DmdConfig) and min(foresight.offsets) >= chunks:
        raise UserError(
            f"foresight.offsets: {list(foresight.offsets)} leave no future in {chunks} chunks.",
            "Use a smaller offset or longer clips.",
        )


def _encoder_key(config: CausalOdeConfig | DmdConfig, foresight: ForesightConfig) -> str | None:
    """Key of the model that foresight reads with; None where none does.

    Raises:
        UserError: if a recipe of stage 2 does not name it.
    """
    if foresight.encoder == "world":
        return None
    if foresight.encoder == "ema":
        return "initial_model"
    if isinstance(config, DmdConfig):
        base = "critic_model" if config.base_model is None else "base_model"
        return base if foresight.encoder == "base" else "real_model"
    key = f"{foresight.encoder}_model"
    if (config.base_model if foresight.encoder == "base" else config.real_model) is None:
        raise UserError(f"foresight.encoder: {foresight.encoder} needs {key}.", "Name one, or choose another encoder.")
    return key
