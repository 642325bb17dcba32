"""Tables and figures of the paper as targets: what each needs, the commands that make it, and how it is drawn."""
