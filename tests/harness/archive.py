"""archive.py: the one layer of a docker-archive that pack.py made, as a stream or entry by entry."""
import contextlib
import json
import tarfile


@contextlib.contextmanager
def layer(path):
    with tarfile.open(path, "r:") as outer:
        [image] = json.load(outer.extractfile("manifest.json"))
        # Nothing lies over anything, so that all entries show.
        [name] = image["Layers"]
        yield outer.extractfile(name)


def entries(path):
    """Each entry of the layer, and a stream of its content, if it is a file that has one."""
    with layer(path) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for info in tar:
            yield info, tar.extractfile(info) if info.isreg() and info.size else None
            tar.members.clear()
