"""writing.py: layers as bytes, and images of them as OCI layouts and docker-archives."""
import bz2
import gzip
import hashlib
import json
import lzma
import os
import subprocess

import pack

TYPE = "application/vnd.oci.image."


def zstd(data):
    return subprocess.run(["zstd", "-cq", "-1"], input=data, capture_output=True, check=True).stdout


COMPRESS = {"none": ("", bytes), "gzip": ("+gzip", lambda data: gzip.compress(data, 1, mtime=0)), "zstd": ("+zstd", zstd),
            # No media type says these. Clients look at the bytes.
            "xz": ("", lzma.compress), "bzip2": ("", bz2.compress)}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI layout that grows by tags."""

    def __init__(self, path):
        self.path, self.manifests = path, []
        os.makedirs(f"{path}/blobs/sha256")
        with open(f"{path}/oci-layout", "w") as f:
            f.write('{"imageLayoutVersion":"1.0.0"}')

    def blob(self, data, kind):
        digest = sha256(data)
        with open(f"{self.path}/blobs/sha256/{digest}", "wb") as f:
            f.write(data)
        return {"mediaType": TYPE + kind, "digest": "sha256:" + digest, "size": len(data)}

    def add(self, tag, layers):
        """The image's ID in podman's store, which is the digest of its config."""
        descriptors, diff_ids = [], []
        for layer in layers:
            data = layer.tar()
            suffix, compress = COMPRESS[layer.compression]
            descriptors.append(self.blob(compress(data), "layer.v1.tar" + suffix))
            diff_ids.append("sha256:" + sha256(data))
        config = self.blob(json.dumps({"architecture": "amd64", "os": "linux", "config": {},
                                       "rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode(), "config.v1+json")
        manifest = {"schemaVersion": 2, "mediaType": TYPE + "manifest.v1+json", "config": config, "layers": descriptors}
        named = self.blob(json.dumps(manifest).encode(), "manifest.v1+json")
        self.manifests.append(named | {"annotations": {"org.opencontainers.image.ref.name": tag}})
        with open(f"{self.path}/index.json", "w") as f:
            json.dump({"schemaVersion": 2, "manifests": self.manifests}, f)
        return config["digest"].removeprefix("sha256:")


def archive(path, layers):
    """A docker-archive, and its image's ID."""
    files = []
    for number, layer in enumerate(layers):
        files.append(f"{path}.{number}")
        with open(files[-1], "wb") as f:
            f.write(layer.tar())
    image = pack.main(path, files)
    for file in files:
        os.remove(file)
    return image


def image_id(layout, tag):
    """The ID of an image in a layout that somebody else wrote."""
    def read(digest):
        with open(os.path.join(layout, "blobs", *digest.split(":"))) as f:
            return json.load(f)
    with open(f"{layout}/index.json") as f:
        index = json.load(f)
    found, = [m for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == tag]
    manifest = read(found["digest"])
    while "manifests" in manifest:  # The images of a pair have one config.
        manifest = read(manifest["manifests"][0]["digest"])
    return manifest["config"]["digest"].removeprefix("sha256:")
