#!/usr/bin/env python3
"""published.py HOST:PORT REPOSITORY TAG..: what a registry has under tags of a repository: a line `TAG DIGEST` for each that is there. Fails if
a blob of an image is not there with the size that the manifest says.

published.py HOST:PORT REPOSITORY --blobs LAYOUT: the digests of the blobs of the layout's last image that the repository does not have."""
import json
import os
import sys
import urllib.error
import urllib.request

ACCEPT = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"


def ask(method, url):
    """Status, headers and body; a 404 is an answer."""
    request = urllib.request.Request(url, method=method, headers={"Accept": ACCEPT})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return 404, error.headers, b""


def parts(manifest):
    return [manifest["config"], *manifest["layers"]]


def tags(base, names):
    for tag in names:
        status, headers, body = ask("GET", f"{base}/manifests/{tag}")
        if status == 404:
            continue
        print(tag, headers["Docker-Content-Digest"])
        for blob in parts(json.loads(body)):
            status, headers, _ = ask("HEAD", f"{base}/blobs/{blob['digest']}")
            if status != 200 or int(headers["Content-Length"]) != blob["size"]:
                sys.exit(f"{tag}: {blob['digest']} of {blob['size']} bytes: status {status}, {headers['Content-Length']} bytes")


def missing(base, layout):
    def blob(digest):
        return json.load(open(os.path.join(layout, "blobs", *digest.split(":"))))
    manifest = blob(json.load(open(os.path.join(layout, "index.json")))["manifests"][-1]["digest"])
    for part in parts(manifest):
        if ask("HEAD", f"{base}/blobs/{part['digest']}")[0] != 200:
            print(part["digest"])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    at = f"http://{sys.argv[1]}/v2/{sys.argv[2]}"
    if sys.argv[3] == "--blobs":
        missing(at, sys.argv[4])
    else:
        tags(at, sys.argv[3:])
