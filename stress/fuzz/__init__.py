"""Coverage-guided fuzzing of what reads a stranger's bytes; its corpus is replayed by the test suite."""
