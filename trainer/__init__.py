"""Trains image generators and writes checkpoints that `pretrained` loads."""
