"""Alignments as a table: levels without a sign or star, differences with both."""

import pandas as pd

from probekit.reporting.alignment_table import alignment_table


def test_levels_have_no_sign_and_no_star_and_differences_have() -> None:
    shared = {
        "arm": "ours", "site": "blocks.3@step3", "offset_chunks": 1, "n_prompts": 9, "interval": "percentile",
        "instead": None, "reason": None, "metric_id": "cka", "star": True,
    }  # fmt: skip
    rows = [
        {**shared, "contrast": "trained", "value": 0.81234, "low": 0.8, "high": 0.825},
        {**shared, "contrast": "trained - untrained", "value": 0.1, "low": 0.05, "high": 0.15},
        {**shared, "contrast": "untrained", "value": 0.7, "low": None, "high": None, "star": False},
        {**shared, "contrast": "untrained", "value": 0.7, "low": 0.6, "high": 0.8, "metric_id": "other"},
    ]
    text = alignment_table(pd.DataFrame(rows), "cka").markdown()
    assert "| trained | blocks.3@step3 | 1 | 0.8123 | [0.8000, 0.8250] | 9 |" in text
    assert r"| +0.1000\* | [+0.0500, +0.1500] |" in text
    assert "| 0.7000 | n/a |" in text
    assert text.count("| untrained |") == 1
