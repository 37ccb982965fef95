#!/usr/bin/env python3
"""measured.py OUT COMMAND..: runs the command and writes `SECONDS PEAK_KB USER_SECONDS SYSTEM_SECONDS SPOOL_BYTES` as a new line of OUT. Its spool are the
files in $TMPDIR that it has open, whether they have a name or not, as far as a look ten times a second sees it."""
import contextlib
import os
import subprocess
import sys
import threading
import time


def spooled(pid, folder):
    files = {}
    # They come and go.
    with contextlib.suppress(OSError):
        for fd in os.listdir(f"/proc/{pid}/fd"):
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(folder):
                    stat = os.stat(f"/proc/{pid}/fd/{fd}")
                    files[stat.st_ino] = stat.st_blocks * 512
    return sum(files.values())


def main(out, command):
    folder, most, ended = os.environ["TMPDIR"], 0, threading.Event()

    def look(pid):
        nonlocal most
        while not ended.wait(0.1):
            most = max(most, spooled(pid, folder))

    begin = time.monotonic()
    child = subprocess.Popen(command)
    watch = threading.Thread(target=look, args=(child.pid,))
    watch.start()
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.monotonic() - begin
    ended.set()
    watch.join()
    with open(out, "a") as f:
        print(f"{seconds:.2f} {used.ru_maxrss} {used.ru_utime:.2f} {used.ru_stime:.2f} {most}", file=f)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
