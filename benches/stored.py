"""stored.py: of what the bytes of layers are that restrata wrote, by their TOCs."""
import chunks


class Layers:
    """Those of an OCI layout; the files of each are read once."""

    def __init__(self, layout):
        self.layout, self.read = layout, {}

    def files(self, layer):
        """Digest and bytes in the blob of each file with content; hard links are none."""
        if layer["digest"] not in self.read:
            self.read[layer["digest"]] = [(digest.removeprefix("sha256:"), size) for digest, size, _ in chunks.files(chunks.toc(self.layout, layer))]
        return self.read[layer["digest"]]

    def shares(self, layers, live):
        """Of these layers, each once: bytes of `live` contents, of further copies of these, of other contents, and of all else (headers, indexes)."""
        once, copies, dead, whole = {}, 0, 0, 0
        for layer in {layer["digest"]: layer for layer in layers}.values():
            whole += layer["size"]
            for digest, size in self.files(layer):
                if digest not in live:
                    dead += size
                else:
                    # The smallest counts as the one: a file in chunks is larger.
                    copies += max(once.get(digest, 0), size) if digest in once else 0
                    once[digest] = min(once.get(digest, size), size)
        live = sum(once.values())
        return live, copies, dead, whole - live - copies - dead
