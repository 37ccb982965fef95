#!/usr/bin/env python3
"""predicted.py CLIENT REPORT LINE: exits with 0 if a pull (a JSON line of pulled.py) moved the bytes, in the requests, that the
report of `rechunk --format json` predicts for the client: for an update if it has one, else for a first pull."""
import json
import sys


def main(client, report, line):
    if not line:
        sys.exit("there was no pull")
    with open(report) as f:
        pulls = [p for p in json.load(f)["pulls"] if p["client"] == client]
    told = next((p for p in pulls if p["from"]), pulls[0])
    pull = json.loads(line)
    if not pull["ok"]:
        sys.exit(f"the pull failed: {pull.get('error')}")
    seen, expected = [[p["blob_bytes"], p["requests"]] for p in (pull, told)]
    if seen != expected:
        sys.exit(f"expected {expected[0]} bytes in {expected[1]} requests, found {seen[0]} in {seen[1]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
