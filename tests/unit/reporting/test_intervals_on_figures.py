"""Every figure of numbers says how many stand behind it, and shows an interval where there is one."""

import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from probekit.evaluation.long_horizon.diagnosis import diagnose
from probekit.evaluation.long_horizon.frame_statistics import frame_statistics
from probekit.probing.probe_settings import COPY, TRAINED, UNTRAINED
from probekit.reporting.future_figures import rank_shares, ranks_figure
from probekit.reporting.horizon_figures import curves_figure, similarity_figure
from probekit.reporting.horizon_record import HorizonRecord
from probekit.reporting.probe_figures import probe_errors_figure
from probekit.reporting.site_maps import site_maps_figure
from probekit.seeding import generator
from probekit.workflows.horizon import horizon_record

from trainer.training_curves import curve_table, curves_figure as training_figure  # isort: skip

PROMPTS = [f"p{number}" for number in range(8)]


def note(figure: Figure) -> str:
    """The line below a figure."""
    return str(figure.get_supxlabel())


def panels(figure: Figure) -> list:
    return [axes for axes in figure.axes if axes.get_visible()]


def diagnoses(prompts: int) -> HorizonRecord:
    found = []
    for label in ("base", "ours"):
        for number in range(prompts):
            frames = generator("figure", label, number).integers(0, 256, (32, 8, 8, 3)).astype(np.uint8)
            found.append(diagnose(label, f"p{number}", 0, frame_statistics(iter(frames), 16.0)))
    return horizon_record(found, replicates=100)


@pytest.mark.long
def test_horizon_curves_have_bands_and_the_number_of_prompts() -> None:
    for draw in (curves_figure, similarity_figure):
        figure = draw(diagnoses(6))
        assert note(figure) == (
            "thin: a video, 12 in all; thick: mean per model, n = 6 prompts; band: 95% interval of the mean"
        )
        assert all(len(axes.collections) == 2 for axes in panels(figure))
        assert all(len(axes.lines) == 12 + 2 for axes in panels(figure))


def test_a_horizon_of_few_prompts_says_that_it_has_no_interval() -> None:
    figure = curves_figure(diagnoses(2))
    assert "n = 2 prompts; no interval (fewer than 6)" in note(figure)
    assert all(len(axes.collections) == 0 for axes in panels(figure))


def probe_values() -> pd.DataFrame:
    rows = []
    for arm in ("base", "ours"):
        for source, site in ((TRAINED, "blocks.1@step0"), (UNTRAINED, "blocks.1@step0"), (COPY, None)):
            for horizon in (1, 2):
                for prompt in PROMPTS:
                    value = float(generator("probes", arm, source, horizon, prompt).normal(horizon, 0.1))
                    rows.append((arm, source, site, horizon, prompt, "mse:test", value))
    return pd.DataFrame(rows, columns=["arm", "source", "site", "horizon", "prompt_id", "metric_id", "value"])


def test_probe_errors_have_a_bar_at_every_point_and_the_number_of_prompts() -> None:
    values = probe_values()
    figure = probe_errors_figure(values, "mse:test")
    (axes,) = panels(figure)
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    bars = [line for line in axes.lines if line.get_marker() != "o"]
    assert (len(lines), len(bars)) == (6, 12)
    assert note(figure) == "n = 8 held-out prompts; bar: 95% interval of the mean"
    first = values[(values.arm == "base") & (values.source == TRAINED) & (values.horizon == 1)].value
    assert np.isclose(lines[0].get_ydata()[0], first.mean())
    assert bars[0].get_ydata()[0] < first.mean() < bars[0].get_ydata()[1]


def test_maps_of_sites_have_half_an_interval_in_each_cell() -> None:
    values = probe_values()
    figure = site_maps_figure(values[values.source == TRAINED], "mse")
    texts = [text.get_text() for axes in panels(figure) for text in axes.texts]
    assert len(texts) == 4
    assert all(re.fullmatch(r"[\d.]+\n±[\d.]+", text) for text in texts)
    assert note(figure).endswith("n = 8 prompts; ±: half of the 95% interval")


def ranked(prompts: int) -> pd.DataFrame:
    rows = [(arm, f"p{n}", horizon, 5, n % 6) for arm in ("base", "ours") for n in range(prompts) for horizon in (1, 2)]
    return pd.DataFrame(rows, columns=["arm", "prompt_id", "horizon", "futures", "rank"])


def test_ranks_and_places_have_bars_and_both_numbers() -> None:
    reliability = pd.DataFrame({
        "arm": ["base", "ours"], "horizon": [1, 1], "world": [0.5, 0.5], "futures": [0.4, 0.6], "places": [3, 3],
        "low": [0.3, np.nan], "high": [0.5, np.nan], "prompts": [8, 8],
    })  # fmt: skip
    figure = ranks_figure(ranked(8), reliability)
    left, right = panels(figure)
    assert sum(bar.get_height() for bar in left.patches) == 2
    assert len(left.lines) == 2 * 6 + 1
    assert note(figure) == "n = 8 prompts; bar: 95% interval of the mean; 5 futures per state"
    assert right.get_title(loc="left") == "places of the sprite, n = 8 prompts"
    bars = [line for line in right.lines if list(line.get_xdata()) == [0.5, 0.5]]
    assert [list(bar.get_ydata()) for bar in bars] == [[0.3, 0.5]]


def test_shares_of_ranks_are_those_of_a_histogram() -> None:
    values = pd.DataFrame({"prompt_id": ["a", "b", "c", "d"], "rank": [0, 0, 3, 5]})
    shares = rank_shares(values, futures=5, bins=3).groupby("range").value.mean()
    assert shares.tolist() == [0.5, 0.25, 0.25]
    assert np.histogram(values["rank"], bins=3, range=(0, 6))[0].tolist() == [2, 1, 1]


def test_training_curves_have_bands_over_runs_and_say_when_there_is_one_run() -> None:
    def log(seed: int) -> list[dict[str, float]]:
        noise = generator("log", seed)
        return [{"step": step, "dmd_loss": float(noise.normal()), "seconds": 1.0 + step + seed} for step in (1, 2)]

    one = training_figure(curve_table({"base": [log(0)], "ours": [log(1)]}))
    assert note(one) == "n = 1 training run per arm; no interval (fewer than 6)"
    assert [axes.get_title(loc="left") for axes in panels(one)] == ["DMD loss of the generator", "seconds per step"]
    six = training_figure(curve_table({"base": [log(seed) for seed in range(6)]}))
    assert note(six) == "n = 6 training runs per arm; band: 95% interval of the mean"
    assert all(len(axes.collections) == 1 for axes in panels(six))


def test_ranks_are_drawn_without_a_world_too() -> None:
    none = pd.DataFrame(columns=["arm", "horizon", "world", "futures", "places", "low", "high", "prompts"])
    assert len(panels(ranks_figure(ranked(3), none))) == 1
