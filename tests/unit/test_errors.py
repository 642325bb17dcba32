import pickle

from probekit.errors import UserError


def test_message_has_the_problem_and_the_fix_in_one_line() -> None:
    error = UserError("clip.mp4 is empty.", "copy it again.")
    assert str(error) == "clip.mp4 is empty. Fix: copy it again."


def test_error_survives_a_process_border() -> None:
    error = pickle.loads(pickle.dumps(UserError("A.", "B.")))
    assert (type(error), error.problem, error.fix) == (UserError, "A.", "B.")
