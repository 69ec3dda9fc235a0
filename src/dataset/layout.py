"""Names of what is in a data set's folder (design section 4); imports nothing."""

SCORED = "scored"
MADE_FROM = "made_from.json"
EXCLUDED = "excluded.parquet"
STATS = "stats.json"
CARD = "README.md"
# Only while the run is made: datatrove's logs and completion markers.
WORK = "work"
