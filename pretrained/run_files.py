"""Names of the files in the folder of a run."""

STATE, LOG, SNAPSHOTS, TIMELAPSE, LOCK = "resume.pt", "log.jsonl", "snapshots", "timelapse.gif", ".lock"
NEXT, PREVIOUS = "resume.next.pt", "resume.prev.pt"  # a state before it is read back, and the one before the last
RAW, BEST = "raw", "best"  # sub-folders with another checkpoint
DISCRIMINATOR = "discriminator.safetensors"  # for fine-tuning; not used for sampling
COMPARISON, NEAREST = "compare.json", "nearest.json"
