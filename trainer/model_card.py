"""A model's card: what made it and what it was measured to do."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from probekit.atomic_files import write_json, write_text
from probekit.errors import UserError
from probekit.evaluation.sprite.rates import sprite_rates
from probekit.journal import read_journal
from probekit.models.loading import hash_checkpoint, load_transformer
from probekit.provenance import hardware, package_versions
from probekit.run_folder.manifest import load_video_set
from probekit.user_files.yaml_files import read_yaml
from trainer.config.choices import CODEC_EPISODES, TEXT_STEPS

CARD = "model_card.json"

_KINDS: Final = {
    "bidirectional": "A bidirectional Wan transformer",
    "ar_finetune": "A causal Wan transformer, fine-tuned by teacher forcing (stage 1),",
    "causal_ode": "A causal few-step Wan transformer, distilled from ODE trajectories (stage 2),",
    "consistency": "A causal few-step Wan transformer, distilled for consistency (stage 2),",
    "asymmetric_dmd": "A causal few-step Wan transformer, distilled by asymmetric DMD (stage 3),",
}
_LOSSES: Final = {
    "bidirectional": "Held-out flow-matching loss",
    "ar_finetune": "Held-out teacher-forced flow-matching loss",
    "causal_ode": "Loss against trajectory ends",
    "consistency": "Loss against the average one teacher step further",
    "asymmetric_dmd": "Critic's loss on rollouts of held-out prompts",
}


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The records of a run's `metrics.jsonl`.

    Raises:
        UserError: if the run has none.
    """
    path = run / "metrics.jsonl"
    if not path.is_file():
        raise UserError(f"{run} is not a training run: it has no metrics.jsonl.", "Give a folder that trainer wrote.")
    return [entry.value for entry in read_journal(path) if isinstance(entry.value, dict) and "step" in entry.value]


def trained_seconds(run: Path) -> float:
    """Wall time in seconds of the steps that a run has logged; 0 where it has not begun.

    Raises:
        UserError: if its configuration cannot be read.
    """
    return _logged(run, "seconds")


def processor_seconds(run: Path) -> float | None:
    """Seconds of cores of the steps that a run has logged; None where its log has none, as those of earlier versions.

    Raises:
        UserError: if its configuration cannot be read.
    """
    return _logged(run, "processor_seconds") or None


def _logged(run: Path, name: str) -> float:
    if not (run / "metrics.jsonl").is_file():
        return 0.0
    config: dict[str, Any] = read_yaml(run / "config.yaml", what="configuration", fix="Train it again.")
    return _sum_of_steps(read_metrics(run), config["log_every"], name)


def _sum_of_steps(metrics: Sequence[Mapping[str, float]], log_every: int, name: str = "seconds") -> float:
    """Each record has the time of one step, and stands for those since the record before; 0 if a record lacks it."""
    timed = [record for record in metrics if "seconds" in record]
    whole = all(name in record for record in timed)
    return float(log_every * sum(record[name] for record in timed)) if whole else 0.0


def write_model_card(run: Path, command: str, samples: Path) -> Path:
    """Write `model_card.json` and `README.md` into a run's export.

    Args:
        run: training run, with `export/`.
        command: command that repeats the training from nothing.
        samples: run folder of held-out videos sampled with the export.

    Returns:
        The export folder.
    """
    export, metrics = run / "export", read_metrics(run)
    config: dict[str, Any] = read_yaml(
        run / "config.yaml", what="configuration", fix="Give a folder that trainer wrote."
    )
    model = load_transformer(export)
    videos = load_video_set(samples)
    generation = videos.protocol.generation
    if generation.checkpoint_hash != hash_checkpoint(export):
        raise UserError(f"The videos in {samples} were not made with {export}.", "Sample them again with the export.")
    card = {
        "name": config["name"],
        "stage": config["stage"],
        "command": command,
        "seed": config["seed"],
        "steps": int(max(record["step"] for record in metrics)),
        "hours": round(_sum_of_steps(metrics, config["log_every"]) / 3600, 2),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "ema": True,
        "held_out_loss": [record["validation_loss"] for record in metrics if "validation_loss" in record][-1],
        "tracker_rates": sprite_rates(videos),
        "foresight": config.get("foresight"),
        "sampling": {
            "sampler": generation.sampler,
            "steps": generation.steps,
            "guidance": generation.guidance,
            "shift": generation.shift,
        },
        "recipe": config,
        "hardware": hardware(),
        "packages": package_versions(("torch", "diffusers", "transformers", "numpy")),
    }
    write_json(export / CARD, card)
    write_text(export / "README.md", _page(card))
    return export


def _foresight_lines(foresight: dict[str, Any] | None) -> list[str]:
    if foresight is None:
        return []
    offsets, weight = foresight["offsets"], foresight["weight"]
    return [
        f"Trained with foresight: offsets {offsets} fused, weight {weight}; the predictor is not part of the model."
    ]


def _page(card: dict[str, Any]) -> str:
    rates = card["tracker_rates"]
    lines = [
        f"# {card['name']}",
        "",
        f"{_KINDS[card['stage']]} of {card['parameters'] / 1e6:.2f} M parameters for the sprite world, with",
        "its text encoder, codec and scheduler; weights in bf16, the exponential moving average of the training.",
        *_foresight_lines(card["foresight"]),
        "",
        f"- Made by `{card['command']}`, seed {card['seed']}, {card['steps']} steps, {card['hours']} hours "
        f"(threads: {card['recipe']['threads']}) on {card['hardware']['cores']} cores shared with other work.",
        f"- {_LOSSES[card['stage']]}: {card['held_out_loss']:.4f}.",
        f"- On {rates['videos']:.0f} videos of held-out prompts the tracker finds every prompted colour in "
        f"{rates['colors']:.1%}, every prompted colour and shape in {rates['colors_and_shapes']:.1%}, one identity per "
        f"sprite for the whole clip in {rates['one_identity']:.1%}, and the background and pillar in "
        f"{rates['background']:.1%}.",
        f"- Sampled with {card['sampling']['steps']} steps, guidance {card['sampling']['guidance']}, "
        f"shift {card['sampling']['shift']}.",
        "- Text encoder and codec, frozen in training: `trainer fit-parts`, seed 0, "
        f"{CODEC_EPISODES:,} episodes, {TEXT_STEPS:,} text steps.",
        "",
        "`model_card.json` holds the same with the whole recipe.",
        "",
    ]
    return "\n".join(lines)
