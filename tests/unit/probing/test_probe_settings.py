"""What a probing experiment is asked for by default, which stored tables were made with, and what controls get."""

from probekit.probing.probe_settings import DecoderBudget, ProbeSettings


def test_by_default_settings_are_those_of_the_stored_tables() -> None:
    budget = DecoderBudget(
        width=128,
        steps=600,
        validate_every=50,
        batch=64,
        learning_rates=(1e-3, 3e-3),
        weight_decay=1e-2,
        patience=4,
        components=128,
        seeds=(0, 1, 2),
    )
    assert DecoderBudget() == budget
    expected = ProbeSettings(horizons=(1, 2, 3), decoder="chunk", budget=budget, perceptual=True, seed=0)
    assert ProbeSettings() == expected


def test_controls_get_the_same_budget_for_the_first_seed() -> None:
    budget = DecoderBudget(width=7, steps=9, seeds=(5, 3, 8))
    assert ProbeSettings(budget=budget).control_budget == budget._replace(seeds=(5,))
