"""A video depends on its own prompt and key: every pass has the same shape, whatever else is made, by whomever."""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from probekit.models.causal_card import CausalCard, write_causal_card
from probekit.rollout import fixed_batch
from probekit.rollout.bidirectional_sampler import BidirectionalSampler
from probekit.rollout.fixed_batch import blocks, filled, fixed_batch_size
from probekit.rollout.generation_runner import Request, VideoGenerator, generate_suite
from probekit.rollout.sampling_config import SamplingConfig
from probekit.rollout.streaming_sampler import StreamingSampler
from probekit.run_folder.protocol_card import read_protocol
from probekit.run_folder.shard import Shard
from probekit.suites.registry import load_suite
from tests.helpers.model_folders import write_tiny_model

SUITE = load_suite("sprite-5s").reduced(6, 1)._replace(frames=21)
KINDS = ("student", "ar", "plain")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    for name in KINDS:
        write_tiny_model(root / name)
    write_causal_card(
        root / "student", CausalCard(role="ode_student", chunk_frames=3, shift=5.0, few_steps=(1000, 500))
    )
    ar = CausalCard(role="ar_teacher", chunk_frames=3, shift=5.0, euler_steps=2, guidance=3.0)
    write_causal_card(root / "ar", ar)
    return root


def sampler_of(models: Path, kind: str) -> Any:
    if kind == "plain":
        return BidirectionalSampler(models / kind, SUITE, SamplingConfig(steps=2))
    return StreamingSampler(models / kind, SUITE)


def requests(count: int) -> list[Request]:
    texts = SUITE.generation_texts()
    return [Request(key, texts[key.prompt_id]) for key in SUITE.keys()[:count]]


class Operations(TorchDispatchMode):
    """Writes down every operation with the shapes and strides of its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, tuple[tuple[int, ...], ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in torch.utils._pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.seen.append((str(func), tuple((*tensor.shape, -1, *tensor.stride()) for tensor in tensors)))
        return func(*args, **(kwargs or {}))


@contextmanager
def rows_of_passes(model: torch.nn.Module) -> Iterator[list[int]]:
    """Videos of every forward pass, negative prompts counted as videos."""
    seen: list[int] = []

    def look(module: torch.nn.Module, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        seen.append(len(kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]))

    handle = model.register_forward_pre_hook(look, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def transformer_of(sampler: Any) -> torch.nn.Module:
    model: torch.nn.Module = sampler.model if isinstance(sampler, StreamingSampler) else sampler._transformer
    return model


@pytest.mark.parametrize(
    ("tokens", "size"), [(48, 8), (64, 8), (65, 7), (171, 2), (336, 1), (512, 1), (4680, 1), (32760, 1)]
)  # fmt: skip
def test_as_many_videos_as_fill_a_pass_go_together(tokens: int, size: int) -> None:
    assert fixed_batch_size(tokens) == size


@given(items=st.lists(st.integers(), max_size=30), size=st.integers(1, 9))
def test_filled_blocks_hold_every_item_in_its_place(items: list[int], size: int) -> None:
    parts = blocks(items, size)
    assert [item for part in parts for item in part] == items
    for number, part in enumerate(parts):
        whole = filled(part, size)
        assert len(whole) == size
        assert whole[: len(part)] == items[number * size : (number + 1) * size]
        assert whole[len(part) :] == [part[-1]] * (size - len(part))


def test_nothing_and_too_much_do_not_fill_a_batch() -> None:
    for items in ([], [1, 2, 3]):
        with pytest.raises(ValueError, match="do not fill up to 2"):
            filled(items, 2)


@pytest.mark.parametrize(("kind", "guided"), [("student", 1), ("ar", 2), ("plain", 2)])
@pytest.mark.parametrize("count", [1, 2, 5, 6])
def test_every_pass_has_the_same_number_of_videos(
    kind: str, guided: int, count: int, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 4)
    sampler = sampler_of(models, kind)
    assert sampler.card.batch_size == 4
    with rows_of_passes(transformer_of(sampler)) as rows:
        assert len(sampler.generate(requests(count))) == count
    assert set(rows) == {4 * guided}


@pytest.mark.parametrize("kind", KINDS)
def test_every_pass_runs_the_same_operations_on_the_same_shapes(kind: str, models: Path) -> None:
    """Then the same program runs on the same numbers, and another processor has no say in it."""
    sampler = sampler_of(models, kind)
    sampler.generate(requests(6))  # remembers prompts, fills tables
    seen = []
    for count in (1, 2, 5, 6):
        with Operations() as operations:
            sampler.generate(requests(count))
        seen.append(operations.seen)
    assert len(seen[0]) > 300
    for count, operations in zip((1, 2, 5, 6), seen, strict=True):
        assert operations == seen[0] * math.ceil(count / sampler.card.batch_size)


class Spy:
    """A sampler whose blocks are written down."""

    def __init__(self, inner: VideoGenerator) -> None:
        self.inner, self.card = inner, inner.card
        self.asked: list[list[Request]] = []

    def generate(self, requests: list[Request]) -> np.ndarray:
        self.asked.append(requests)
        return self.inner.generate(requests)


def hashes(folder: Path, generator: VideoGenerator, workers: int = 1, batch_size: int | None = None) -> dict[Any, str]:
    """SHA-256 of the videos that some workers make, one after the other."""
    for index in range(workers):
        shard = Shard(index, workers) if workers > 1 else None
        generate_suite(generator, SUITE, folder, training_run="r", shard=shard, batch_size=batch_size)
    rows = generate_suite(generator, SUITE, folder, training_run="r")
    return {row.key(): row.sha256 for row in rows}


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_files_do_not_depend_on_batches_workers_or_what_was_finished(
    kind: str, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 2)
    sampler = sampler_of(models, kind)
    first = hashes(tmp_path / "first", sampler)
    assert len(set(first.values())) == 6
    for number, (workers, batch_size) in enumerate([(1, 1), (1, 2), (1, 6), (3, None), (8, 2)]):
        assert hashes(tmp_path / str(number), sampler, workers, batch_size) == first
    for path in sorted((tmp_path / "first").rglob("*.mp4"))[1:4]:
        path.unlink()
    spy = Spy(sampler)
    assert hashes(tmp_path / "first", spy) == first
    assert [len(block) for block in spy.asked] == [2, 2]
    assert read_protocol(tmp_path / "first").generation.batch_size == 2


def test_workers_share_whole_blocks(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_batch, "LARGEST", 4)
    asked = []
    for index in range(3):
        spy = Spy(sampler_of(models, "student"))
        generate_suite(spy, SUITE, tmp_path, training_run="r", shard=Shard(index, 3))
        asked.append([[request.key for request in block] for block in spy.asked])
    assert asked == [[SUITE.keys()[:4]], [SUITE.keys()[4:]], []]


LOWERED = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "MKL_CBWR": "COMPATIBLE",
}
"""What makes torch's own kernels, oneDNN and MKL (on Intel's processors and on others) work as on an older machine."""
CHILD = """
import sys
from pathlib import Path
import numpy as np
from tests.unit.rollout import test_fixed_batch as here

models, out = map(Path, sys.argv[1:])
here.fixed_batch.LARGEST = 2
for kind in here.KINDS:
    sampler = here.sampler_of(models, kind)
    assert here.hashes(out / kind, sampler) == here.hashes(out / f"{kind}-shared", sampler, 3, 1), kind
    np.save(out / f"{kind}.npy", sampler.generate(here.requests(2)))
"""


@pytest.mark.long
def test_the_same_holds_with_the_kernels_of_an_older_processor_whose_videos_are_close(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-c", CHILD, str(models), str(tmp_path)]
    done = subprocess.run(command, env={**os.environ, **LOWERED}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    monkeypatch.setattr(fixed_batch, "LARGEST", 2)
    for kind in KINDS:
        ours = sampler_of(models, kind).generate(requests(2)).astype(int)
        assert np.abs(ours - np.load(tmp_path / f"{kind}.npy")).max() <= 1, kind
