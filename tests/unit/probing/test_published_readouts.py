import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from probekit.errors import UserError
from probekit.evaluation.reference.metrics import reference_metrics
from probekit.probing.published_readouts import COPY_CONTROL, read_readout_images, score_published_readouts
from probekit.reporting.readout_table import readout_rows, readout_table
from tests.helpers.shared_data import video_page_path

HEADER = "file,prompt_id,prompt,horizon_chunks,kind\n"


def write_table(folder: Path, rows: list[str]) -> Path:
    path = folder / "probe.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    return path


def grey_image(folder: Path, name: str, level: int, size: tuple[int, int] = (8, 6)) -> None:
    Image.fromarray(np.full((size[1], size[0], 3), level, np.uint8)).save(folder / name)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    grey_image(tmp_path, "current.png", 140)
    grey_image(tmp_path, "readout.png", 110, size=(4, 6))
    grey_image(tmp_path, "future.png", 100)
    return write_table(
        tmp_path,
        [
            "current.png,cat,A cat | a dog,1,current frame",
            "readout.png,cat,A cat | a dog,1,Student readout",
            "future.png,cat,A cat | a dog,1,future frame",
        ],
    )


def test_readouts_come_first_and_the_copy_control_after_them(table: Path) -> None:
    rows = [row for row in score_published_readouts(table) if row.metric == "psnr"]
    assert [row.readout for row in rows] == ["Student readout", COPY_CONTROL]
    assert rows[0].value == pytest.approx(28.1308036087, abs=1e-9)
    assert rows[1].value == pytest.approx(20 * np.log10(255 / 40), abs=1e-9)


def test_rows_state_sizes_and_resampling(table: Path) -> None:
    readout, copy = (row for row in score_published_readouts(table, resize="box") if row.metric == "mse")
    assert (readout.width, readout.height, readout.future_width, readout.future_height) == (4, 6, 8, 6)
    assert (readout.resize, copy.resize) == ("box", "none")
    assert readout.metric_id == "mse:noweights:rgb8-v1+resize-box"
    with pytest.raises(UserError, match="sample is 4x6 px"):
        score_published_readouts(table, resize=None)


def test_csv_holds_every_field(table: Path) -> None:
    rows = score_published_readouts(table)
    written = list(csv.DictReader(io.StringIO(readout_rows(rows).csv())))
    assert [float(line["value"]) for line in written] == [row.value for row in rows]
    assert written[0]["file"] == "readout.png"
    assert written[0]["prompt"] == "A cat | a dog"


def test_markdown_has_one_row_a_readout_and_escapes_bars(table: Path) -> None:
    rows = score_published_readouts(table)
    lines = readout_table(rows).markdown().splitlines()
    assert lines[0].startswith("| prompt | chunks ahead | readout | mse (intensity^2) | psnr (dB) | size (px) |")
    assert lines[0].endswith("| future frame (px) | resampled |")
    assert lines[2] == r"| A cat \| a dog | 1 | Student readout | 0.0015 | 28.13 | 4x6 | 8x6 | bicubic |"
    assert len([line for line in lines if line.startswith("| A cat")]) == 2
    assert "psnr:noweights:rgb8-v1+resize-bicubic" in lines[-1]


def test_an_image_equal_to_the_future_frame_is_reported_with_the_reason(tmp_path: Path) -> None:
    grey_image(tmp_path, "a.png", 100)
    rows = score_published_readouts(write_table(tmp_path, ["a.png,p,t,2,x readout", "a.png,p,t,2,future frame"]))
    assert "n/a (psnr): identical frames: 1 of 1." in readout_table(rows).markdown()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["future.png,cat,t,one,future frame"], "line 2: horizon_chunks is 'one'"),
        (["future.png,cat,t,0,future frame"], "line 2: horizon_chunks is '0'"),
        (["future.png,,t,1,future frame"], "line 2: prompt_id is empty"),
        (["future.png,cat,t,1"], "line 2: it has 4 cells for 5 columns"),
        (["future.png,cat,t,1,future frame"] * 2, "lists 'future frame' of cat at horizon 1 twice"),
        (["current.png,cat,t,1,current frame"], "no 'future frame' for cat at horizon 1"),
        (["gone.png,cat,t,1,future frame"], r"gone\.png does not exist"),
        ([], "lists no image"),
    ],
)
def test_mistakes_in_the_table_are_named(table: Path, rows: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        score_published_readouts(write_table(table.parent, rows))


def test_a_file_that_is_no_such_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no readout table .*absent\.csv"):
        read_readout_images(tmp_path / "absent.csv")
    (tmp_path / "bad.csv").write_text("file,prompt_id\n")
    with pytest.raises(UserError, match=r"lacks the column\(s\) prompt, horizon_chunks, kind"):
        read_readout_images(tmp_path / "bad.csv")
    grey_image(tmp_path, "image.jpg", 3)
    with pytest.raises(UserError, match=r"image\.jpg is a picture, not a readout table"):
        read_readout_images(tmp_path / "image.jpg")


def test_scoring_readouts_needs_no_torch() -> None:
    modules = (
        "probekit.evaluation.reference.scoring, probekit.evaluation.reference.lpips, probekit.reporting.readout_table"
    )
    heavy = "{'torch', 'torchvision', 'lpips', 'skimage', 'PIL'}"
    script = f"import sys, {modules}; assert not {heavy} & sys.modules.keys(), {heavy} & sys.modules.keys()"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_published_video_mirai_readouts_are_nearer_the_future() -> None:
    table = video_page_path("probe.csv")
    rows = score_published_readouts(table, reference_metrics()[:2])
    psnr = {(row.prompt_id, row.horizon_chunks, row.readout): row.value for row in rows if row.metric == "psnr"}
    groups = [(prompt, horizon) for prompt in ("violet", "fox") for horizon in (1, 2, 3)]
    assert len(psnr) == len(groups) * 3
    for group in groups:
        baseline, ours = psnr[*group, "Causal-Forcing readout"], psnr[*group, "Video-Mirai readout"]
        copy = psnr[*group, COPY_CONTROL]
        assert baseline is not None
        assert ours is not None
        assert copy is not None
        assert ours > max(baseline, copy) + 2
    assert psnr["violet", 1, "Video-Mirai readout"] == pytest.approx(13.347, abs=1e-2)
    resampled = {row.file for row in rows if row.resize != "none"}
    assert resampled == {f"probe/fox-d1-{kind}.jpg" for kind in ("base", "ours", "cur")}
