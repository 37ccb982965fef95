"""read_by_index.py DATABASES OLD.json NEW.json: of the layers of two images no more was sent than their indexes and, for package databases,
DATABASES bytes. Standard input is the registry's log since then, the files are what restrata reported when it wrote the images."""

import json
import sys

databases = int(sys.argv[1])
index_bytes = total = 0
seen = set()
for name in sys.argv[2:]:
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
if sent > index_bytes + databases:
    sys.exit(f"that is more than the indexes and {databases:,} bytes of package databases")
