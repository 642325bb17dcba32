"""What a page takes from folders of other commands, and what it refuses."""

from pathlib import Path

import pandas as pd
import pytest

from probekit.errors import UserError
from probekit.reporting.page_parts import VALUE_COLUMNS, curves_data, futures_part, heat_maps, probe_parts
from probekit.reporting.result_tables import shown_table
from tests.helpers.report_examples import curves, futures, probes


def test_curves_keep_every_second_of_every_video(tmp_path: Path) -> None:
    data = curves_data(curves(tmp_path / "horizon"))
    assert data["units"][0] == ["temporal_flickering", "temporal flickering", "fraction"]
    assert data["videos"]["Video-Mirai"]["p02/1"]["motion"] == [0.02, 0.12]


def test_a_heat_map_has_the_sites_first_and_one_scale_for_all_arms() -> None:
    rows = [
        ("a", "copy of the current frame", None, 1, "mse:x", 0.9),
        ("a", "trained", "blocks.2", 1, "mse:x", 0.2),
        ("a", "trained", "blocks.2", 1, "mse:x", 0.4),
        ("a", "trained", "blocks.2", 2, "mse:x", 0.5),
        ("a", "trained", "blocks.2", 1, "psnr:x", 30.0),
        ("b", "trained", "blocks.2", 1, "mse:x", 0.1),
    ]
    first, second = heat_maps(pd.DataFrame(rows, columns=list(VALUE_COLUMNS)), "mse:x")
    assert first.columns == ("+1", "+2")
    assert [name for name, _ in first.rows] == ["read at blocks.2", "copy of the current frame"]
    assert first.rows[0][1] == pytest.approx((0.3, 0.5))
    assert first.rows[1][1] == (0.9, None)
    assert (first.low, first.high) == (second.low, second.high) == (0.1, 0.9)
    assert first.share(0.5) == pytest.approx(0.5)


def test_every_folder_of_a_study_with_results_is_a_part(tmp_path: Path) -> None:
    probes(tmp_path / "probes_frame")
    (tmp_path / "states").mkdir()
    (tmp_path / "states" / "hidden.png").write_bytes(b"")
    (part,) = probe_parts(tmp_path, tmp_path / "out")
    assert part.title == "probes frame"
    assert part.pictures == (("probes/probes_frame/probes.png", "Error of the probes by chunks ahead, with controls"),)
    assert (tmp_path / "out" / part.downloads[0]).is_file()


@pytest.mark.parametrize("read", [lambda folder, out: curves_data(folder), probe_parts, futures_part])
def test_a_folder_without_results_is_refused(read, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UserError, match="holds no"):
        read(tmp_path, tmp_path / "out")


def test_damaged_tables_are_named_by_file_and_column(tmp_path: Path) -> None:
    folder = curves(tmp_path / "horizon")
    path = folder / "curves.csv"
    path.write_text(path.read_text().replace("0.12", "many"))
    with pytest.raises(UserError, match=r"curves\.csv: column value holds 'many"):
        curves_data(folder)
    path.write_text("label,value\na,1\n")
    with pytest.raises(UserError, match=r"curves\.csv has no prompt_id, sample"):
        curves_data(folder)


def test_fractions_of_a_shown_table_are_shortened_and_texts_stay(tmp_path: Path) -> None:
    table = shown_table(futures(tmp_path / "futures") / "futures.csv")
    assert table.headings == ["arm", "chunks ahead", "nearer by"]
    assert table.texts() == [["a", "1", "-0.02841"]]
    assert [column.numeric for column in table.columns] == [False, True, True]
