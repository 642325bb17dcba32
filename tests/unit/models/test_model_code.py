"""No model folder runs code: whatever asks for it is refused, and nobody is asked whether it may."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from probekit.errors import UserError
from probekit.models.loading import load_model, prompt_length
from probekit.rollout.diffusers_sampler import DiffusersSampler
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model
from tests.helpers.pipeline_folders import write_pipeline
from tests.helpers.places import REPOSITORY
from tests.helpers.warm_python import run_python

SUITE = load_suite("sprite-5s").reduced(1, 1)._replace(frames=9)
CONFIGS = {
    "transformer": "config.json",
    "vae": "config.json",
    "text_encoder": "config.json",
    "tokenizer": "tokenizer_config.json",
    "scheduler": "scheduler_config.json",
}
CODE = """
from pathlib import Path
Path({marker!r}).write_text("ran")
class Evil:
    @classmethod
    def from_pretrained(cls, *args, **kwargs):
        return cls()
    from_config = load_config = from_pretrained
EvilConfig = EvilTokenizer = EvilModel = EvilPipeline = Evil
"""
AUTO_MAP = {
    "AutoConfig": "evil.EvilConfig", "AutoModel": "evil.EvilModel", "AutoTokenizer": ["evil.EvilTokenizer", None],
}  # fmt: skip


@pytest.fixture(scope="module")
def wan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("wan") / "model")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pipeline(tmp_path_factory.mktemp("ltx") / "model", "LTXPipeline")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def poisoned(source: Path, folder: Path, component: str) -> Path:
    """A copy of a model whose component asks for code, which would write a file beside the folder."""
    shutil.copytree(source, folder)
    for place in (folder, folder / component):
        (place / "evil.py").write_text(CODE.format(marker=str(folder.parent / "ran")))
    change(folder / component / CONFIGS[component], auto_map=AUTO_MAP)
    if component == "tokenizer":  # a class that transformers does not have, so that only the code could be it
        change(folder / component / CONFIGS[component], tokenizer_class="EvilTokenizer")
    return folder


@pytest.mark.parametrize("component", CONFIGS)
def test_code_in_any_component_is_refused_and_not_run(tmp_path: Path, wan: Path, component: str) -> None:
    folder = poisoned(wan, tmp_path / "model", component)
    with pytest.raises(UserError, match=r"asks to run code that comes with the model .auto_map"):
        load_model(folder)
    if component == "tokenizer":
        with pytest.raises(UserError, match="asks to run code"):
            prompt_length(folder)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("component", CONFIGS)
def test_code_in_any_component_of_a_pipeline_is_refused_and_not_run(
    tmp_path: Path, pipeline: Path, component: str
) -> None:
    folder = poisoned(pipeline, tmp_path / "model", component)
    change(folder / "model_index.json", tokenizer=["transformers", "AutoTokenizer"])
    with pytest.raises(UserError, match="asks to run code"):
        DiffusersSampler(folder, SUITE)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "index",
    [
        {"_class_name": ["evil", "EvilPipeline"]},
        {"tokenizer": ["evil", "EvilTokenizer"]},
        {"vae": ["evil", "EvilModel"]},
        {"transformer": ["antigravity", "fly"]},
        {"scheduler": ["os", "system"]},
        {"_class_name": "Evil"},
        {"_class_name": "__doc__"},
        {"_class_name": "DiffusionPipeline"},
        {"_class_name": 7},
    ],
)
def test_an_index_cannot_name_code(tmp_path: Path, pipeline: Path, index: dict[str, Any]) -> None:
    folder = shutil.copytree(pipeline, tmp_path / "model")
    for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
        (place / "evil.py").write_text(CODE.format(marker=str(tmp_path / "ran")))
    change(folder / "model_index.json", **index)
    with pytest.raises(UserError, match=str(folder)):
        DiffusersSampler(folder, SUITE)
    assert not (tmp_path / "ran").exists()
    assert "antigravity" not in sys.modules


def test_a_kernel_of_the_hub_is_code_too(tmp_path: Path, wan: Path) -> None:
    folder = shutil.copytree(wan, tmp_path / "model")
    change(folder / "text_encoder" / "config.json", attn_implementation="somebody/kernel")
    with pytest.raises(UserError, match="attn_implementation: somebody/kernel"):
        load_model(folder)


@pytest.mark.long
@pytest.mark.parametrize("answer", ["y\n" * 20, ""])
@pytest.mark.parametrize("kind", ["wan", "pipeline"])
def test_nobody_is_asked_with_standard_input_open_or_closed(
    tmp_path: Path, wan: Path, pipeline: Path, kind: str, answer: str
) -> None:
    """Somebody who answers yes to every question gets no code run, and a command without a terminal does not wait."""
    folder = poisoned({"wan": wan, "pipeline": pipeline}[kind], tmp_path / "model", "tokenizer")
    if kind == "pipeline":
        change(folder / "model_index.json", tokenizer=["transformers", "AutoTokenizer"])
    for module, *arguments in commands(folder, tmp_path):
        code = f"from {module} import app; app()"
        done = run_python(["-c", code, *arguments], tmp_path, cwd=REPOSITORY, text=answer)
        assert "Traceback" not in done.stderr
        assert "[y/N]" not in done.stdout + done.stderr
        assert not (tmp_path / "ran").exists()


def commands(folder: Path, out: Path) -> Iterator[tuple[str, ...]]:
    yield (
        "probekit.cli.main", "sample", "--model", str(folder), "--out", str(out / "run"), "--prompts", "1",
        "--samples", "1", "--seconds", "0.1", "--size", "32x32",
    )  # fmt: skip
    yield ("probekit.cli.main", "weights", "inspect", str(folder))
