"""The command line of `python -m pretrained`."""
