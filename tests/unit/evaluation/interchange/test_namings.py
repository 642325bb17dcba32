"""Names of other projects' videos: what each pattern reads, what cutting loses, and what is refused."""

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from probekit.errors import UserError
from probekit.evaluation.interchange.name_matching import assign_by_name
from probekit.evaluation.interchange.namings import (
    NAMINGS,
    NameReader,
    Naming,
    best_reader,
    lost_by_cutting,
    naming_called,
)
from probekit.run_folder.sample_key import SampleKey
from probekit.suites.moviegen import moviegen_prompts
from probekit.suites.suite import Prompt, Suite
from probekit.suites.vbench import vbench_prompts
from tests.helpers.shared_data import shared_path

SNOW = "Snow falls on mountains, " + "slowly, " * 10
PROMPTS = (
    Prompt("p0", "A cat."),
    Prompt("p1", "A dog-3, running"),
    Prompt("p2", SNOW + "in the morning"),
    Prompt("p3", SNOW + "in the evening"),
    Prompt("p4", "Fa\u00e7ades" + " of old houses" * 20),
    Prompt("p5", "A cat."),
)
SUITE = Suite("vbench", PROMPTS, 2, 81, "5s", 16, 16, 16)
NAMES: dict[str, Callable[[int, str, int], str]] = {
    "vbench": lambda line, text, sample: f"{text}-{sample}",
    "self-forcing": lambda line, text, sample: f"{text[:100]}-{sample}",
    "self-forcing-index": lambda line, text, sample: f"{line}-{sample}_ema",
    "rolling-forcing": lambda line, text, sample: f"{text[:100]}-{sample}",
    "rolling-forcing-index": lambda line, text, sample: f"{line}-{sample}_regular",
    "causal-forcing": lambda line, text, sample: f"{text[:100]}",
    "causal-forcing-long": lambda line, text, sample: f"{text[:100]}-{sample}",
    "longlive": lambda line, text, sample: f"rank3-{text[:100]}-{sample}_lora",
    "longlive-index": lambda line, text, sample: f"rank0-{line}-{sample}_ema_dp1_sp4",
    "video-mirai": lambda line, text, sample: f"{text[:300]}-{sample}",
    "video-mirai-single": lambda line, text, sample: f"{text[:300]}",
}


def _touch(folder: Path, stems: Iterable[str]) -> None:
    folder.mkdir(exist_ok=True)
    for stem in stems:
        (folder / f"{stem}.mp4").touch()


def test_every_naming_has_an_example() -> None:
    assert NAMES.keys() == {naming.name for naming in NAMINGS}


@pytest.mark.parametrize("name", NAMES)
def test_a_name_means_what_the_project_wrote_it_for(name: str) -> None:
    naming = naming_called(name)
    reader = NameReader(naming, PROMPTS, dict(PROMPTS))
    for line, prompt in enumerate(PROMPTS):
        named = reader.read(NAMES[name](line, prompt.text, 1))
        assert named is not None
        assert prompt.prompt_id in named.prompt_ids
        assert named.sample == (None if name in ("causal-forcing", "video-mirai-single") else 1)
        assert set(named.prompt_ids) == _expected(naming, prompt)
        assert named.same_text == (named.prompt_ids != ("p2", "p3") and "index" not in name)


def _expected(naming: Naming, prompt: Prompt) -> set[str]:
    """Prompts that have the name of this one."""
    if "index" in naming.name:
        return {prompt.prompt_id}
    if prompt.text.startswith(SNOW) and naming.characters == 100:
        return {"p2", "p3"}
    return {other.prompt_id for other in PROMPTS if other.text == prompt.text}


@pytest.mark.parametrize("name", ["vbench", "self-forcing", "self-forcing-index", "longlive", "longlive-index"])
def test_other_names_mean_nothing(name: str) -> None:
    reader = NameReader(naming_called(name), PROMPTS, dict(PROMPTS))
    for stem in ("A cat.", "A bird-0", "999-0_ema", "rank0-A bird-0_ema", "0-0_other", "-0", ""):
        assert reader.read(stem) is None


@pytest.mark.skipif(importlib.util.find_spec("vbench") is None, reason="needs the package vbench")
def test_cutting_loses_21_of_vbench() -> None:
    texts = [prompt.text for prompt in vbench_prompts()]
    assert lost_by_cutting(texts, 100) == 21
    assert lost_by_cutting(texts, 300) == 2, "the two texts that stand twice"
    assert sum(len(text) > 100 for text in texts) == 72


def test_cutting_loses_53_of_moviegen() -> None:
    texts = [prompt.text for prompt in moviegen_prompts(shared_path("data", "MovieGenVideoBench.txt"))]
    assert lost_by_cutting(texts, 100) == 53
    assert lost_by_cutting(texts, 300) == 5, "five texts stand twice"


def test_the_naming_is_found_by_the_names() -> None:
    texts = [dict(PROMPTS)]
    for name in ("causal-forcing", "longlive", "longlive-index", "self-forcing", "self-forcing-index"):
        stems = [NAMES[name](line, prompt.text, 0) for line, prompt in enumerate(PROMPTS)]
        assert best_reader(stems, PROMPTS, texts).naming.name == name
    with pytest.raises(UserError, match="None of these files"):
        best_reader(["A bird-0"], PROMPTS, texts)
    with pytest.raises(UserError, match=r"'self-forced'.*auto or one of .*self-forcing"):
        naming_called("self-forced")


def test_accents_match_in_either_form(tmp_path: Path) -> None:
    import unicodedata

    text = unicodedata.normalize("NFD", PROMPTS[4].text[:100])
    found = assign_by_name([_folder(tmp_path, [f"{text}-0"])], SUITE, PROMPTS, "self-forcing")
    assert list(found.files) == [SampleKey("vbench", "p4", 0)]


def _folder(parent: Path, stems: Iterable[str], name: str = "videos") -> Path:
    _touch(parent / name, stems)
    return parent / name


def test_prompts_that_share_a_name_are_all_lost_and_named(tmp_path: Path) -> None:
    stems = {NAMES["self-forcing"](0, prompt.text, sample) for prompt in PROMPTS for sample in range(2)}
    found = assign_by_name([_folder(tmp_path, stems)], SUITE, PROMPTS)
    assert found.naming == "self-forcing"
    assert len(stems) == 8, "six prompts have four names"
    assert {key.prompt_id for key in found.files} == {"p0", "p1", "p4", "p5"}
    assert found.files[SampleKey("vbench", "p0", 1)] == found.files[SampleKey("vbench", "p5", 1)], "entries of a text"
    assert [problem.path.stem for problem in found.problems] == [f"{SNOW[:100]}-{sample}" for sample in range(2)]
    assert all("any of 2 prompts whose names are cut to the same (p2, p3)" in p.problem for p in found.problems)
    assert {(key.prompt_id, key.sample) for key in found.lost} == {("p2", 0), ("p2", 1), ("p3", 0), ("p3", 1)}
    assert all("2 prompts share its name" in reason for reason in found.lost.values())


def test_a_name_that_is_shared_with_a_prompt_that_is_not_drawn_is_no_evidence(tmp_path: Path) -> None:
    drawn = SUITE._replace(prompts=PROMPTS[:3])
    stems = [NAMES["self-forcing"](0, prompt.text, 0) for prompt in (PROMPTS[0], PROMPTS[2], PROMPTS[4])]
    found = assign_by_name([_folder(tmp_path, stems)], drawn, PROMPTS)
    assert {key.prompt_id for key in found.files} == {"p0"}
    assert found.not_drawn == 1
    assert SampleKey("vbench", "p2", 0) in found.lost


def test_names_without_an_index_take_it_from_their_folder(tmp_path: Path) -> None:
    first = _folder(tmp_path, ["A cat.", "A dog-3, running"], "seed7")
    second = _folder(tmp_path, ["A cat."], "seed8")
    found = assign_by_name([first, second], SUITE, PROMPTS, "causal-forcing")
    assert found.files[SampleKey("vbench", "p0", 0)].parent == first
    assert found.files[SampleKey("vbench", "p0", 1)].parent == second
    assert found.lost[SampleKey("vbench", "p1", 1)] == "no file has its name"


def test_two_files_of_one_video_count_neither(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["rank0-A dog-3, running-0_ema", "rank1-A dog-3, running-0_ema", "rank0-A cat.-0_ema"])
    found = assign_by_name([folder], SUITE, PROMPTS)
    assert {key.prompt_id for key in found.files} == {"p0", "p5"}
    assert [problem.path.name[:5] for problem in found.problems] == ["rank0", "rank1"]
    assert found.lost[SampleKey("vbench", "p1", 0)].startswith("2 files have its name: rank0-A dog")


def test_samples_beyond_the_plan_and_strange_files_are_named(tmp_path: Path) -> None:
    found = assign_by_name([_folder(tmp_path, ["A cat.-0", "A dog-3, running-5", "A bird-0"])], SUITE, PROMPTS)
    named = {problem.path.stem: problem.problem for problem in found.problems}
    assert named == {
        "A dog-3, running-5": "sample 5 of p1, of which samples 0 to 1 are planned",
        "A bird-0": "not named after a prompt of vbench (vbench)",
    }


def test_names_may_be_made_of_the_extended_texts(tmp_path: Path) -> None:
    extended = tuple(f"In a wide shot, {prompt.text} {prompt.prompt_id}" for prompt in PROMPTS)
    suite = SUITE._replace(extended=extended, generation_variant="extended")
    stems = [f"{text[:100]}-0" for text in extended[:2]]
    found = assign_by_name([_folder(tmp_path, stems)], suite, PROMPTS)
    assert {key.prompt_id for key in found.files} == {"p0", "p1"}
    assert found.files[SampleKey("vbench", "p0", 0)].stem == "In a wide shot, A cat. p0-0"
    assert found.named_after == "extended"
    short = assign_by_name([_folder(tmp_path, ["A cat.-0"], "short")], suite, PROMPTS)
    assert short.named_after == "short"


def test_the_toolkits_own_names_are_read_too(tmp_path: Path) -> None:
    folder = _folder(tmp_path, ["vbench__p2__001", "vbench__p9__000", "custom__p0__000", "A cat.-0"])
    found = assign_by_name([folder], SUITE, PROMPTS)
    assert {(key.prompt_id, key.sample) for key in found.files} == {("p0", 0), ("p2", 1), ("p5", 0)}
    assert found.not_drawn == 1
    assert [problem.path.stem for problem in found.problems] == ["custom__p0__000"]
    own = _folder(tmp_path, ["vbench__p0__000"], "own")
    assert assign_by_name([own], SUITE, PROMPTS).naming == "sample key"
