"""Training: optimizers, schedules, fit, checkpoints, metrics, data."""
