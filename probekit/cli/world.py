"""`probekit world`."""

from probekit.cli.errors import reporting_errors
from probekit.cli.terminal import say


def world() -> None:
    """Print every factor of the sprite world with its values in training, and those of the worlds outside of it."""
    with reporting_errors():
        from probekit.sprite_world.factor_table import factor_lines

        for line in factor_lines():
            say(line)
