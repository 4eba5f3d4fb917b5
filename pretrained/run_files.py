"""The names of what lies in a run's folder beside its checkpoint."""

STATE, LOG, SNAPSHOTS, TIMELAPSE, LOCK = "resume.pt", "log.jsonl", "snapshots", "timelapse.gif", ".lock"
RAW, BEST = "raw", "best"  # sub-folders, each a checkpoint of its own
DISCRIMINATOR = "discriminator.safetensors"  # to go on from; nothing that draws reads it
COMPARISON, NEAREST = "compare.json", "nearest.json"
