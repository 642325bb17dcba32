"""The demo's page, its short training, and what it says of it."""

from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.reporting.story import Section, write_story
from probekit.reporting.table import Column, Table
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.warm_python import WarmChildren
from trainer.demo import train_briefly, training_section


def test_the_page_holds_its_sections_and_escapes_what_is_not_markup(tmp_path: Path) -> None:
    arms = Table([Column[str]("arm", lambda row: row)], ["<baseline>"], notes=["n & m"])
    section = Section("A < B", ["x & y"], arms, [("a.png", "picture")], [("b.html", "more")])
    page = write_story(tmp_path / "index.html", "Title", ["Opening."], [section]).read_text()
    for part in (
        "<h2>A &lt; B</h2>",
        "x &amp; y",
        "n &amp; m",
        "<td>&lt;baseline&gt;</td>",
        'src="a.png"',
        'href="b.html"',
    ):
        assert part in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.long
def test_both_arms_are_trained_briefly_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.demo.start_child", WarmChildren(tmp_path / "children").start_child)
    student = write_tiny_model(tmp_path / "student", seed=1, heads=3)
    card = CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 750, 500, 250))
    write_causal_card(student, card)
    real, critic = (write_tiny_model(tmp_path / name, seed, heads=3) for seed, name in enumerate(("real", "critic"), 2))
    settings = [
        f"initial_model={student}", f"real_model={real}", f"critic_model={critic}", "batch_size=1", "latent_frames=6",
        "critic_updates=1",
    ]  # fmt: skip
    with pytest.raises(UserError, match=r"short training of baseline failed.*short-run-baseline\.log"):
        train_briefly(tmp_path / "broken", 1, [*settings, f"real_model={tmp_path / 'nowhere'}"])
    records = train_briefly(tmp_path / "out", 2, settings)
    assert [record["step"] for record in records["baseline"]] == [1, 2]
    first = {arm: found[0] for arm, found in records.items()}
    assert first["baseline"]["dmd_loss"] == first["foresight"]["dmd_loss"]  # the arms part with the first update
    assert "auxiliary_loss" in first["foresight"]
    assert "auxiliary_loss" not in first["baseline"]
    section = training_section(records)
    assert section.table is not None
    assert [row[:2] for row in section.table.texts()] == [
        ["baseline", "1"], ["baseline", "2"], ["foresight", "1"], ["foresight", "2"],
    ]  # fmt: skip
