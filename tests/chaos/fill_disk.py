"""Fills a disk: `python tests/chaos/fill_disk.py FOLDER`, run where the disk is mounted."""

import sys
from pathlib import Path

from tests.chaos.small_disk import fill

if __name__ == "__main__":
    fill(Path(sys.argv[1]), room=0)
