"""The ledger: every claim has a verdict that follows from stored results; what is missing or stale says so."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from probekit.reporting.pair_table import read_pairs
from probekit.statistics.verdicts import Effect
from tests.architecture.prose import sentences, words
from tests.helpers.places import REPOSITORY
from tests.helpers.scored_runs import write_runs
from tests.helpers.shared_data import SHARED
from trainer.claims.found import shipped_hash
from trainer.claims.kinds import LongerGains, Pairs, TotalUp, others
from trainer.claims.ledger import NOT_RUN, Line, ledger, line_of, time_of
from trainer.claims.page import page
from trainer.claims.paper_numbers import consistencies, paper_numbers, paper_overhead
from trainer.claims.registry import CLAIMS, Claim
from trainer.cli import app
from trainer.config.sweep import find_sweep, load_sweep
from trainer.reproduction.places import Places
from trainer.reproduction.targets import TARGETS

RESULTS = Path("reports") / "sprite"
TABLES = {
    "table01": "foresight_window", "table02": "projector", "table03": "injection_depth", "table04": "foresight_encoder",
    "table10": "framewise_window", "table11": "loss_weight", "table12": "stage2_fusion", "table13": "stage2_encoder",
    "table14": "injection_stage",
}  # fmt: skip

ARMS = {"no-foresight": "baseline", "foresight": "foresight"}


def claim(kind: type, number: int = 0) -> Claim:
    return [one for one in CLAIMS if isinstance(one.kind, kind)][number]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Stored scores of both arms, to be changed."""
    folder = tmp_path / "sprite" / "5s"
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / RESULTS / "5s" / "comparison.json", folder)
    shutil.copytree(REPOSITORY / RESULTS / "drop", tmp_path / "sprite" / "drop")
    return tmp_path / "sprite"


@pytest.mark.long
def test_the_committed_page_is_what_the_command_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert page(ledger(RESULTS)) == (REPOSITORY / "reports" / "claims.md").read_text(encoding="utf-8"), (
        "run `trainer claims`"
    )


def test_the_command_writes_the_page_and_names_each_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    done = CliRunner().invoke(app, ["claims", "--out", str(tmp_path / "claims.md")])
    assert done.exit_code == 0
    assert (tmp_path / "claims.md").read_text().count("\n| ") == len(CLAIMS) + 2
    assert all(one.says in done.output for one in CLAIMS)
    refused = CliRunner().invoke(app, ["claims", "--results", str(tmp_path / "nowhere")])
    assert refused.exit_code == 2


def test_each_claim_has_a_command_and_rows_that_exist() -> None:
    assert len({one.says for one in CLAIMS}) == len(CLAIMS)
    for one in CLAIMS:
        assert (one.target in TARGETS) != bool(one.command)
        if isinstance(one.kind, Pairs):
            rows = {row.name for row in load_sweep(find_sweep(one.kind.table)).rows}
            assert {name for pair in one.kind.pairs for name in pair} <= rows
            assert one.target == one.kind.table


def printed_table(number: int, name: str) -> list[dict[str, str]]:
    with (SHARED / "paper" / "tables" / f"table{number:02d}_{name}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the paper's tables are not here")
def test_the_papers_numbers_are_those_of_its_tables() -> None:
    totals = {row["model"]: float(row["total"]) for row in printed_table(5, "system_comparison")}
    gains = [number.difference for number in paper_numbers(TotalUp(("chunkwise", *others())))]
    assert gains == [
        pytest.approx(totals[f"{name} + Video-Mirai"] - totals[name])
        for name in ("Causal-Forcing (chunk-wise)", "Self-Forcing (chunk-wise)", "Causal-Forcing (frame-wise)")
    ]
    *_, without, with_it = printed_table(6, "short_and_long_consistency")
    for dimension, number in zip(consistencies(), paper_numbers(LongerGains()), strict=True):
        columns = [f"{dimension}_{at}" for at in ("30s", "5s")]
        long, short = (float(with_it[column]) - float(without[column]) for column in columns)
        assert number.difference == pytest.approx(long - short)
    for one in CLAIMS:
        if isinstance(one.kind, Pairs) and one.kind.table in TABLES:
            rows = printed_table(int(one.kind.table[-2:]), TABLES[one.kind.table])
            names = [row.name for row in load_sweep(find_sweep(one.kind.table)).rows]
            total = {name: float(row["total"]) for name, row in zip(names, rows, strict=True)}
            assert [number.difference for number in paper_numbers(one.kind)] == [
                pytest.approx(total[first] - total[second]) for first, second in one.kind.pairs
            ]
            assert all(number.difference > 0 for number in paper_numbers(one.kind))
    assert paper_overhead() == float(printed_table(7, "training_cost")[-1]["overhead_percent"])


def test_the_total_is_read_from_the_comparison(results: Path) -> None:
    line = line_of(claim(TotalUp), Places(results))
    (row,) = (row for row in stored(results / "5s")["rows"] if row["quantity"] == "total")
    assert line.found is not None
    (named,) = line.found.effects
    assert tuple(named.effect)[:4] == (row["difference"], row["low"], row["high"], row["n_prompts"])
    assert named.effect.claimed == 0.80
    assert line.verdict == "not supported"  # [-0.34, +0.22] excludes the paper's 0.80


def test_gains_of_long_videos_are_the_drops_turned_round(results: Path) -> None:
    line = line_of(claim(LongerGains), Places(results))
    with (results / "drop" / "drop.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file) if row["what"].count("drop of") == 2}
    assert line.found is not None
    for named in line.found.effects:
        row = rows[named.name.replace(" ", "_")]
        assert named.effect.value == pytest.approx(-100 * float(row["drop"]))
        assert named.effect.low == pytest.approx(-100 * float(row["high"]))
        assert named.effect.high == pytest.approx(-100 * float(row["low"]))


def stored(folder: Path) -> Any:
    return json.loads((folder / "comparison.json").read_text(encoding="utf-8"))


def change(folder: Path, what: Callable[[dict[str, Any]], object]) -> None:
    record = stored(folder)
    for card in record["protocols"].values():
        what(card)
    (folder / "comparison.json").write_text(json.dumps(record), encoding="utf-8")


STALE: dict[str, Callable[[dict[str, Any]], object]] = {
    "other weights": lambda card: card["generation"].update(checkpoint_hash="0" * 64),
    "other prompts now": lambda card: card["prompts"].update(file_hash="0" * 64),
    "other scorers now": lambda card: card["scorers"].update(color="color+noweights+sprite-tracker.1"),
    "of another size: 6 prompts": lambda card: card["prompts"].update(n_prompts=6),
    "2 videos each, in place of": lambda card: card["prompts"].update(samples=2),
}


@pytest.mark.parametrize("reason", STALE)
def test_a_stale_or_small_result_is_not_read_and_says_why(reason: str, results: Path) -> None:
    change(results / "5s", STALE[reason])
    drop = json.loads((results / "drop" / "protocol.json").read_text(encoding="utf-8"))
    STALE[reason](drop["runs"]["sprite-dmd-foresight"][0])
    (results / "drop" / "protocol.json").write_text(json.dumps(drop), encoding="utf-8")
    for kind, folder in ((TotalUp, "5s"), (LongerGains, "drop")):
        line = line_of(claim(kind), Places(results))
        assert line.verdict == NOT_RUN
        assert reason in line.reason
        assert str(results / folder) in line.reason
        assert line.found is None


def test_a_missing_or_damaged_result_says_so(results: Path) -> None:
    (results / "5s" / "comparison.json").write_text("{", encoding="utf-8")
    assert "is not JSON" in line_of(claim(TotalUp), Places(results)).reason
    (results / "5s" / "comparison.json").unlink()
    line = line_of(claim(TotalUp), Places(results))
    assert (line.verdict, line.found) == (NOT_RUN, None)
    assert str(results / "5s" / "comparison.json") in line.reason
    lines = page([line])
    assert "trainer reproduce table15 --scale sprite" in lines
    assert "1 not run" in lines


WEIGHTS = {"no-foresight": 0.0, "weight-0.1": 0.01, "weight-0.2": 0.03, "weight-0.3": 0.02}


def weight_line(results: Path) -> Line:
    return line_of(next(one for one in CLAIMS if one.target == "table11"), Places(results))


@pytest.mark.parametrize("runs", [1, 3])
def test_rows_are_compared_pair_by_pair(runs: int, results: Path) -> None:
    """The pairs are those of the stored table, whichever row is the first of them."""
    write_runs(results.parent / "runs", "table11", results / "table11", WEIGHTS, runs)
    pairs = {(row.first, row.second): row for row in read_pairs(results / "table11")}
    line = weight_line(results)
    assert line.found is not None
    below, above = (named.effect for named in line.found.effects)
    ours, other = pairs["weight-0.2", "weight-0.1"], pairs["weight-0.3", "weight-0.2"]
    assert (below.value, below.low, below.high, below.claimed) == (ours.difference, ours.low, ours.high, 0.47)
    assert (above.value, above.low, above.high) == (-other.difference, -other.high, -other.low)  # type: ignore[operator]
    assert line.found.runs == f"{runs} per row"
    assert (", these runs" in page([line])) == (runs == 1)


def test_a_claim_of_rows_that_are_not_finished_says_so(results: Path) -> None:
    write_runs(
        results.parent / "runs", "table11", results / "table11", {row: WEIGHTS[row] for row in list(WEIGHTS)[:3]}, 2
    )
    assert weight_line(results).verdict == NOT_RUN
    assert "has no row 0.3: its training is not finished" in weight_line(results).reason


def test_rows_of_other_prompts_are_stale(results: Path) -> None:
    write_runs(results.parent / "runs", "table11", results / "table11", WEIGHTS, 1)
    change(results / "table11", lambda card: card["prompts"].update(file_hash="0" * 64))
    assert "stale: sprite-5s has other prompts now" in weight_line(results).reason


def test_a_comparison_of_other_rows_is_refused(results: Path) -> None:
    others = {f"{row}-else": shift for row, shift in list(WEIGHTS.items())[:3]}
    write_runs(results.parent / "runs", "table11", results / "table11", others, 1)
    assert "compares 3 models in place of 4" in weight_line(results).reason


def test_the_total_is_read_over_training_runs_where_there_are_several(results: Path) -> None:
    """Their first runs are what is shipped; else they are stale."""
    folder = results / "foresight" / "table"
    write_runs(results.parent / "runs", "foresight", folder, {"no-foresight": 0.0, "foresight": 0.02}, 3)
    assert "other weights than the shipped sprite-dmd-baseline" in line_of(claim(TotalUp), Places(results)).reason
    hashes = {row: shipped_hash(f"sprite-dmd-{arm}") for row, arm in ARMS.items()}
    record = stored(folder)
    for row, card in record["protocols"].items():
        card["generation"]["checkpoint_hash"] = hashes[row]
    (folder / "comparison.json").write_text(json.dumps(record), encoding="utf-8")
    line = line_of(claim(TotalUp), Places(results))
    (pair,) = read_pairs(folder)
    assert line.found is not None
    assert line.found.effects[0].effect == Effect(pair.difference, pair.low, pair.high, pair.n_prompts, 0.80)  # type: ignore[arg-type]
    assert (line.found.runs, line.verdict) == ("3 per arm", "supported")
    assert "**supported**" in page([line])


def test_other_base_systems_are_read_from_their_sweeps(results: Path) -> None:
    systems = {"self-forcing": ("self-forcing", "foresight", 0.2), "framewise": ("table10", "current-and-next", -0.2)}
    line = next(one for one in CLAIMS if one.kind == TotalUp(others()))
    for done, (table, row, gain) in enumerate(systems.values()):
        assert line_of(line, Places(results)).verdict == NOT_RUN, f"{done} of 2 systems"
        write_runs(results.parent / "runs", table, results / table, {"no-foresight": 0.0, row: gain}, 2)
    found = line_of(line, Places(results)).found
    assert found is not None
    assert found.runs == "2 per arm"
    assert [named.effect.claimed for named in found.effects] == [
        number.difference for number in paper_numbers(line.kind)
    ]
    for named, (table, row, gain) in zip(found.effects, (systems[name] for name in others()), strict=True):
        (pair,) = read_pairs(results / table)
        sign = 1 if pair.first == row else -1
        assert named.effect.value == sign * pair.difference  # type: ignore[operator]
        assert named.effect.value * gain > 0


def test_times_of_what_is_not_run_do_not_depend_on_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    time_of.cache_clear()
    before = time_of(("table10",))
    (tmp_path / "runs" / "sprite-frame-ode" / "export").mkdir(parents=True)
    time_of.cache_clear()
    assert time_of(("table10",)) == before
    assert before[0] > 3600
    assert time_of(("table10", "table10")) == before


def test_every_sentence_of_the_page_is_short() -> None:
    text = (REPOSITORY / "reports" / "claims.md").read_text(encoding="utf-8")
    assert [one for one in sentences(text) if words(one) > 25] == []
