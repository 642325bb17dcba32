"""Which test fails if an option of a training recipe does nothing.

`Class.field` to `file::test`, in `tests/unit/trainer`.
"""

from typing import Final

_OPTIONS: Final = "config/test_recipe_options.py"
_RUN: Final = f"{_OPTIONS}::test_each_option_of_a_run_changes_what_it_names"
_DMD: Final = f"{_OPTIONS}::test_each_option_of_dmd_changes_what_it_names"
_BIDIRECTIONAL: Final = f"{_OPTIONS}::test_each_option_of_bidirectional_training_changes_what_it_names"
_CONSISTENCY: Final = f"{_OPTIONS}::test_each_option_of_consistency_changes_the_loss"
_TRAJECTORIES: Final = f"{_OPTIONS}::test_each_option_of_trajectories_changes_them"
_OUT: Final = "test_commands.py::test_trajectories_go_where_out_says_with_the_threads_of_the_recipe"
_VARIANT: Final = "foresight/test_foresight_variants.py::test_each_option_changes_the_loss_and_trains"
_PREDICTOR: Final = "foresight/test_foresight_variants.py::test_each_option_of_the_predictor_changes_how_it_learns"
_SCALE: Final = "distributed/test_scale.py::test_an_option_of_scale_trains_the_same_thing"
_WATCH: Final = "engine/test_evaluation_hook.py::test_a_run_draws_evaluates_and_selects"

CATALOGUE: Final[dict[str, str]] = {
    "RunConfig.name": "test_commands.py::test_the_name_is_the_default_folder",
    "RunConfig.seed": _RUN,
    "RunConfig.text_and_codec": "engine/test_loop.py::test_the_export_opens_and_holds_the_average_in_bf16",
    "RunConfig.optimizer": _RUN,
    "RunConfig.ema_decay": _RUN,
    "RunConfig.log_every": "engine/test_loop.py::test_logs_come_as_often_as_asked",
    "RunConfig.checkpoint_every": "engine/test_loop.py::test_logs_every_step_and_keeps_two_checkpoints",
    "RunConfig.scale": _SCALE,
    "RunConfig.skip_corrupt_shards": (
        "stages/test_causal_stages.py::test_a_cut_shard_of_trajectories_is_named_and_skipped_only_if_told_to"
    ),
    "RunConfig.watch": _WATCH,
    "RunConfig.threads": _OUT,
    "CausalRunConfig.initial_model": _RUN,
    "CausalRunConfig.steps": "stages/test_causal_stages.py::test_ar_finetuning_resumes_exactly_and_exports_a_teacher",
    "CausalRunConfig.batch_size": _RUN,
    "CausalRunConfig.chunk_frames": _RUN,
    "CausalRunConfig.latent_frames": _RUN,
    "CausalRunConfig.shift": _RUN,
    "CausalRunConfig.few_steps": _DMD,
    "OptimizerConfig.kind": _RUN,
    "OptimizerConfig.learning_rate": _RUN,
    "OptimizerConfig.betas": _RUN,
    "OptimizerConfig.weight_decay": f"{_OPTIONS}::test_only_matrices_decay",
    "OptimizerConfig.warmup_steps": "engine/test_loop.py::test_learning_rate_warms_up_and_decays",
    "OptimizerConfig.decay_steps": "engine/test_loop.py::test_learning_rate_warms_up_and_decays",
    "OptimizerConfig.clip_norm": f"{_OPTIONS}::test_gradients_are_clipped_to_the_norm",
    "ScaleConfig.gradient_accumulation": (
        "distributed/test_scale.py::test_an_update_is_made_of_as_many_micro_batches_as_asked"
    ),
    "ScaleConfig.precision": _SCALE,
    "ScaleConfig.attention": (
        "distributed/test_scale.py::test_math_attention_uses_no_fused_kernel_and_leaves_the_switches_as_they_were"
    ),
    "ScaleConfig.activation_checkpointing": (
        "distributed/test_scale.py::test_recomputation_keeps_less_for_the_backward_pass"
    ),
    "ScaleConfig.compile": "distributed/test_scale.py::test_compiled_parts_keep_the_names_of_their_weights",
    "ScaleConfig.precompute_text": (
        "distributed/test_scale.py::test_precomputed_prompts_are_the_encoders_and_stay_on_disk"
    ),
    "ScaleConfig.keep_checkpoints": "distributed/test_scale.py::test_a_run_writes_its_checkpoints_as_the_recipe_says",
    "ScaleConfig.asynchronous_checkpoints": (
        "distributed/test_scale.py::test_a_run_writes_its_checkpoints_as_the_recipe_says"
    ),
    "WatchConfig.samples_every": _WATCH,
    "WatchConfig.evaluate_every": _WATCH,
    "WatchConfig.suite": "engine/test_evaluation_hook.py::test_the_suite_of_the_recipe_is_sampled",
    "WatchConfig.prompts": _WATCH,
    "WatchConfig.sheet_prompts": _WATCH,
    "WatchConfig.select": "engine/test_evaluation_hook.py::test_the_rule_selects_and_the_runner_up_is_recorded",
    "BidirectionalConfig.model": _BIDIRECTIONAL,
    "BidirectionalConfig.data": "engine/test_loop.py::test_missing_clips_name_the_command_that_makes_them",
    "BidirectionalConfig.grown_from": "stages/test_grown_model.py::test_a_recipe_names_the_model_to_grow_from",
    "BidirectionalConfig.phases": _BIDIRECTIONAL,
    "BidirectionalConfig.caption_dropout": _BIDIRECTIONAL,
    "BidirectionalConfig.sampling_shift": (
        f"{_OPTIONS}::test_the_export_of_a_bidirectional_model_has_the_shift_of_its_recipe"
    ),
    "TransformerSize.heads": "config/test_recipe_options.py::test_each_part_of_a_phase_and_a_size_counts",
    "TransformerSize.head_width": "config/test_recipe_options.py::test_each_part_of_a_phase_and_a_size_counts",
    "TransformerSize.layers": _BIDIRECTIONAL,
    "Phase.steps": "config/test_recipe_options.py::test_each_part_of_a_phase_and_a_size_counts",
    "Phase.latent_frames": "config/test_recipe_options.py::test_each_part_of_a_phase_and_a_size_counts",
    "Phase.batch_size": "config/test_recipe_options.py::test_each_part_of_a_phase_and_a_size_counts",
    "Phase.timestep_shift": _BIDIRECTIONAL,
    "AutoregressiveConfig.data": "stages/test_causal_stages.py::test_ar_finetuning_learns",
    "AutoregressiveConfig.caption_dropout": _RUN,
    "AutoregressiveConfig.forcing": "stages/test_self_forcing.py::test_stage_1_forces_as_the_recipe_says",
    "AutoregressiveConfig.clean_noise": "stages/test_self_forcing.py::test_stage_1_forces_as_the_recipe_says",
    "AutoregressiveConfig.bell_weighting": _RUN,
    "AutoregressiveConfig.sampling_steps": f"{_OPTIONS}::test_the_exported_teacher_samples_as_the_recipe_says",
    "AutoregressiveConfig.sampling_guidance": f"{_OPTIONS}::test_the_exported_teacher_samples_as_the_recipe_says",
    "TrajectoryConfig.name": _OUT,
    "TrajectoryConfig.seed": _TRAJECTORIES,
    "TrajectoryConfig.teacher": (
        "stages/test_causal_stages.py::test_an_ar_teachers_trajectory_is_its_guided_euler_solution"
    ),
    "TrajectoryConfig.text_and_codec": (
        "stages/test_causal_stages.py::test_an_ar_teachers_trajectory_is_its_guided_euler_solution"
    ),
    "TrajectoryConfig.data": (
        "stages/test_causal_stages.py::test_trajectories_start_at_noise_follow_the_teacher_and_resume"
    ),
    "TrajectoryConfig.prompts": _TRAJECTORIES,
    "TrajectoryConfig.latent_frames": _TRAJECTORIES,
    "TrajectoryConfig.latent_size": _TRAJECTORIES,
    "TrajectoryConfig.negative_prompt": _TRAJECTORIES,
    "TrajectoryConfig.out": (
        "stages/test_causal_stages.py::test_trajectories_start_at_noise_follow_the_teacher_and_resume"
    ),
    "TrajectoryConfig.shards": _OUT,
    "TrajectoryConfig.clips_per_shard": _TRAJECTORIES,
    "TrajectoryConfig.euler_steps": _TRAJECTORIES,
    "TrajectoryConfig.guidance": _TRAJECTORIES,
    "TrajectoryConfig.shift": _TRAJECTORIES,
    "TrajectoryConfig.chunk_frames": "stages/test_self_forcing.py::test_every_stage_runs_frame_by_frame",
    "TrajectoryConfig.few_steps": _TRAJECTORIES,
    "TrajectoryConfig.precision": f"{_OPTIONS}::test_how_trajectories_are_solved_does_not_change_what_they_are",
    "TrajectoryConfig.precompute_text": f"{_OPTIONS}::test_how_trajectories_are_solved_does_not_change_what_they_are",
    "TrajectoryConfig.threads": _OUT,
    "CausalOdeConfig.trajectories": "stages/test_causal_stages.py::test_trajectories_of_other_levels_are_refused",
    "CausalOdeConfig.clean_context": (
        "stages/test_self_forcing.py::test_without_clean_context_chunks_see_noisy_chunks_at_levels_of_their_own"
    ),
    "CausalOdeConfig.real_model": (
        "stages/test_causal_stages.py::test_foresight_in_stage_2_reads_the_ground_truth_and_changes_the_update"
    ),
    "CausalOdeConfig.base_model": (
        "stages/test_causal_stages.py::test_foresight_in_stage_2_reads_the_ground_truth_and_changes_the_update"
    ),
    "CausalOdeConfig.foresight": (
        "stages/test_causal_stages.py::test_foresight_in_stage_2_reads_the_ground_truth_and_changes_the_update"
    ),
    "ConsistencyConfig.data": "stages/test_consistency.py::test_it_learns",
    "ConsistencyConfig.teacher": _CONSISTENCY,
    "ConsistencyConfig.euler_steps": _CONSISTENCY,
    "ConsistencyConfig.guidance": _CONSISTENCY,
    "DmdConfig.real_model": _DMD,
    "DmdConfig.critic_model": _DMD,
    "DmdConfig.causal_scores": "stages/test_dmd_scores.py::test_only_bidirectional_scores_hear_the_future",
    "DmdConfig.base_model": (
        "stages/test_dmd_scores.py::test_a_causal_critic_learns_on_the_generators_videos_and_foresight_reads_with_the_base"
    ),
    "DmdConfig.history_gradient": (
        "stages/test_dmd_scores.py::test_gradients_through_the_history_change_the_update_and_not_the_loss"
    ),
    "DmdConfig.guidance": _DMD,
    "DmdConfig.critic_updates": _DMD,
    "DmdConfig.critic_optimizer": _DMD,
    "DmdConfig.timestep_range": _DMD,
    "DmdConfig.prompts": "data/test_prompts.py::test_a_stage_trains_on_the_file",
    "DmdConfig.latent_size": _DMD,
    "DmdConfig.export_every": "stages/test_asymmetric_dmd.py::test_exports_are_kept_as_often_as_asked",
    "DmdConfig.ema_start": (
        "stages/test_asymmetric_dmd.py::test_until_the_average_begins_the_generator_itself_is_exported"
    ),
    "DmdConfig.official": "stages/test_asymmetric_dmd.py::test_each_official_switch_changes_what_it_names",
    "DmdConfig.preset": (
        "stages/test_asymmetric_dmd.py::test_the_official_preset_sets_every_switch_that_a_recipe_leaves_open"
    ),
    "DmdConfig.foresight": "stages/test_asymmetric_dmd.py::test_the_arms_share_everything_but_the_objective",
    "OfficialQuirks.table_sigmas": "stages/test_asymmetric_dmd.py::test_each_official_switch_changes_what_it_names",
    "OfficialQuirks.noisy_commit": "stages/test_asymmetric_dmd.py::test_each_official_switch_changes_what_it_names",
    "OfficialQuirks.critic_through_x0": (
        "stages/test_asymmetric_dmd.py::test_each_official_switch_changes_what_it_names"
    ),
    "OfficialQuirks.trainer_steps": "stages/test_asymmetric_dmd.py::test_official_steps_count_critic_updates",
    "ForesightConfig.offsets": _VARIANT,
    "ForesightConfig.weight": _VARIANT,
    "ForesightConfig.start_step": "foresight/test_foresight_variants.py::test_lambda_can_start_late_and_rise",
    "ForesightConfig.warmup_steps": "foresight/test_foresight_variants.py::test_lambda_can_start_late_and_rise",
    "ForesightConfig.encoder": _VARIANT,
    "ForesightConfig.student_depth": _VARIANT,
    "ForesightConfig.encoder_depth": _VARIANT,
    "ForesightConfig.student_layer": _VARIANT,
    "ForesightConfig.encoder_layer": _VARIANT,
    "ForesightConfig.fusion": _VARIANT,
    "ForesightConfig.predictor": _VARIANT,
    "ForesightConfig.predictor_blocks": _PREDICTOR,
    "ForesightConfig.predictor_heads": _PREDICTOR,
    "ForesightConfig.loss": _VARIANT,
    "ForesightConfig.sigreg_weight": _VARIANT,
    "ForesightConfig.sigreg_directions": _PREDICTOR,
    "ForesightConfig.learning_rate": _PREDICTOR,
    "ForesightConfig.master_dtype": (
        "foresight/test_foresight_variants.py::test_a_bf16_predictor_at_the_official_rate_hardly_moves"
    ),
    "ForesightConfig.dead_modulation": (
        "foresight/test_foresight_variants.py::test_parameter_counts_are_the_papers_and_our_leaner_ones"
    ),
    "ForesightConfig.replay": "foresight/test_foresight.py::test_replay_moves_the_predictor_and_not_the_generator",
    "ForesightConfig.replay_pairs": "foresight/test_foresight_variants.py::test_replay_is_bounded",
    "ForesightConfig.negative_cosine": (
        "foresight/test_foresight_variants.py::test_the_negative_cosine_is_lower_by_lambda_and_has_the_same_gradient"
    ),
}
