"""Names of what is in a data set's folder (design section 4); imports nothing."""

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
