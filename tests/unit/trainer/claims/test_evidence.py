"""Readers of stored results: each effect points the way of its claim and has the numbers of its file."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.model_folder import SHIPPED_MODELS
from probekit.reporting.pair_table import PairRow
from probekit.statistics.verdicts import Effect
from tests.helpers.places import REPOSITORY
from trainer.claims.exact_evidence import counted_cost, measured_cost, same_inference, unlike
from trainer.claims.kinds import NearestGap, NearMean, ProbeCells
from trainer.claims.score_evidence import effect_of, pair_of
from trainer.claims.state_evidence import decibel_gaps, near_mean, nearest_gap, probe_cells
from trainer.reproduction.places import Places

STORED = REPOSITORY / "reports" / "sprite"
FILE = Path("comparison.json")
PAIR = PairRow("a", "b", 3, 0.8, 0.2, 0.3, 1.4, 17, 0.01, 0.02)


def test_a_pair_reads_the_same_from_both_sides() -> None:
    stored = [PAIR._replace(first="a", second="c", difference=-5.0), PAIR]
    assert effect_of(pair_of(stored, "a", "b", FILE), "", 0.47, FILE) == Effect(0.8, 0.3, 1.4, 17, 0.47)
    assert effect_of(pair_of(stored, "b", "a", FILE), "", None, FILE) == Effect(-0.8, -1.4, -0.3, 17)


def test_a_pair_that_is_missing_or_has_no_interval_is_named() -> None:
    with pytest.raises(UserError, match="no pair of b and c"):
        pair_of([PAIR], "b", "c", FILE)
    with pytest.raises(UserError, match="no interval of a and b: too few prompts"):
        effect_of(PAIR._replace(low=None, reason="too few prompts"), PAIR.name(), None, FILE)


@pytest.mark.parametrize("folder", ["probes", "probing/probes/frame"])
def test_probe_cells_are_the_contrasts_of_the_arms_to_come(folder: str) -> None:
    """Errors count downwards, decibels and SSIM upwards; the present frame is no forecast."""
    found = probe_cells(ProbeCells(folder), Places(STORED))
    with (STORED / folder / "contrasts.csv").open() as file:
        rows = [
            one for one in csv.DictReader(file)
            if one["contrast"] == "sprite-dmd-foresight - sprite-dmd-baseline" and one["horizon_chunks"] != "0"
        ]  # fmt: skip
    assert len(found.effects) == len(rows) > 20
    for named, one in zip(found.effects, rows, strict=True):
        sign = 1 if one["metric_id"].startswith(("psnr", "ssim")) else -1
        assert named.effect.value == pytest.approx(sign * float(one["difference"]))
        assert named.effect.low <= named.effect.value <= named.effect.high
        assert named.effect.n == int(one["n_prompts"])


def test_probes_of_other_weights_are_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(STORED / "probes", tmp_path / "probes")
    protocol = json.loads((folder / "protocol.json").read_text())
    protocol["arms"]["sprite-dmd-foresight"]["generation"]["checkpoint_hash"] = "0" * 64
    (folder / "protocol.json").write_text(json.dumps(protocol))
    for reader, kind in ((probe_cells, ProbeCells("probes")), (nearest_gap, NearestGap("probes"))):
        with pytest.raises(UserError, match="other weights than the shipped sprite-dmd-foresight"):
            reader(kind, Places(tmp_path))  # type: ignore[operator]
    (folder / "protocol.json").write_text(json.dumps({"arms": {}}))
    with pytest.raises(UserError, match="names no two arms"):
        probe_cells(ProbeCells("probes"), Places(tmp_path))


def test_gaps_in_decibels_worked_out_by_hand() -> None:
    """A tenth of the error is ten decibels better, a double one 3.0103 worse; other prompts do not count."""
    errors = {
        ("base", 1): {"p": 0.1, "q": 0.1, "r": 1.0}, ("ours", 1): {"p": 0.01, "q": 0.2},
        ("base", 2): {"p": 0.1}, ("ours", 2): {"p": 0.1},
    }  # fmt: skip
    gaps = decibel_gaps(errors, "base", "ours", FILE)
    assert gaps[1] == {"p": pytest.approx(10.0), "q": pytest.approx(-3.0103, abs=1e-4)}
    assert gaps[2] == {"p": pytest.approx(0.0)}
    with pytest.raises(UserError, match="not above 0"):
        decibel_gaps({("base", 1): {"p": 0.0}, ("ours", 1): {"p": 0.1}}, "base", "ours", FILE)


def test_the_nearest_gap_is_held_against_both_others() -> None:
    found = nearest_gap(NearestGap("probes"), Places(STORED))
    assert [named.name for named in found.effects] == ["1 and 2 ahead:", "1 and 3 ahead:"]
    assert all(named.effect.n == 80 for named in found.effects)


def test_futures_are_read_of_the_arm_with_foresight(tmp_path: Path) -> None:
    folder = tmp_path / "futures"
    folder.mkdir()
    shutil.copy(STORED / "probes" / "protocol.json", folder)
    head = "arm,horizon,difference,low,high,n_prompts"
    lines = [
        "sprite-dmd-baseline,1,9,8,10,40", "sprite-dmd-foresight,1,0.002,0.001,0.003,40",
        "sprite-dmd-foresight,2,0.001,-0.001,0.003,39",
    ]  # fmt: skip
    (folder / "futures.csv").write_text("\n".join([head, *lines]) + "\n")
    found = near_mean(NearMean(), Places(tmp_path))
    read = [tuple(named.effect)[:4] for named in found.effects]
    assert read == [(0.002, 0.001, 0.003, 40), (0.001, -0.001, 0.003, 39)]
    (folder / "futures.csv").write_text(f"{head}\nsprite-dmd-foresight,1,0.002,,,3\n")
    with pytest.raises(UserError, match="no interval"):
        near_mean(NearMean(), Places(tmp_path))
    with pytest.raises(UserError, match="is not there"):
        near_mean(NearMean(), Places(tmp_path / "nowhere"))


def test_costs_are_read_from_the_benchmark(tmp_path: Path) -> None:
    places = Places(STORED)
    assert counted_cost(places).exact == (
        "supported", "+14.4 % by the paper's accounting, +7.2 % as executed",
    )  # fmt: skip
    assert "(+9.6 %)" in str(measured_cost(places).exact)
    benchmarks = tmp_path / "benchmarks"
    benchmarks.mkdir()
    for text, problem in (("", "no line"), (None, "is not there")):
        (benchmarks / "cost.md").unlink(missing_ok=True)
        if text is not None:
            (benchmarks / "cost.md").write_text(text)
        for reader in (counted_cost, measured_cost):
            with pytest.raises(UserError, match=problem):
                reader(Places(tmp_path / "sprite"))
    (benchmarks / "cost.md").write_text("| overhead | 28.9 % (paper) | 10.7 % |\n")
    assert counted_cost(Places(tmp_path / "sprite")).exact == (
        "not supported", "+28.9 % by the paper's accounting, +10.7 % as executed",
    )  # fmt: skip


def arms(tmp_path: Path) -> tuple[Path, Path]:
    names = ("sprite-dmd-baseline", "sprite-dmd-foresight")
    one, other = (shutil.copytree(SHIPPED_MODELS / name, tmp_path / name) for name in names)
    return one, other


def test_the_shipped_arms_run_the_same() -> None:
    found = same_inference()
    assert found.exact is not None
    assert found.exact[0] == "supported"
    assert "2,737,408 parameters" in found.exact[1]


def test_an_export_that_differs_in_anything_is_found(tmp_path: Path) -> None:
    baseline, method = arms(tmp_path)
    assert list(unlike(baseline, method)) == []
    (method / "model_card.json").write_text("{}")  # it tells of the model and runs nothing
    assert list(unlike(baseline, method)) == []
    card = json.loads((method / "causal.json").read_text())
    (method / "causal.json").write_text(json.dumps(card | {"few_steps": [1000]}))
    assert list(unlike(baseline, method)) == ["content of causal.json"]
    (method / "predictor.json").write_text("{}")
    assert "predictor.json is in one alone" in list(unlike(baseline, method))
    shutil.copy(
        SHIPPED_MODELS / "sprite-large" / "transformer" / "diffusion_pytorch_model.safetensors", method / "transformer"
    )
    assert any(one.startswith("parameter blocks.") for one in unlike(baseline, method))
