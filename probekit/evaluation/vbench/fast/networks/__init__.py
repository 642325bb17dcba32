"""The networks: classes of maintained packages, filled with weight files; one loader each."""
