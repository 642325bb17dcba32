"""What the commands do: one function per verb, each from files to files."""
