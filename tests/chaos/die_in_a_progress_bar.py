"""Killed while it holds the lock under which progress bars are drawn."""

import os
import signal

from tqdm import tqdm

tqdm.get_lock().acquire()
os.kill(os.getpid(), signal.SIGKILL)
