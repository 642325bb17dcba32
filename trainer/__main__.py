"""The command `trainer`, also as `python -m trainer`."""

from probekit.cli.entry import run


def main() -> None:
    """The command `trainer`."""
    run("trainer.cli")


if __name__ == "__main__":
    main()
