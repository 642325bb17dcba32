"""A report with everything that a page can show, from small real files."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from probekit.media.video_files import write_video
from probekit.reporting.html_report import PageSources, write_report
from probekit.reporting.page_parts import CONTRAST_COLUMNS, VALUE_COLUMNS
from tests.helpers.reporting_examples import BASELINE, FPS, N_FRAMES, record_of, score_rows, score_table, video_set

METHOD = "Video-Mirai"
HOSTILE = "<script>document.title = 'run'</script> \"quoted\" </script><img src=x onerror=\"document.title='run'\">"
N_PROMPTS, N_LONG = 4, 17
SAMPLES = (0, 1)


def full_report(folder: Path) -> Path:
    """Two models, two samples, a hostile prompt, curves, probes and futures; returns the page."""
    shifts: dict[str, dict[str, float]] = {BASELINE: {}, METHOD: {"color": 0.03, "object_class": -0.02}}
    table = score_table(folder, [row for model, shift in shifts.items() for row in score_rows(model, shift=shift)])
    prompts = {f"p{number:02d}": f"prompt number {number}" for number in range(N_PROMPTS)} | {"p01": HOSTILE}
    sets = [video_set(folder / model, model, prompts, n_frames=N_LONG, samples=SAMPLES) for model in shifts]
    record = record_of(table, [METHOD], not_run={"aesthetic_quality": "needs <weights>"})
    sources = PageSources(curves(folder / "horizon"), probes(folder / "probes"), futures(folder / "futures"))
    return write_report(folder / "report", record, sets, scores=table, command="probekit report", sources=sources)


def curves(folder: Path) -> Path:
    """Two quantities over two seconds of every video, as `probekit horizon` writes them."""
    folder.mkdir()
    rows = [
        (model, f"p{prompt:02d}", sample, quantity, "fraction", second, 0.1 * second + 0.01 * prompt)
        for model in (BASELINE, METHOD)
        for prompt in range(N_PROMPTS)
        for sample in SAMPLES
        for quantity in ("temporal_flickering", "motion")
        for second in range(2)
    ]
    columns = ["label", "prompt_id", "sample", "quantity", "unit", "second", "value"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "curves.csv", index=False)
    return folder


def probes(folder: Path) -> Path:
    """Contrasts and values of two arms at two sites and horizons, with a picture."""
    folder.mkdir()
    contrast = dict.fromkeys(CONTRAST_COLUMNS, None) | {
        "contrast": "b - a", "site": "blocks.2", "metric_id": "mse:x", "a": 0.2, "b": 0.1, "difference": 0.1,
        "low": 0.05, "high": 0.15, "star": True, "interval": "percentile",
    }  # fmt: skip
    contrasts = pd.DataFrame([contrast | {"horizon_chunks": ahead} for ahead in (1, 2)])
    contrasts.to_csv(folder / "contrasts.csv", index=False)
    values = [
        (arm, source, site, ahead, "mse:x", 0.1 * ahead)
        for arm in ("a", "b")
        for source, site in (("trained", "blocks.2"), ("trained", "blocks.4"), ("copy of the current frame", None))
        for ahead in (1, 2)
    ]
    pd.DataFrame(values, columns=list(VALUE_COLUMNS)).to_parquet(folder / "probe_values.parquet")
    Image.fromarray(np.full((40, 80, 3), 200, dtype=np.uint8)).save(folder / "probes.png")
    return folder


def futures(folder: Path) -> Path:
    """The files of a comparison of futures that the page reads."""
    folder.mkdir()
    Image.fromarray(np.full((40, 80, 3), 90, dtype=np.uint8)).save(folder / "futures.png")
    write_video(folder / "futures.mp4", np.zeros((N_FRAMES, 32, 64, 3), dtype=np.uint8), FPS, crf=20)
    table = pd.DataFrame({"arm": ["a"], "chunks ahead": [1], "nearer by": [-0.028413]})
    table.to_csv(folder / "futures.csv", index=False)
    return folder
