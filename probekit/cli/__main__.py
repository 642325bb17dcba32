"""The command `probekit`, as `python -m probekit.cli`."""

from probekit.cli.entry import probekit

if __name__ == "__main__":
    probekit()
