"""read_by_index.py OLD.json NEW.json: of the layers of two images no more was sent than their indexes and package databases.
Standard input is the registry's log since then, the files are what restrata reported when it wrote the images."""

import json
import sys

# Package databases: frames of some files, and what is read ahead of them.
DATABASES = 8_000_000

index_bytes = total = 0
seen = set()
for name in sys.argv[1:]:
    for layer in json.load(open(name))["layers"]:
        if layer["digest"] in seen:
            continue
        seen.add(layer["digest"])
        total += layer["size"]
        # A layer without an index is read whole.
        index_bytes += layer["index_bytes"] if layer["chunked"] else layer["size"]
sent = requests = 0
for line in sys.stdin:
    asked = json.loads(line)
    if "/blobs/" in asked["path"]:
        sent += asked["body"]
        requests += 1
print(f"{requests} requests, {sent:,} bytes of {total:,}; indexes have {index_bytes:,}")
if requests == 0:
    sys.exit("nothing was read from the registry")
if sent > index_bytes + DATABASES:
    sys.exit("more was read than indexes and package databases")
