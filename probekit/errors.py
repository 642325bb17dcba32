"""The one exception for mistakes that the user of the toolkit can mend."""


class UserError(Exception):
    """A problem in a file, a key or a value that the user gave, together with what to do about it.

    The command line prints it in one line and exits with code 2.

    Attributes:
        problem: What is wrong; names the file, the key or the value. A full sentence.
        fix: What to do about it. A full sentence.
    """

    def __init__(self, problem: str, fix: str) -> None:
        """Keep both sentences as arguments, so that the error survives a process boundary (pickling)."""
        super().__init__(problem, fix)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        """Return both sentences in one line."""
        return f"{self.problem} Fix: {self.fix}"
