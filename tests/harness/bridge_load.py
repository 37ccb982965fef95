#!/usr/bin/env python3
"""bridge_load.py BRIDGE_PORT BRIDGE_PID LOG LOG_PORT REGISTRY_DATA PULLS MOST_KB: so many pulls at once from a bridge, each of them all requests for
blobs that the access log has for a port, every fourth one slowly. Every byte of every answer is held against the registry's own files. Then the
bridge's VmHWM is to be at most MOST_KB. Exit code 1 and a line for each fault otherwise."""
import json
import re
import socket
import sys
import threading
import time

# A slow client takes so many bytes slowly, from the middle of its requests on: bytes, and seconds a piece.
SLOW_BYTES, PIECE, PAUSE = 3_000_000, 20_000, 0.1
LARGE = 2_000_000


def requests(log, port):
    with open(log) as f:
        found = [r for r in map(json.loads, f) if r["port"] == port and r["method"] == "GET" and "/blobs/" in r["path"] and r["status"] in (200, 206)]
    # All pulls together shall take seconds: single ranges of many megabytes are left out.
    found = [r for r in found if r["body"] < LARGE or "," in r["range"]]
    return list(dict.fromkeys((r["path"], r["range"]) for r in found))


class Answer:
    def __init__(self, connection):
        self.file, self.slow_left = connection.makefile("rb", buffering=PIECE), 0

    def line(self):
        return self.file.readline(65536).decode("latin-1").rstrip("\r\n")

    def headers(self):
        found = {}
        while line := self.line():
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    def same(self, blob, first, last):
        """The next bytes are these of the blob."""
        with open(blob, "rb") as f:
            f.seek(first)
            left = last - first + 1
            while left:
                size = min(left, PIECE)
                if self.file.read(size) != f.read(size):
                    return False
                left -= size
                if self.slow_left > 0:
                    self.slow_left -= size
                    time.sleep(PAUSE * size / PIECE)
        return True


def checked(answer, blob, wanted):
    """What is wrong with an answer."""
    status = answer.line().split(" ")[1]
    headers = answer.headers()
    if status != ("206" if wanted else "200"):
        return f"status {status}"
    if not wanted:
        return None if answer.same(blob, 0, int(headers["content-length"]) - 1) else "other bytes"
    spans = [tuple(map(int, r.split("-"))) for r in wanted.removeprefix("bytes=").split(",")]
    boundary = re.search(r"boundary=\"?([^\";]+)", headers["content-type"])
    if len(spans) == 1:
        return None if answer.same(blob, *spans[0]) else "other bytes"
    for first, last in spans:
        line = answer.line() or answer.line()
        if line != f"--{boundary[1]}":
            return f"no boundary: {line[:60]!r}"
        if not answer.headers()["content-range"].startswith(f"bytes {first}-{last}/"):
            return "another Content-Range"
        if not answer.same(blob, first, last):
            return "other bytes"
    end = [answer.line(), answer.line()]
    return None if end == ["", f"--{boundary[1]}--"] else f"no end: {end}"


def pull(number, port, asked, data, faults):
    is_slow = number % 4 == 0
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
            if is_slow:
                # Else the kernel takes megabytes for it. With less than two of loopback's segments it would wait for timers.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131072)
            answer = Answer(connection)
            for at, (path, wanted) in enumerate(asked):
                if is_slow and at == len(asked) // 2:
                    answer.slow_left = SLOW_BYTES
                header = f"Range: {wanted}\r\n" if wanted else ""
                connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}\r\n".encode())
                digest = path.rsplit(":", 1)[1]
                fault = checked(answer, f"{data}/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data", wanted)
                if fault:
                    return faults.append(f"pull {number}: {path} {wanted[:60]}: {fault}")
    except Exception as error:
        faults.append(f"pull {number}: {error!r}")


def main(port, pid, log, log_port, data, pulls, most):
    asked, faults = requests(log, int(log_port)), []
    if not any("," in wanted for _, wanted in asked):
        sys.exit("the log has no request for several ranges")
    threads = [threading.Thread(target=pull, args=(n, int(port), asked, data, faults)) for n in range(int(pulls))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open(f"/proc/{pid}/status") as f:
        peak = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
    ranges = sum(len(wanted.split(",")) for _, wanted in asked if wanted)
    print(f"{pulls} pulls of {len(asked)} requests with {ranges} ranges, {time.monotonic() - began:.1f} s, VmHWM {peak} KB")
    if peak > int(most):
        faults.append(f"VmHWM {peak} KB, more than {most}")
    sys.exit("\n".join(faults[:10]) or None)


if __name__ == "__main__":
    main(*sys.argv[1:])
