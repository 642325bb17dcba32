"""The pages of `probekit watch`, in the style of reports."""

from collections.abc import Sequence
from typing import NamedTuple

from probekit.live.script import LARGEST_SEED, MOST_CHARACTERS, MOST_FORKS
from probekit.reporting.page_template import page_environment


class Panel(NamedTuple):
    """What a page says of one model.

    Attributes:
        name: name of the model.
        horizons: chunks ahead that its head reads, from 1; empty without a head.
        advice: command that makes its head; None where there is one.
    """

    name: str
    horizons: tuple[int, ...]
    advice: str | None


def watch_page(panels: Sequence[Panel], prompts: Sequence[str], fps: int, nonce: str) -> str:
    """The page that watches.

    Args:
        panels: models in step.
        prompts: prompts that the page proposes.
        fps: frames per second.
        nonce: word without which a browser runs none of its scripts.
    """
    return (
        page_environment()
        .get_template("watch.html.j2")
        .render(
            panels=panels,
            prompts=prompts,
            facts={"fps": fps, "models": [panel._asdict() for panel in panels]},
            most_forks=MOST_FORKS,
            largest_seed=LARGEST_SEED,
            most_characters=MOST_CHARACTERS,
            nonce=nonce,
        )
    )


def preference_page(fps: int, nonce: str) -> str:
    """The page that asks which of two blind videos is better; arguments as `watch_page`."""
    return page_environment().get_template("prefer.html.j2").render(facts={"fps": fps}, nonce=nonce)
