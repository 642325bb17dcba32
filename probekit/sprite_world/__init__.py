"""A tiny synthetic world with exact ground truth: numpy alone, no torch."""
