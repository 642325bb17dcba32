"""Step 2: the streams of a device against recorded official outputs, and against the CPU's where none are recorded."""

import json
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from torch import Tensor

from benchmarks.gpu.measuring import markdown_table
from benchmarks.gpu.sizes import TINY, Sizes
from probekit.diffusion.few_step import few_step_sigmas
from probekit.models.causal_wan import CausalWan
from probekit.models.context_policy import ContextPolicy
from probekit.models.text_context import TextContext
from probekit.rollout.chunk_denoisers import FewStepDenoiser
from probekit.rollout.noise import NoiseSource, SeededNoise
from probekit.rollout.streaming_rollout import Rollout, roll_out

RECORDINGS: Final = Path(__file__).parents[2] / "shared" / "fixtures" / "causal_wan.safetensors"
BESIDE: Final = Path(__file__).parents[3] / "shared" / "fixtures" / "causal_wan.safetensors"
CASES: Final = ("chunk3x4", "win6_sink3_chunk3x5")


class Recording:
    """A file of official inputs, weights and outputs; frames stand before channels in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))

    def tensor(self, name: str) -> Tensor:
        """One tensor."""
        with safe_open(self._path, "pt") as file:
            return file.get_tensor(name)

    def model(self) -> CausalWan:
        """The generator with the recorded weights."""
        model: CausalWan = CausalWan(**self.about["config"]).eval().requires_grad_(False)
        with safe_open(self._path, "pt") as file:
            names = [name for name in file.keys() if name.startswith("weights/")]
            model.load_state_dict({name.removeprefix("weights/"): file.get_tensor(name) for name in names})
        return model

    def noise(self, case: str) -> NoiseSource:
        """The recorded noise of each chunk and step."""
        first, again, size = self.tensor(f"{case}/noise"), self.tensor(f"{case}/renoise"), self._case(case)["chunk"]

        def draw(chunk: int, step: int) -> Tensor:
            frames = slice(chunk * size, chunk * size + size)
            return (first[:, frames] if step == 0 else again[:, frames, step - 1]).transpose(1, 2)

        return draw

    def policy(self, case: str) -> ContextPolicy:
        """The recorded window."""
        window = self._case(case)["local_attn_frames"]
        return ContextPolicy(window_frames=None if window < 0 else window, sink_frames=self._case(case)["sink_frames"])

    def text(self, case: str) -> Tensor:
        """The recorded prompts."""
        return self.tensor("ctx")[: self._case(case)["batch"]]

    def chunks(self, case: str) -> int:
        """Number of recorded chunks."""
        return int(self._case(case)["frames"] // self._case(case)["chunk"])

    def _case(self, case: str) -> dict[str, int]:
        found: dict[str, int] = self.about["cases"][case]
        return found


@torch.no_grad()
def stream(
    model: CausalWan, text: Tensor, noise: NoiseSource, chunks: int, policy: ContextPolicy, dtype: torch.dtype
) -> Tensor:
    """A rollout's latents on the CPU in fp32, computed where the model is and in `dtype`."""
    context = TextContext(text.to(model.device, dtype))
    rollout = Rollout(model.to(dtype), context, noise, FewStepDenoiser(few_step_sigmas()), chunks=chunks, policy=policy)
    return roll_out(rollout).float().cpu()


def recorded_rows(recording: Recording, device: str) -> list[list[str]]:
    """Largest differences to the recorded rollouts, in fp32 and bf16."""
    rows = []
    for case in CASES:
        expected = recording.tensor(f"{case}/x0").transpose(1, 2)
        for dtype in (torch.float32, torch.bfloat16):
            model = recording.model().to(device)
            arguments = (recording.noise(case), recording.chunks(case), recording.policy(case), dtype)
            found = stream(model, recording.text(case), *arguments)
            rows.append(_row(f"recorded {case}", dtype, found - expected))
    return rows


def _row(against: str, dtype: torch.dtype, difference: Tensor) -> list[str]:
    return [against, str(dtype).removeprefix("torch."), f"{difference.abs().max():.1e}"]


def device_rows(device: str) -> list[list[str]]:
    """Largest difference between this device and the CPU for one random model."""
    torch.manual_seed(0)
    model: CausalWan = CausalWan(**TINY.student).eval().requires_grad_(False)
    text = torch.randn(1, TINY.text_tokens, TINY.student["text_dim"])
    noise = SeededNoise(("parity",), range(1), (16, 3, *TINY.latent))
    policy = ContextPolicy(window_frames=None, sink_frames=0)
    expected = stream(model, text, noise, TINY.chunks, policy, torch.float32)
    rows = []
    for dtype in (torch.float32, torch.bfloat16):
        found = stream(model.to(device, torch.float32), text, noise, TINY.chunks, policy, dtype)
        rows.append(_row("random model, CPU in fp32", dtype, found - expected))
    return rows


def run(sizes: Sizes, out: Path, seconds: float) -> str:
    """Compare and return the table; TF32 is off."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    rows = device_rows(sizes.device)
    found = next((path for path in (RECORDINGS, BESIDE) if path.is_file()), None)
    if found is not None:
        rows += recorded_rows(Recording(found), sizes.device)
    note = "" if found is not None else "\nThe recorded official outputs were not there.\n"
    return markdown_table(["against", "precision", "largest difference of the latents"], rows) + note
