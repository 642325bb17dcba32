"""`probekit patch`."""

from pathlib import Path
from typing import Annotated

import typer

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def patch(
    model: Annotated[str, typer.Argument(help="Streaming model: folder or shipped name.")],
    store: Annotated[Path, typer.Argument(help="Store of its states, with a site of the committing pass.")],
    out: Annotated[Path, typer.Option(help="Folder for tables.")],
    target: Annotated[str, typer.Option(help="What the directions say, see `probekit probe`.")] = "sprite-position",
    site: Annotated[str | None, typer.Option(help="Site of the store, e.g. blocks.1@commit.")] = None,
    chunk: Annotated[int, typer.Option(help="Chunk whose state is overwritten, 0 is the first.", min=0)] = 2,
    seed: Annotated[int, typer.Option(help="Seed of noise and split.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="Device of the networks.")] = "cpu",
) -> None:
    """Overwrite what a readout finds in one chunk's state with another future's, and measure the next chunk."""
    with reporting_errors():
        from probekit.devices import usable_device
        from probekit.probing.feature_store import FeatureStore
        from probekit.probing.sites import Site
        from probekit.probing.targets import target_named
        from probekit.reporting.patch_table import patch_table
        from probekit.workflows.patch import patch_model

        result = patch_model(
            model,
            FeatureStore(store),
            out,
            target=target_named(target),
            chunk=chunk,
            site=None if site is None else Site.parse(site),
            seed=seed,
            device=usable_device(device),
        )
        say(patch_table(result.effects).markdown())
        say(f"tables in {result.folder}")
