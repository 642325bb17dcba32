"""Every stage of a scale from nothing, in order; each resumes where it stopped, finished ones are passed over."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from probekit.errors import UserError
from probekit.models.saving import SHARED_PARTS
from trainer.config.choices import CLIP_SHARDS, CODEC_EPISODES, TEXT_STEPS
from trainer.data.jobs import encode_sprite_clips, fit_shared_parts
from trainer.engine.loop import Ending
from trainer.launch import train_from_recipe

LOGGER = logging.getLogger("trainer")

_RECIPES: Final = Path(__file__).parent / "recipes"
_PARTS: Final = "parts"
_CLIPS: Final = "latents"


class Work(NamedTuple):
    """One recipe of a scale.

    Attributes:
        name: name of the run folder.
        recipe: file below `recipes/`.
        inputs: recipe keys that name the folder of an earlier run.
    """

    name: str
    recipe: str
    inputs: Mapping[str, str]


_TRAJECTORIES: Final = "sprite-trajectories"
_STUDENT: Final = {"initial_model": "sprite-ode", "real_model": "sprite-large", "critic_model": "sprite-base"}
SCALES: Final[dict[str, tuple[Work, ...]]] = {
    "sprite": (
        Work("sprite-base", "sprite/sprite_base.yaml", {}),
        Work("sprite-large", "sprite/sprite_large.yaml", {"grown_from": "sprite-base"}),
        Work("sprite-ar", "sprite/ar.yaml", {"initial_model": "sprite-base"}),
        Work(_TRAJECTORIES, "sprite/ode_trajectories.yaml", {"teacher": "sprite-ar"}),
        Work("sprite-ode", "sprite/ode.yaml", {"initial_model": "sprite-ar"}),
        Work("sprite-dmd-baseline", "sprite/dmd_baseline.yaml", _STUDENT),
        Work("sprite-dmd-foresight", "sprite/dmd_foresight.yaml", _STUDENT),
    )
}
_TAKES_CLIPS: Final = ("sprite-base", "sprite-large", "sprite-ar", _TRAJECTORIES)


def overrides_of(work: Work, out: Path) -> list[str]:
    """Overrides that make a recipe read from and write into the folder of one reproduction."""
    settings = {key: out / run / "export" for key, run in work.inputs.items()}
    settings["text_and_codec"] = out / _PARTS
    if work.name in _TAKES_CLIPS:
        settings["data"] = out / _CLIPS
    if work.name == _TRAJECTORIES:
        settings["out"] = out / _TRAJECTORIES
    if work.name == "sprite-ode":
        settings["trajectories"] = out / _TRAJECTORIES
    return [f"{key}={path}" for key, path in settings.items()]


def parse_changes(overrides: Sequence[str]) -> dict[str, list[str]]:
    """Group overrides `RUN:key=value` by run.

    Raises:
        UserError: for an override without a run.
    """
    changes: dict[str, list[str]] = {}
    for override in overrides:
        run, colon, setting = override.partition(":")
        if not colon or "=" not in setting:
            raise UserError(f"{override!r} is not RUN:key=value.", "Write e.g. sprite-ar:steps=100.")
        changes.setdefault(run, []).append(setting)
    return changes


def reproduce(
    scale: str,
    out: Path,
    *,
    changes: Mapping[str, Sequence[str]] | None = None,
    shards: int = CLIP_SHARDS,
    codec_episodes: int = CODEC_EPISODES,
    text_steps: int = TEXT_STEPS,
) -> bool:
    """Fit the shared parts, encode the clips and train every stage of a scale.

    Args:
        scale: name of the scale.
        out: folder of all runs.
        changes: further overrides by run name, such as fewer steps.
        shards: shards of 250 training clips.
        codec_episodes: episodes that the codec is fitted to.
        text_steps: optimizer steps of the text encoder.

    Returns:
        False if interrupted; the same call goes on from there.

    Raises:
        UserError: for an unknown scale, or an override of a run that does not exist.
    """
    if scale not in SCALES:
        raise UserError(f"There is no scale {scale!r}.", f"Choose {', '.join(SCALES)}.")
    unknown = set(changes or {}) - {work.name for work in SCALES[scale]}
    if unknown:
        raise UserError(
            f"There is no run {min(unknown)!r}.", f"Name one of {', '.join(w.name for w in SCALES[scale])}."
        )
    if not all((out / _PARTS / part).is_dir() for part in SHARED_PARTS):
        fit_shared_parts(out / _PARTS, codec_episodes, text_steps)
    encode_sprite_clips(out / _CLIPS, shards, "train", str(out / _PARTS))
    encode_sprite_clips(out / _CLIPS, 1, "validation", str(out / _PARTS))
    for work in SCALES[scale]:
        LOGGER.info("%s: %s", work.name, work.recipe)
        further = (changes or {}).get(work.name, ())
        overrides = [*overrides_of(work, out), *further]
        if train_from_recipe(_RECIPES / work.recipe, out / work.name, overrides) is not Ending.COMPLETE:
            return False
    return True
