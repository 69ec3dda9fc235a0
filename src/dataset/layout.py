"""Names of what is in a data set's folder; imports nothing."""

STAGE = "dataset"
SCORED = "scored"
MADE_FROM = "made_from.json"
EXCLUDED = "excluded.parquet"
STATS = "stats.json"
CARD = "README.md"
AUDIT = "audit.json"
AUDIT_PICTURE = "audit.png"
HAND_CHECK = "hand_check.csv"
# Only while the run is made: datatrove's logs and completion markers.
WORK = "work"
# The args that decide on pass 1, beside the attributes' scorers, the tokenizer and the number of tasks.
PASS_ONE_KEYS = (
    "source",
    "seed",
    "sample_fraction",
    "excluded_sources",
    "cleaning",
    "min_words",
    "context_length",
)
