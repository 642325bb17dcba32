"""Commands that train: how they are typed, whether they are done, how long they take, and what has to come first."""
