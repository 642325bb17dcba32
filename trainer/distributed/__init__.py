"""Training on one process or many: who works on what, sharded models, updates, checkpoints."""
