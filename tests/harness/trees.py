"""trees.py: two trees as podman mounts them, and what may differ between them with a reason."""


def same_but_time(a, b):
    return {k: v for k, v in a.items() if k not in ("mtime", "group")} == {k: v for k, v in b.items() if k not in ("mtime", "group")}


def within(ns, span):
    return span[0] <= ns <= span[1]


def shown(e):
    """An entry without user.overlay.*, which restrata never writes: as root podman shows them as they are."""
    return e | {"xattrs": {k: v for k, v in e["xattrs"].items() if not k.startswith("user.overlay.")}} if e.get("xattrs") else e


def is_excused(names, x, y, span, both, previous):
    """May the times of these two differ? `names` are all paths of the file in the first tree.

    - A directory that no entry of the image tells of has the time at which the client made it. What rechunk writes has one of its own at
      times. (`both`: either image may be the one without an entry, where nobody says which was made from which.)
    - An entry that clients know already has the time by which they know it, unless --mtime says otherwise.
    """
    if x["type"] == "dir" and (within(x["mtime"], span) or both and within(y["mtime"], span)):
        return True
    if previous is None:
        return False
    return any(p in previous and previous[p]["mtime"] == y["mtime"] and same_but_time(previous[p], x) for p in names)


def differences(a, b, span, both=False, previous=None, times=True):
    """What differs, as (path, what, in a, in b). The root directory is left out: podman takes what an entry `/` says of it and ignores one
    that says `./`, so there is no writing it down that all clients read in the same way."""
    out, groups = [], {}
    # What overlay refuses to look at is nothing to compare.
    shut = tuple(p + "/" for p, e in a.items() if e["type"] == "refused")
    a, b = ({p: shown(e) for p, e in t.items() if not (p + "/").startswith(shut)} for t in (a, b))
    for path, e in a.items():
        groups.setdefault(e.get("group", path), []).append(path)
    for path in sorted((a.keys() | b.keys()) - {"."}):
        x, y = a.get(path), b.get(path)
        if x is None or y is None:
            out.append((path, "missing" if y is None else "unexpected", x and x["type"], y and y["type"]))
            continue
        for key in sorted(x.keys() | y.keys()):
            if x.get(key) != y.get(key) and not (key == "mtime" and (not times or is_excused(groups[x.get("group", path)], x, y, span, both, previous))):
                out.append((path, key, x.get(key), y.get(key)))
    return out
