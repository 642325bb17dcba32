"""What a run folder holds: the only thing that the stages of work exchange."""
