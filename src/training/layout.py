"""Names of what is in a trained model's folder (design section 4); imports nothing."""

METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
CURVE = "training_curve.png"
FINAL = "final"
CHECKPOINTS = "checkpoints"
# Only while the run is made: the Trainer's own checkpoints.
WORK = "work"
