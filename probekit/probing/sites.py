"""Addresses of what is captured: which module of which block, in which pass. Torch-free.

The chunk, the frame and the token are axes of what is captured, so they are chosen when a store is read.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Self

from probekit.errors import UserError
from probekit.models.depth import block_at

COMMIT: Final = "commit"
"""Name of the pass that writes a chunk's clean latents to the cache."""
DEFAULT_DEPTHS: Final = (0.3, 0.5, 0.8)

_NAME: Final = re.compile(
    r"blocks\.(?P<block>\d{1,4})(?:\.(?P<stream>[A-Za-z_][\w.]*))?@(?:step(?P<step>\d{1,4})|commit)"
)


class Site(NamedTuple):
    """A place in a causal generator whose output is kept.

    Attributes:
        block: zero-based transformer block.
        step: zero-based denoising step; None is the pass that commits the clean chunk.
        stream: module inside the block, such as ``attn1`` or ``ffn.net.2``; empty for the output of the block.
    """

    block: int
    step: int | None
    stream: str = ""

    @property
    def module(self) -> str:
        """Name of the module in the transformer."""
        return f"blocks.{self.block}.{self.stream}" if self.stream else f"blocks.{self.block}"

    @property
    def name(self) -> str:
        """The address in one word: ``blocks.3@step1``, ``blocks.3.attn1@commit``."""
        return f"{self.module}@{COMMIT if self.step is None else f'step{self.step}'}"

    @classmethod
    def parse(cls, name: str) -> Self:
        """The site of a name.

        Raises:
            UserError: no site has this name.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise UserError(
                f"{name[:80]!r} is not the name of a site.",
                "Write blocks.3@step1, blocks.3.attn1@step0, blocks.3@commit.",
            )
        step = match["step"]
        return cls(int(match["block"]), None if step is None else int(step), match["stream"] or "")


def check_sites(sites: Sequence[Site], modules: Iterable[str], steps: int) -> None:
    """Refuse sites that a model does not have.

    Args:
        sites: places to capture.
        modules: names of the model's modules.
        steps: denoising steps per chunk.

    Raises:
        UserError: for no site, a repeated one, or one that does not exist, with the nearest names that do.
    """
    names = [site.name for site in sites]
    if not sites or len(set(names)) < len(names):
        raise UserError(
            f"The sites {', '.join(names) or '(none)'} are not one or more different ones.", "Name each once."
        )
    there = [name for name in modules if name.startswith("blocks.")]
    for site in sites:
        if site.module not in there:
            near = difflib.get_close_matches(site.module, there, n=3, cutoff=0.0)
            raise UserError(
                f"The model has no module {site.module!r}.", f"Use {', '.join(near)} or another that it has."
            )
        if site.step is not None and site.step >= steps:
            near_steps = ", ".join(f"step{step}" for step in range(steps))
            raise UserError(f"{site.name}: a chunk has {steps} denoising steps.", f"Use {near_steps} or {COMMIT}.")


def sites_at(depths: Sequence[float], blocks: int, steps: Sequence[int | None]) -> tuple[Site, ...]:
    """Outputs of the blocks at relative depths, floor(depth · blocks), in each of the given passes.

    Raises:
        UserError: for a depth outside [0, 1).
    """
    wrong = [depth for depth in depths if not 0 <= depth < 1]
    if wrong:
        raise UserError(f"Relative depth {wrong[0]} is not in [0, 1).", "Use e.g. 0.3, 0.5 and 0.8.")
    chosen = dict.fromkeys(block_at(depth, blocks) for depth in depths)
    return tuple(Site(block, step) for block in chosen for step in steps)
