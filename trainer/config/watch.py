"""What is looked at while a training runs."""

from typing import Literal

from pydantic import Field

from probekit.config import StrictModel


class WatchConfig(StrictModel):
    """Part of every training recipe; all of it is off by default.

    Attributes:
        samples_every: steps between contact sheets of fixed held-out prompts under fixed noise.
        evaluate_every: steps between evaluations, each of which keeps its export under `exports/`.
        suite: suite that is sampled for both.
        prompts: prompts of the suite, in an evaluation.
        sheet_prompts: prompts of the suite, on a contact sheet.
        select: the rule by which `selection.json` names an export: the last one, or the one with the best total. It is
            part of the recipe, so that it is declared before anyone has seen a result.
    """

    samples_every: int | None = Field(default=None, gt=0)
    evaluate_every: int | None = Field(default=None, gt=0)
    suite: str = "sprite-5s"
    prompts: int = Field(default=20, ge=2)
    sheet_prompts: int = Field(default=3, gt=0)
    select: Literal["last", "best_total"] = "last"
