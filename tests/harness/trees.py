"""trees.py: two trees as podman mounts them, and what may differ between them with a reason."""


def same_but_time(a, b):
    return {k: v for k, v in a.items() if k not in ("mtime", "group")} == {k: v for k, v in b.items() if k not in ("mtime", "group")}


def within(ns, span):
    return span[0] <= ns <= span[1]


def is_excused(path, x, y, span, both, previous):
    """May the times of these two differ?

    - A directory that no entry of the image tells of has the time at which the client made it. What rechunk writes has one of its own at
      times. (`both`: either image may be the one without an entry, where nobody says which was made from which.)
    - The root directory has the time of the unpacking in some layer or other.
    - An entry that clients know already has the time by which they know it, unless --mtime says otherwise.
    """
    if x["type"] == "dir" and (within(x["mtime"], span) or both and within(y["mtime"], span)):
        return True
    if previous is None:
        return False
    names = [path] + [p for p, e in previous.items() if "group" in y and e.get("group") == y["group"]]
    return any(p in previous and previous[p]["mtime"] == y["mtime"] and same_but_time(previous[p], x) for p in names)


def differences(a, b, span, both=False, previous=None):
    """What differs, as (path, what, in a, in b)."""
    out = []
    for path in sorted(a.keys() | b.keys()):
        x, y = a.get(path), b.get(path)
        if x is None or y is None:
            out.append((path, "missing" if y is None else "unexpected", x and x["type"], y and y["type"]))
            continue
        for key in sorted(x.keys() | y.keys()):
            if x.get(key) != y.get(key) and not (key == "mtime" and is_excused(path, x, y, span, both, previous)):
                out.append((path, key, x.get(key), y.get(key)))
    return out
