"""Starts a command and writes what it took into an open file: python -I -S bench/launch.py FILE_DESCRIPTOR COMMAND…

On Linux a process counts the peak memory of whoever started it as its own, because the peak outlives exec. So this
process stands between the bench, which has unpacked whole data sets, and what it measures, and imports next to nothing.
"""

import os
import sys
import time

report = int(sys.argv[1])
os.set_inheritable(report, False)
start = time.perf_counter()
child = os.fork()
if child == 0:
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        os.write(2, f"{sys.argv[2]}: {error}\n".encode())
    os._exit(127)
# Unlike the other ways of waiting, this one tells the peak memory of this child alone.
_, status, usage = os.wait4(child, 0)
seconds, code = time.perf_counter() - start, os.waitstatus_to_exitcode(status)
os.write(report, f'{{"exit_code": {code}, "wall_seconds": {seconds}, "peak_mebibytes": {usage.ru_maxrss / 1024}}}'.encode())
