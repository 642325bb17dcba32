import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import av
import numpy as np
import pytest

from probekit.errors import UserError
from probekit.media.video_files import read_video, write_video
from probekit.reporting.browser_videos import browser_video, enlarged, enlargement, plays_in_browser
from probekit.reporting.html_report import write_report
from probekit.reporting.report_protocol import protocol_sections
from probekit.reporting.report_videos import chosen_prompts, labelled_sets, prompts_of
from tests.helpers.reporting_examples import BASELINE, card, record_of, score_rows, score_table, video_set
from tests.helpers.shared_data import video_page_path

pytestmark = pytest.mark.slow

METHOD, THIRD = "Video-Mirai", "Video-Mirai[0,1]"
NASTY = "<script>alert(\"1\")</script> & 'single' $x_1$ {{ 7 * 7 }} 雨"
VOID = {"meta", "img", "input", "source", "link", "br", "hr"}


class Page(HTMLParser):
    """Collects what the tests ask for, and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.resources: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.resources += [value or "" for name, value in attrs if name in ("src", "href", "poster", "srcset", "data")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.texts.append(data)

    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


class Report(NamedTuple):
    folder: Path
    page: Page

    def data(self) -> dict[str, Any]:
        text = (self.folder / "data.js").read_text(encoding="ascii")
        found: dict[str, Any] = json.loads(text.removeprefix("window.PROBEKIT_PAGE = ").removesuffix(";\n"))
        return found


def make_report(folder: Path, models: Sequence[str], **options: Any) -> Report:
    """A report of all given models; color has no score for prompt 1, and the seeds of two protocols differ."""
    rows = [row for model in models for row in score_rows(model, shift={}, unscored=[("color", 1)])]
    table = score_table(folder, rows)
    prompts = {"p00": "a red circle", "p01": NASTY, "p02": "a blue square"}
    sets = [video_set(folder / f"set{number}", model, prompts) for number, model in enumerate(models)]
    record = record_of(
        table, models[1:], cards={METHOD: card(METHOD, seed=5)}, not_run={"aesthetic_quality": "needs <weights>"}
    )
    page = write_report(folder / "report", record, sets, scores=table, command="probekit report", **options)
    return Report(page.parent, read_page(page))


def read_page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Report:
    commands = {"training of Video-Mirai": "trainer run x"}
    return make_report(tmp_path_factory.mktemp("two"), (BASELINE, METHOD), commands=commands)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return make_report(tmp_path_factory.mktemp("three"), (BASELINE, METHOD, THIRD), max_prompts=2)


@pytest.mark.long
@pytest.mark.parametrize(("name", "n_videos"), [("two", 3 * 2), ("three", 2 * 3)])
def test_page_needs_nothing_from_outside_its_folder(name: str, n_videos: int, request: pytest.FixtureRequest) -> None:
    report = request.getfixturevalue(name)
    folder, page = report
    for resource in page.resources:
        assert "://" not in resource
        assert not resource.startswith(("/", "data:"))
        if not resource.startswith("#"):
            assert (folder / unquote(resource)).is_file()
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert {resource[1:] for resource in page.resources if resource.startswith("#")} <= set(ids)
    assert len(ids) == len(set(ids))
    data = report.data()
    places = [video[0] for model in data["videos"] for prompt in model for video in prompt if video]
    assert len(set(places)) == n_videos
    for place in places:
        assert all((folder / f"{place}{suffix}").is_file() for suffix in (".mp4", ".mp4.js", ".png"))


def test_style_and_script_fetch_nothing(two: Report) -> None:
    text = (two.folder / "index.html").read_text(encoding="utf-8")
    assert "http://" not in text
    assert "https://" not in text
    for word in ("url(", "@import", "fetch(", "XMLHttpRequest", "import("):
        assert word not in text


def test_prompts_are_data_and_never_run(two: Report) -> None:
    assert [text for _, text in two.data()["prompts"]] == ["a red circle", NASTY, "a blue square"]
    assert len(two.page.of("script")) == 2
    assert "<script>alert" not in (two.folder / "index.html").read_text(encoding="utf-8")
    assert "needs <weights>" in two.page.text()


def test_the_page_has_every_score_and_why_there_is_none(two: Report) -> None:
    data = two.data()
    table = {(row.model, row.prompt_id, row.dimension): row.value for row in two_rows()}
    for model, prompts in zip(data["models"], data["scores"], strict=True):
        for (prompt_id, _), takes in zip(data["prompts"], prompts, strict=True):
            (cells,) = takes
            for name, cell in zip(data["dimensions"], cells, strict=True):
                value = table[model, prompt_id, name.replace(" ", "_")]
                if value is None:
                    assert data["reasons"][int(cell)] == "no sprite was found"
                else:
                    assert cell == pytest.approx(100 * value, abs=1e-3)


def test_a_prompts_gain_is_the_difference_of_its_means(two: Report) -> None:
    data = two.data()
    color = data["dimensions"].index("color")
    scores = [[takes[0][color] for takes in model] for model in data["scores"]]
    assert data["gains"][1][color][1] is None  # no score
    for prompt in (0, 2):
        assert data["gains"][1][color][prompt] == pytest.approx(scores[1][prompt] - scores[0][prompt], abs=2e-3)
        all_but_mean = [row[prompt] for row in data["gains"][1][:-1]]
        assert data["gains"][1][-1][prompt] == pytest.approx(np.mean(all_but_mean), abs=1e-3)
        assert all(row[prompt] == 0 for row in data["gains"][0])


def two_rows() -> list[Any]:
    rows = [row for model in (BASELINE, METHOD) for row in score_rows(model, shift={}, unscored=[("color", 1)])]
    return [row for row in rows if row.sample == 0]


def test_page_says_what_a_reader_must_know(two: Report) -> None:
    text = two.page.text()
    assert "PROTOCOLS DIFFER in generation.seed" in text
    assert "aesthetic quality" in text
    assert "scores were computed from the original files" in text
    assert "The videos of all 3 prompts are in this folder." in text
    for command in ("trainer run x", "probekit score --out 'Video-Mirai'", "probekit compare", "probekit report"):
        assert command in text


@pytest.mark.long
def test_scores_of_the_page_are_those_of_the_record(tmp_path: Path) -> None:
    models = (BASELINE, METHOD)
    table = score_table(tmp_path, [row for model in models for row in score_rows(model, shift={})])
    record = record_of(table, [METHOD])
    text = read_page(write_report(tmp_path / "report", record, [])).text()
    for row in record.rows:
        assert row.low is not None
        assert row.high is not None
        assert f"[{row.low:+.2f}, {row.high:+.2f}]".replace("-", "\N{MINUS SIGN}") in text


def test_only_so_many_prompts_are_copied_and_the_page_says_so(three: Report) -> None:
    assert "Videos of 2 of 3 prompts are in this folder" in three.page.text()
    assert len(list((three.folder / "videos").rglob("*.mp4"))) == 2 * 3
    assert len(three.data()["prompts"]) == 3


def test_prompts_are_the_first_the_best_and_the_worst() -> None:
    names = [f"p{number}" for number in range(9)]
    gains = {name: float(number % 5) for number, name in enumerate(names)}
    assert chosen_prompts(names, gains, 9) == names
    assert chosen_prompts(names, {}, 3) == ["p0", "p1", "p2"]
    assert chosen_prompts(names, gains, 3) == ["p0", "p1", "p4"]
    assert chosen_prompts(names, gains, 0) == []


@pytest.mark.long
def test_one_prompt_gives_a_page_without_intervals(tmp_path: Path) -> None:
    models = (BASELINE, METHOD)
    rows = [row for model in models for row in score_rows(model, shift={}, n_prompts=1)]
    table = score_table(tmp_path, rows)
    sets = [video_set(tmp_path / model, model, {"p00": "only one"}) for model in models]
    page = read_page(write_report(tmp_path / "r", record_of(table, [METHOD]), sets, scores=table))
    assert "fewer than 2 prompts" in page.text()
    assert "nothing can be said about a difference" in page.text()


@pytest.mark.long
def test_a_prompt_that_one_model_lacks_is_shown_with_a_gap(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={})])
    sets = [
        video_set(tmp_path / "a", BASELINE, {"p00": "both", "p01": "only the baseline"}),
        video_set(tmp_path / "b", METHOD, {"p00": "both"}),
    ]
    report = write_report(tmp_path / "r", record_of(table, [METHOD]), sets)
    videos = Report(report.parent, read_page(report)).data()["videos"]
    assert [[bool(take) for take in prompt] for model in videos for prompt in model] == [
        [True],
        [True],
        [True],
        [False],
    ]


def test_the_first_sample_that_all_models_have_stands_for_a_prompt(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={})])
    sources = [
        video_set(tmp_path / "a", BASELINE, {"p00": "both"}, samples=(0, 1), n_frames=1),
        video_set(tmp_path / "b", METHOD, {"p00": "both"}, samples=(1, 2), n_frames=1),
    ]
    (prompt,) = prompts_of(labelled_sets(sources, record_of(table, [METHOD])))
    assert [row.sample if row else None for row in prompt.first_common()] == [1, 1]


def test_baseline_stands_first_in_whatever_order_sets_are_given(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={})])
    sources = [video_set(tmp_path / model, model, {"p00": "one"}, n_frames=1) for model in (METHOD, BASELINE)]
    labels = [labelled.label for labelled in labelled_sets(sources, record_of(table, [METHOD]))]
    assert labels == [BASELINE, METHOD]


def test_sets_that_do_not_belong_to_the_comparison_are_refused(tmp_path: Path) -> None:
    table = score_table(tmp_path, [*score_rows(BASELINE, shift={}), *score_rows(METHOD, shift={})])
    record = record_of(table, [METHOD])
    mine = video_set(tmp_path / "a", BASELINE, {"p00": "one"})
    other = mine._replace(rows=tuple(row.model_copy(update={"horizon": "30s"}) for row in mine.rows))
    with pytest.raises(UserError, match="no video of suite 'sprite' and horizon '5s'"):
        write_report(tmp_path / "r", record, [other])
    with pytest.raises(UserError, match="Two video sets are named"):
        write_report(tmp_path / "r", record, [mine, mine])
    with pytest.raises(UserError, match="No video set has the prompt 'p77'"):
        write_report(tmp_path / "r", record, [mine], prompt_ids=["p77"])


def test_protocol_marks_what_differs_and_what_must_not() -> None:
    sections = {section.name: section for section in protocol_sections([card(BASELINE), card(METHOD, seed=5)])}
    lines = {line.field: line for line in sections["generation"].lines}
    assert (lines["seed"].differs, lines["seed"].guarded) == (True, True)
    assert (lines["model"].differs, lines["model"].guarded) == (True, False)
    assert lines["fps"].values == ("16.0", "16.0")
    assert lines["sampler"].values == ("unknown", "unknown")
    assert all(line.guarded for line in sections["scorers"].lines)


def test_lossless_copies_are_enlarged_to_plain_h264_and_keep_their_colours(tmp_path: Path) -> None:
    source = video_set(tmp_path / "set", BASELINE, {"p00": "one"}, n_frames=3)
    path = source.root / source.rows[0].path
    assert not plays_in_browser(path)
    copy = browser_video(path, tmp_path / "out", "p00")
    assert plays_in_browser(copy.video)
    assert (copy.height, copy.width, copy.enlargement) == (128, 128, 4)
    original, decoded = (read_video(file).frames.astype(int) for file in (path, copy.video))
    # Pixel centres, away from the borders that the halved colour resolution smears.
    assert np.abs(decoded[:, 1::4, 1::4] - original).mean() < 4.0


def test_plain_h264_is_copied_byte_for_byte(tmp_path: Path) -> None:
    source = video_set(tmp_path / "set", BASELINE, {"p00": "one"}, n_frames=3, crf=20, enlarge=4)
    path = source.root / source.rows[0].path
    copy = browser_video(path, tmp_path / "out", "p00")
    assert copy.video.read_bytes() == path.read_bytes()
    assert (copy.height, copy.width, copy.enlargement, copy.poster.suffix) == (128, 128, 1, ".jpg")


@pytest.mark.parametrize(
    ("size", "factor"), [((32, 32), 4), ((480, 832), 1), ((33, 64), 4), ((129, 200), 2), ((43, 90), 4)]
)
def test_enlargement_gives_even_sides_that_are_large_enough(size: tuple[int, int], factor: int) -> None:
    assert enlargement(*size) == factor
    assert all(side * factor % 2 == 0 and side * factor >= 128 for side in size)


def test_enlarging_repeats_pixels() -> None:
    frames = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert np.array_equal(enlarged(frames, 3)[:, ::3, ::3], frames)
    assert enlarged(frames, 3).shape == (1, 6, 6, 3)


def test_other_codecs_and_broken_files_do_not_count_as_playable(tmp_path: Path) -> None:
    frames = np.zeros((2, 16, 16, 3), dtype=np.uint8)
    write_video(tmp_path / "h264.mkv", frames, 16.0, crf=20)
    assert not plays_in_browser(tmp_path / "h264.mkv")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    assert not plays_in_browser(tmp_path / "broken.mp4")
    with pytest.raises(UserError, match=r"broken\.mp4"):
        browser_video(tmp_path / "broken.mp4", tmp_path, "copy")


def test_published_videos_play_as_they_are(tmp_path: Path) -> None:
    table = video_page_path("videos.csv")
    path = table.parent / "videos" / "rank15-ours.mp4"
    assert plays_in_browser(path)
    assert browser_video(path, tmp_path, "copy").video.stat().st_size == path.stat().st_size
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
