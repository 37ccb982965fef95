#!/usr/bin/env python3
"""debs.py: a real small file system from Debian packages, without root and without unpacking them to disk.

  debs.py lists RELEASE.. -- PACKAGE.. < INDEX_TARGETS
        picks for each package its highest version in the named releases and prints the arguments for `apt-get download`.
        A package may be written a|b for names that differ between releases. INDEX_TARGETS are lines
        `RELEASE FILE` as `apt-get indextargets` gives them.
  debs.py tar OUT DEB..
        writes the packages' files as one tar, with the dpkg database that an installation would leave.
"""
import io
import re
import subprocess
import sys
import tarfile


def newer(a, b):
    return a != b and subprocess.run(["dpkg", "--compare-versions", a, "gt", b]).returncode == 0


def lists(args):
    cut = args.index("--")
    releases, packages = args[:cut], args[cut + 1:]
    names = {n for p in packages for n in p.split("|")}
    best = {}
    for line in sys.stdin:
        release, file = line.split()
        if release not in releases:
            continue
        helper = subprocess.Popen(["/usr/lib/apt/apt-helper", "cat-file", file], stdout=subprocess.PIPE, text=True)
        name = None
        for field in helper.stdout:
            if field.startswith("Package: "):
                name = field[9:].strip()
            elif field.startswith("Version: ") and name in names:
                version = field[9:].strip()
                if name not in best or newer(version, best[name]):
                    best[name] = version
    for package in packages:
        name = next((n for n in package.split("|") if n in best), None)
        if name is None:
            sys.exit(f"debs.py: no package {package} in {' '.join(releases)}")
        print(f"{name}={best[name]}")


class Pack:
    """Writes one tar and remembers what is in it: packages share directories."""

    def __init__(self, out):
        self.tar = tarfile.open(out, "w", format=tarfile.PAX_FORMAT)
        self.seen = set()
        self.when = 0

    def parents(self, path):
        parts = path.split("/")[:-1]
        for i in range(1, len(parts) + 1):
            name = "/".join(parts[:i])
            if name not in self.seen:
                self.add(member(name, tarfile.DIRTYPE, 0o755, self.when))

    def add(self, info, data=None):
        info.name = info.name.removeprefix("./").rstrip("/")
        if info.name in ("", ".") or info.name in self.seen:
            return
        self.parents(info.name)
        self.seen.add(info.name)
        self.tar.addfile(info, data)

    def file(self, path, content):
        info = member(path, tarfile.REGTYPE, 0o644, self.when)
        info.size = len(content)
        self.add(info, io.BytesIO(content))


def member(path, kind, mode, when):
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime, info.uname, info.gname = kind, mode, when, "root", "root"
    return info


def add_package(pack, deb, status):
    field = dict(re.findall(r"^(\S+): (.*)$", dpkg("-f", deb).decode(), re.M))
    name = field["Package"] + (":" + field["Architecture"] if field.get("Multi-Arch") == "same" else "")
    paths = []
    with tarfile.open(fileobj=io.BytesIO(dpkg("--fsys-tarfile", deb)), mode="r:") as files:
        for info in files:
            paths.append("/" + info.name.removeprefix("./").rstrip("/"))
            # Two packages may have the same file through diversions; like dpkg without them, keep the first.
            if info.islnk():
                info.linkname = info.linkname.removeprefix("./")
            pack.when = max(pack.when, info.mtime) if info.isreg() else pack.when
            pack.add(info, files.extractfile(info) if info.isreg() else None)
    sums = subprocess.run(["dpkg-deb", "-I", deb, "md5sums"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    info = f"var/lib/dpkg/info/{name}."
    status.append(dpkg("-f", deb).decode().replace("\n", "\nStatus: install ok installed\n", 1))
    return [(info + "list", "\n".join(paths).replace("/\n", "/.\n", 1).encode() + b"\n"), (info + "md5sums", sums)]


def dpkg(*args):
    return subprocess.run(["dpkg-deb", *args], stdout=subprocess.PIPE, check=True).stdout


def write_tar(args):
    pack, status, database = Pack(args[0]), [], []
    for deb in args[1:]:
        database += add_package(pack, deb, status)
    database.append(("var/lib/dpkg/status", "\n".join(status).encode()))
    # As after a real installation, the database is younger than every file of a package.
    pack.when += 86400
    for path, content in sorted(database):
        pack.file(path, content)
    pack.tar.close()


if __name__ == "__main__":
    command = {"lists": lists, "tar": write_tar}.get(sys.argv[1] if len(sys.argv) > 1 else "")
    sys.exit(command(sys.argv[2:]) if command else __doc__)
