import re
import xml.etree.ElementTree as ET
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from probekit.errors import UserError
from probekit.media.video_files import read_video
from probekit.reporting.comparison_record import ComparisonRecord
from probekit.reporting.contact_sheet import SheetRow, contact_sheet, frame_indices, shortened
from probekit.reporting.figures import DARK, LIGHT, forest_plot, save_figure
from tests.helpers.reporting_examples import BASELINE, record_of, score_rows, score_table, video_set

METHOD = "Video-Mirai"


@pytest.fixture
def record(tmp_path: Path) -> ComparisonRecord:
    rows = [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={"color": 0.05, "dynamic_degree": -0.05})]
    return record_of(score_table(tmp_path, rows), [METHOD])


def test_forest_plot_draws_each_interval_where_it_is(record: ComparisonRecord) -> None:
    axes = forest_plot(record).axes[0]
    lines = [np.asarray(line.get_xdata(), dtype=float) for line in axes.lines]
    intervals = {tuple(data) for data in lines if len(data) == 2 and data[0] != data[1]}
    assert {(row.low, row.high) for row in record.rows} <= intervals
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == ["subject consistency", "background consistency"]
    assert [label.endswith("*") for label in labels] == [row.star for row in record.rows]


def test_stars_are_filled_and_the_rest_is_hollow(record: ComparisonRecord) -> None:
    markers = [line for line in forest_plot(record).axes[0].lines if line.get_marker() == "o"]
    faces = [line.get_markerfacecolor() for line in markers if np.size(line.get_xdata())]
    assert faces == [LIGHT.methods[0] if row.star else LIGHT.background for row in record.rows]


def test_a_quantity_without_value_keeps_its_line_and_says_why(tmp_path: Path) -> None:
    rows = [*score_rows(BASELINE, shift={}, skip=["color"]), *score_rows(METHOD, shift={}, skip=["color"])]
    axes = forest_plot(record_of(score_table(tmp_path, rows), [METHOD])).axes[0]
    assert axes.get_yticklabels()[-1].get_text() == "SpriteTotal"
    assert [text.get_text().strip() for text in axes.texts] == ["1 of its dimensions not scored"] * 2


def test_one_prompt_and_names_with_dollars_are_drawn(tmp_path: Path) -> None:
    name = "a$_1$ [0,1]"
    rows = [*score_rows(BASELINE, shift={}, n_prompts=1), *score_rows(name, shift={}, n_prompts=1)]
    save_figure(forest_plot(record_of(score_table(tmp_path, rows), [name])), tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as image:
        assert image.size[0] > 500


def test_names_of_any_length_stay_inside_the_figure(tmp_path: Path) -> None:
    names = [f"dmd-foresight-foresight.offsets-{number}" for number in range(4)]
    base = "a-baseline-whose-name-is-rather-long-too"
    rows = [row for name in (BASELINE, *names) for row in score_rows(name, shift={})]
    record = record_of(score_table(tmp_path, rows), names)
    figure = forest_plot(record.model_copy(update={"baseline": base}))
    figure.draw_without_rendering()
    inside = figure.bbox
    for part in (*figure.legends, figure.axes[0].xaxis.label):
        box = part.get_window_extent()
        assert inside.x0 <= box.x0 < box.x1 <= inside.x1
        assert inside.y0 <= box.y0 < box.y1 <= inside.y1


@pytest.mark.long
@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_equal_figures_give_equal_bytes(record: ComparisonRecord, tmp_path: Path, suffix: str) -> None:
    files = [tmp_path / f"{name}{suffix}" for name in ("first", "second")]
    for file in files:
        save_figure(forest_plot(record, DARK), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_svg_parses_and_settings_of_the_process_are_left_alone(record: ComparisonRecord, tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    save_figure(forest_plot(record), tmp_path / "forest.svg")
    assert ET.parse(tmp_path / "forest.svg").getroot().tag.endswith("svg")
    assert dict(matplotlib.rcParams) == before


def test_print_has_300_dots_fonts_and_the_number_of_prompts(record: ComparisonRecord, tmp_path: Path) -> None:
    figure = forest_plot(record)
    for suffix in (".png", ".pdf"):
        save_figure(figure, tmp_path / f"forest{suffix}")
    with Image.open(tmp_path / "forest.png") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert b"/FontFile2" in (tmp_path / "forest.pdf").read_bytes()
    assert re.search(r",\sn = \d+ prompts$", figure.axes[0].get_xlabel())


def test_contact_sheet_shows_the_chosen_frames(tmp_path: Path) -> None:
    sets = [video_set(tmp_path / name, name, {"p00": "one", "p01": "$two_$ <b>"}) for name in (BASELINE, METHOD)]
    rows = [
        SheetRow(prompt, (sets[0].root / sets[0].rows[number].path, sets[1].root / sets[1].rows[number].path))
        for number, prompt in enumerate(("one", "$two_$ <b>"))
    ]
    figure = contact_sheet([BASELINE, METHOD], rows, n_frames=3)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert len(shown) == 2 * 2 * 3
    original = read_video(sets[0].root / sets[0].rows[0].path).frames
    assert all(np.array_equal(picture, original[index]) for picture, index in zip(shown[:3], (0, 4, 8), strict=True))
    save_figure(figure, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as image:
        assert image.mode == "RGBA"


def test_contact_sheet_marks_a_missing_video_and_names_an_unreadable_one(tmp_path: Path) -> None:
    only = video_set(tmp_path / "set", BASELINE, {"p00": "one"})
    path = only.root / only.rows[0].path
    figure = contact_sheet([BASELINE, METHOD], [SheetRow("one", (path, None))], n_frames=2)
    assert [text.get_text() for text in figure.texts] == ["one", BASELINE, "0.0 s", "0.5 s", METHOD, "no video"]
    with pytest.raises(UserError, match=r"nowhere\.mp4"):
        contact_sheet([BASELINE], [SheetRow("one", (tmp_path / "nowhere.mp4",))])
    with pytest.raises(ValueError, match="one video per model"):
        contact_sheet([BASELINE, METHOD], [SheetRow("one", (path,))])


def test_frames_run_from_the_first_to_the_last() -> None:
    assert frame_indices(81, 5).tolist() == [0, 20, 40, 60, 80]
    assert frame_indices(1, 3).tolist() == [0, 0, 0]


def test_captions_are_drawable() -> None:
    assert shortened("a\n雨 $x$") == "a \N{WHITE SQUARE} \\$x\\$"
    assert len(shortened("word " * 100)) == 110
