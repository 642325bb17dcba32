"""What the commands do: one function a verb, each from files to files."""
