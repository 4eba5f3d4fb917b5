"""The command lines of `python -m trainer`."""
