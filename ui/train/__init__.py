"""Trainings that the app starts: what they are given, the process that runs one, and where the result goes."""
