"""Which modules are changed, and which tests belong to them: the one table of both."""

from pathlib import Path
from typing import Final

LISTED: Final = (
    "probekit.statistics",
    "probekit.diffusion",
    "trainer.objectives",
    "trainer.engine.ema",
    "trainer.engine.checkpoint",
    "trainer.engine.safe_checkpoint_files",
    "trainer.foresight",
    "trainer.stages",
    "probekit.models.rotary",
    "probekit.models.kv_cache",
    "probekit.models.causal_attention",
    "probekit.models.causal_card",
    "probekit.models.causal_wan",
    "probekit.models.context_policy",
    "probekit.rollout",
    "probekit.probing",
    "probekit.run_folder.protocol_card",
    "probekit.run_folder.manifest",
    "probekit.run_folder.score_store",
    "probekit.evaluation.aggregation",
    "probekit.evaluation.weighting",
    "probekit.evaluation.sprite",
    "probekit.evaluation.vbench.fast.formulas",
    "probekit.evaluation.vbench.fast.dynamic_degree",
    "probekit.evaluation.vbench.fast.sampling",
    "probekit.sprite_world.futures",
)
"""Modules and packages whose mathematics or promises others rest on; `make mutants` runs all of them."""

_UNIT: Final = Path("tests/unit")
EXTRA: Final[dict[str, tuple[str, ...]]] = {
    "probekit.models": (
        "tests/equivalence/test_causal_wan_reference.py",
        "tests/equivalence/test_streaming_rollout.py",
    ),
    "probekit.rollout": ("tests/equivalence/test_streaming_rollout.py",),
}
"""Tests of a module or package elsewhere than in the folder that mirrors it."""

INSTEAD: Final[dict[str, tuple[str, ...]]] = {
    "probekit.evaluation.aggregation": ("tests/unit/evaluation/test_aggregation.py",),
    "probekit.evaluation.sprite.identity": ("tests/unit/evaluation/sprite/test_identity.py",),
    "probekit.evaluation.sprite.permanence": ("tests/unit/evaluation/sprite/test_permanence.py",),
    "probekit.evaluation.sprite.quality": ("tests/unit/evaluation/sprite/test_quality_by_hand.py",),
    "probekit.evaluation.sprite.rates": ("tests/unit/evaluation/sprite/test_rates.py",),
    "probekit.evaluation.sprite.semantic": ("tests/unit/evaluation/sprite/test_semantic_by_hand.py",),
    "probekit.evaluation.vbench.fast.dynamic_degree": ("tests/unit/evaluation/vbench/fast/test_rules.py",),
    "probekit.evaluation.vbench.fast.formulas": ("tests/unit/evaluation/vbench/fast/test_formulas.py",),
    "probekit.evaluation.vbench.fast.sampling": ("tests/unit/evaluation/vbench/fast/test_rules.py",),
    "probekit.evaluation.weighting": ("tests/unit/evaluation/test_weighting.py",),
    "probekit.models.causal_attention": ("tests/unit/models/test_chunk_attention.py",),
    "probekit.models.causal_card": ("tests/unit/models/test_causal_card.py",),
    "probekit.models.causal_wan": ("tests/unit/models/test_causal_wan.py",),
    "probekit.models.context_policy": ("tests/unit/models/test_context_policy.py",),
    "probekit.models.kv_cache": ("tests/unit/models/test_kv_cache.py",),
    "probekit.models.rotary": ("tests/unit/models/test_rotary.py",),
    "probekit.probing.alignment": ("tests/unit/probing/test_alignment.py",),
    "probekit.probing.capturing": ("tests/unit/probing/test_capturing.py",),
    "probekit.probing.control_task": ("tests/unit/probing/test_control_task.py",),
    "probekit.probing.decoded_directions": ("tests/unit/probing/test_decoded_directions.py",),
    "probekit.probing.decoder_goals": ("tests/unit/probing/test_decoder_goals.py",),
    "probekit.probing.decoder_inputs": ("tests/unit/probing/test_decoder_inputs.py",),
    "probekit.probing.decoders": ("tests/unit/probing/test_decoders.py",),
    "probekit.probing.encoder_features": ("tests/unit/probing/test_alignment.py",),
    "probekit.probing.feature_store": ("tests/unit/probing/test_feature_store.py",),
    "probekit.probing.fixed_controls": ("tests/unit/probing/test_fixed_controls.py",),
    "probekit.probing.future_distances": ("tests/unit/probing/test_future_distances.py",),
    "probekit.probing.future_experiment": ("tests/unit/probing/test_future_experiment.py",),
    "probekit.probing.future_tests": ("tests/unit/probing/test_future_tests.py",),
    "probekit.probing.futures": ("tests/unit/probing/test_futures.py", "tests/unit/probing/test_futures_command.py"),
    "probekit.probing.gradient_agreement": ("tests/unit/probing/test_gradient_agreement.py",),
    "probekit.probing.gradient_store": ("tests/unit/probing/test_gradient_agreement.py",),
    "probekit.probing.head_fitting": ("tests/unit/probing/test_readout_heads.py",),
    "probekit.probing.patching": ("tests/unit/probing/test_patching.py",),
    "probekit.probing.planning_episodes": ("tests/unit/probing/test_planning_facts.py",),
    "probekit.probing.planning_experiment": ("tests/unit/probing/test_planning_experiment.py",),
    "probekit.probing.planning_facts": ("tests/unit/probing/test_planning_facts.py",),
    "probekit.probing.planning_gap": ("tests/unit/probing/test_planning_gap_by_hand.py",),
    "probekit.probing.probe_comparison": ("tests/unit/probing/test_probe_comparison.py",),
    "probekit.probing.probe_experiment": (
        "tests/unit/probing/test_probe_experiment.py",
        "tests/unit/probing/test_probe_experiment_by_hand.py",
    ),
    "probekit.probing.probe_settings": ("tests/unit/probing/test_probe_settings.py",),
    "probekit.probing.published_readouts": ("tests/unit/probing/test_published_readouts.py",),
    "probekit.probing.readout_heads": ("tests/unit/probing/test_readout_heads.py",),
    "probekit.probing.readout_judge": ("tests/unit/probing/test_readout_judge.py",),
    "probekit.probing.readout_metrics": ("tests/unit/probing/test_readout_metrics.py",),
    "probekit.probing.recording": ("tests/unit/probing/test_recording.py",),
    "probekit.probing.reductions": ("tests/unit/probing/test_reductions.py",),
    "probekit.probing.similarity": ("tests/unit/probing/test_similarity.py",),
    "probekit.probing.sites": ("tests/unit/probing/test_sites.py",),
    "probekit.probing.splits": ("tests/unit/probing/test_splits.py",),
    "probekit.probing.store_cards": ("tests/unit/probing/test_store_cards.py",),
    "probekit.probing.targets": ("tests/unit/probing/test_motion_targets.py", "tests/unit/probing/test_targets.py"),
    "probekit.probing.teacher_forcing": ("tests/unit/probing/test_teacher_forcing.py",),
    "probekit.probing.world_calibration": ("tests/unit/probing/test_world_calibration.py",),
    "probekit.rollout.bidirectional_sampler": (
        "tests/equivalence/test_bidirectional_sampler.py",
        "tests/unit/rollout/test_samplers_by_hand.py",
    ),
    "probekit.rollout.causal_pipeline": ("tests/unit/rollout/test_causal_pipeline.py",),
    "probekit.rollout.chunk_denoisers": ("tests/unit/rollout/test_chunk_denoisers.py",),
    "probekit.rollout.diffusers_sampler": ("tests/unit/rollout/test_diffusers_sampler_by_hand.py",),
    "probekit.rollout.fixed_batch": ("tests/unit/rollout/test_fixed_batch.py",),
    "probekit.rollout.generation_runner": ("tests/unit/rollout/test_generation_runner.py",),
    "probekit.rollout.initial_noise": ("tests/unit/rollout/test_initial_noise.py",),
    "probekit.rollout.noise": ("tests/unit/rollout/test_noise.py",),
    "probekit.rollout.pipeline_opening": ("tests/unit/rollout/test_pipeline_opening.py",),
    "probekit.rollout.prompt_schedule": ("tests/unit/rollout/test_prompt_schedule.py",),
    "probekit.rollout.records": ("tests/unit/rollout/test_streaming_rollout.py",),
    "probekit.rollout.sampling_config": ("tests/unit/rollout/test_sampling_config.py",),
    "probekit.rollout.speed": ("tests/unit/rollout/test_speed.py",),
    "probekit.rollout.streaming_rollout": ("tests/unit/rollout/test_streaming_rollout.py",),
    "probekit.rollout.streaming_sampler": (
        "tests/unit/rollout/test_samplers_by_hand.py",
        "tests/unit/rollout/test_streaming_sampler.py",
    ),
    "probekit.rollout.world_sampler": ("tests/unit/rollout/test_world_sampler.py",),
    "probekit.run_folder.manifest": ("tests/unit/run_folder/test_manifest.py",),
    "probekit.run_folder.protocol_card": ("tests/unit/run_folder/test_protocol_card.py",),
    "probekit.run_folder.score_store": (
        "tests/unit/run_folder/test_score_store.py",
        "tests/unit/run_folder/test_score_versions.py",
    ),
    "probekit.sprite_world.futures": ("tests/unit/sprite_world/test_futures.py",),
    "probekit.statistics.arrays": ("tests/unit/statistics/test_arrays.py",),
    "probekit.statistics.bootstrap_settings": ("tests/unit/statistics/test_bootstrap_settings.py",),
    "probekit.statistics.coverage": ("tests/unit/statistics/test_coverage.py",),
    "probekit.statistics.difference_estimate": ("tests/unit/statistics/test_difference_estimate.py",),
    "probekit.statistics.exchange": ("tests/unit/statistics/test_exchange.py",),
    "probekit.statistics.group_bootstrap": (
        "tests/unit/statistics/test_group_bootstrap.py",
        "tests/unit/statistics/test_training_runs.py",
    ),
    "probekit.statistics.horizon_drop": ("tests/unit/statistics/test_horizon_drop.py",),
    "probekit.statistics.influence": ("tests/unit/statistics/test_influence.py",),
    "probekit.statistics.interval_choice": ("tests/unit/statistics/test_interval_choice.py",),
    "probekit.statistics.intervals": ("tests/unit/statistics/test_intervals.py",),
    "probekit.statistics.paired_bootstrap": ("tests/unit/statistics/test_paired_bootstrap.py",),
    "probekit.statistics.paired_means": ("tests/unit/statistics/test_paired_means.py",),
    "probekit.statistics.paired_units": ("tests/unit/statistics/test_paired_units.py",),
    "probekit.statistics.power": ("tests/unit/statistics/test_power.py", "tests/unit/statistics/test_power_by_hand.py"),
    "probekit.statistics.preference_estimate": ("tests/unit/statistics/test_preference_model.py",),
    "probekit.statistics.preference_model": ("tests/unit/statistics/test_preference_model.py",),
    "probekit.statistics.prompt_pairing": ("tests/unit/statistics/test_prompt_pairing.py",),
    "probekit.statistics.prompt_scores": ("tests/unit/statistics/test_table_selection.py",),
    "probekit.statistics.resampling": ("tests/unit/statistics/test_resampling.py",),
    "probekit.statistics.score_arrays": (
        "tests/unit/statistics/test_score_comparison.py",
        "tests/unit/statistics/test_score_total.py",
    ),
    "probekit.statistics.score_comparison": ("tests/unit/statistics/test_score_comparison.py",),
    "probekit.statistics.score_total": ("tests/unit/statistics/test_score_total.py",),
    "probekit.statistics.seed_resampling": ("tests/unit/statistics/test_seed_resampling.py",),
    "probekit.statistics.significance": (
        "tests/unit/statistics/test_significance.py",
        "tests/unit/statistics/test_significance_meaning.py",
    ),
    "probekit.statistics.significance_table": ("tests/unit/statistics/test_significance.py",),
    "probekit.statistics.table_selection": ("tests/unit/statistics/test_table_selection.py",),
    "probekit.statistics.verdicts": ("tests/unit/statistics/test_verdicts.py",),
    "trainer.engine.checkpoint": ("tests/unit/trainer/engine/test_checkpoint.py",),
    "trainer.engine.ema": ("tests/unit/trainer/engine/test_ema.py",),
    "trainer.engine.safe_checkpoint_files": ("tests/unit/trainer/engine/test_safe_checkpoint_files.py",),
    "trainer.foresight.encoders": ("tests/unit/trainer/foresight/test_encoders.py",),
    "trainer.foresight.losses": ("tests/unit/trainer/foresight/test_losses.py",),
    "trainer.foresight.objective": ("tests/unit/trainer/foresight/test_objective.py",),
    "trainer.foresight.predictors": ("tests/unit/trainer/foresight/test_predictors.py",),
    "trainer.foresight.targets": ("tests/unit/trainer/foresight/test_targets.py",),
    "trainer.stages.ar_finetune": ("tests/unit/trainer/stages/test_ar_finetune.py",),
    "trainer.stages.asymmetric_dmd": ("tests/unit/trainer/stages/test_dmd_meaning.py",),
    "trainer.stages.averaged_model": ("tests/unit/trainer/stages/test_single_model.py",),
    "trainer.stages.bidirectional": ("tests/unit/trainer/stages/test_bidirectional.py",),
    "trainer.stages.causal_ode": ("tests/unit/trainer/stages/test_causal_ode.py",),
    "trainer.stages.clip_stage": (
        "tests/unit/trainer/stages/test_ar_finetune.py",
        "tests/unit/trainer/stages/test_consistency_meaning.py",
    ),
    "trainer.stages.consistency": ("tests/unit/trainer/stages/test_consistency_meaning.py",),
    "trainer.stages.dmd_scores": (
        "tests/unit/trainer/stages/test_dmd_meaning.py",
        "tests/unit/trainer/stages/test_dmd_scores.py",
    ),
    "trainer.stages.export": ("tests/unit/trainer/stages/test_export.py",),
    "trainer.stages.flows": ("tests/unit/trainer/stages/test_flows.py",),
    "trainer.stages.history_gradient": ("tests/unit/trainer/stages/test_history_gradient.py",),
    "trainer.stages.initialization": (
        "tests/unit/trainer/stages/test_grown_model.py",
        "tests/unit/trainer/stages/test_initialization.py",
    ),
    "trainer.stages.ode_trajectories": ("tests/unit/trainer/stages/test_ode_trajectories.py",),
    "trainer.stages.opening": ("tests/unit/trainer/stages/test_opening.py",),
    "trainer.stages.random_rows": ("tests/unit/trainer/stages/test_random_rows.py",),
    "trainer.stages.rollout_prompts": ("tests/unit/trainer/stages/test_rollout_prompts.py",),
    "trainer.stages.single_model": (
        "tests/unit/trainer/stages/test_bidirectional.py",
        "tests/unit/trainer/stages/test_single_model.py",
    ),
    "trainer.stages.whole_clip_trajectories": ("tests/unit/trainer/stages/test_ode_trajectories.py",),
}
"""Tests of a module that stand for those of its folder, which take long and have little to do with it."""


def module_files(root: Path, name: str) -> list[Path]:
    """Files of a module or package that hold code, relative to the repository.

    Raises:
        ValueError: There is no such module.
    """
    place = root.joinpath(*name.split("."))
    if place.is_dir():
        return [path.relative_to(root) for path in sorted(place.rglob("*.py")) if path.name != "__init__.py"]
    if place.with_suffix(".py").is_file():
        return [place.with_suffix(".py").relative_to(root)]
    raise ValueError(f"There is no module {name} under {root}. Name one as it is imported, such as {LISTED[0]}.")


def module_name(path: Path) -> str:
    """Name by which a file is imported."""
    return ".".join(path.with_suffix("").parts)


def own_tests(root: Path, module: str) -> list[str]:
    """Test files of a module: those in the folder that mirrors its package, and the table's."""
    if module in INSTEAD:
        return sorted(INSTEAD[module])
    package = module.split(".")[:-1]
    mirror = _UNIT.joinpath(*(package[1:] if package[:1] == ["probekit"] else package))
    found = {path.relative_to(root).as_posix() for path in (root / mirror).glob("test_*.py")}
    for owner, places in EXTRA.items():
        if f"{module}.".startswith(f"{owner}."):
            found |= {path for place in places for path in _files_at(root, place)}
    return sorted(found)


def _files_at(root: Path, place: str) -> list[str]:
    path = root / place
    files = sorted(path.glob("test_*.py")) if path.is_dir() else [path]
    return [file.relative_to(root).as_posix() for file in files]
