"""The ledger: every claim has a verdict that follows from stored results; what is missing or stale says so."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from probekit.statistics.verdicts import what_decides
from probekit.suites.registry import load_suite
from tests.architecture.prose import sentences, words
from tests.helpers.places import REPOSITORY
from tests.helpers.shared_data import SHARED
from trainer.claims.kinds import LongerGains, Pairs, TotalUp, others
from trainer.claims.ledger import NOT_RUN, ledger, line_of, time_of
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
    "table11": "loss_weight", "table14": "injection_stage",
}  # fmt: skip


def claim(kind: type, number: int = 0) -> Claim:
    return [one for one in CLAIMS if isinstance(one.kind, kind)][number]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Stored scores of both arms, to be changed."""
    folder = tmp_path / "sprite" / "5s"
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / RESULTS / "5s" / "comparison.json", folder)
    for name in ("drop", "table11"):
        shutil.copytree(REPOSITORY / RESULTS / name, tmp_path / "sprite" / name)
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


def test_rows_of_the_earlier_world_are_stale(results: Path) -> None:
    line = line_of(next(one for one in CLAIMS if one.target == "table11"), Places(results))
    assert line.verdict == NOT_RUN
    assert "stale: sprite-5s has other prompts now" in line.reason


def test_rows_of_this_world_are_compared_pair_by_pair(results: Path) -> None:
    """The stored rows with today's prompts and scorers: what is then read is worked out by hand."""
    now = next(iter(stored(results / "5s")["protocols"].values()))

    def modern(card: dict[str, Any]) -> None:
        card["scorers"] = now["scorers"]
        card["prompts"]["file_hash"] = load_suite("sprite-5s").reduced(100, 1).card().file_hash

    change(results / "table11", modern)
    line = line_of(next(one for one in CLAIMS if one.target == "table11"), Places(results))
    totals = {row["method"]: row for row in stored(results / "table11")["rows"] if row["quantity"] == "total"}
    assert line.found is not None
    for named, other in zip(line.found.effects, ("weight-0.1", "weight-0.3"), strict=True):
        ours, theirs = totals["weight-0.2"], totals[other]
        assert named.effect.value == pytest.approx(ours["difference"] - theirs["difference"])
        reach = 1.959964 * (ours["standard_error"] + theirs["standard_error"])
        assert named.effect.width == pytest.approx(2 * reach, rel=1e-6)
    assert line.verdict == "undecided"
    assert line.decision == what_decides([named.effect for named in line.found.effects])
    assert line.decision is not None
    assert f"{line.decision.prompts:,} prompts would decide" in page([line])


def test_a_comparison_of_other_rows_is_refused(results: Path) -> None:
    record = stored(results / "table11")
    record["methods"] = record["methods"][:1]
    (results / "table11" / "comparison.json").write_text(json.dumps(record), encoding="utf-8")
    line = line_of(next(one for one in CLAIMS if one.target == "table11"), Places(results))
    assert "compares 2 models in place of 4" in line.reason


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
