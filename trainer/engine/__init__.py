"""What runs a training: the loop, its state, checkpoints, optimizers and logs."""
