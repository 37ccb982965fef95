"""known.py: small images of the kinds that public reports tell of, each a chain of its own with what it is about as its name."""
import os
import random
import subprocess
import sys
import tempfile

from rawtar import NS, Dialect, Entry
from styles import CAPABILITY, Chain, Layer

TIME = 1_700_000_000 * NS


def noise(name, size):
    return random.Random(name).randbytes(size)


def d(name, mode=0o755, **more):
    return Entry(name.encode(), "dir", mode=mode, **more)


def f(name, size=700, **more):
    return Entry(name.encode(), data=more.pop("data", None) or noise(name + str(more.pop("v", "")), size), **more)


def sym(name, to):
    return Entry(name.encode(), "symlink", link=to.encode(), mode=0o777)


def hard(name, to, **more):
    return Entry(name.encode(), "link", link=to.encode(), **more)


def wh(name):
    at, _, last = name.rpartition("/")
    return Entry((at + "/" if at else "").encode() + b".wh." + last.encode(), mode=0)


def opq(at=""):
    return Entry((at + "/" if at else "").encode() + b".wh..wh..opq", mode=0)


def gone(name, mode=0o644):
    """Overlay's own whiteout: a character device 0:0."""
    return Entry(name.encode(), "char", mode=mode)


def overlay_xattrs():
    """containers/storage#1847, moby#47962, moby#42177: overlay's own xattrs in a tar hide what lower layers have."""
    for kind in "trusted", "user":
        x = {f"{kind}.overlay.opaque": b"y"}

        def app(*more, x=x):
            dirs = [e for i in range(6) for e in [d(f"opt/app/d{i}", xattrs=x), *(f(f"opt/app/d{i}/f{j}", 9000) for j in range(4))]]
            return [d("opt"), d("opt/app", xattrs=x), *dirs, *more]
        yield f"{kind}.overlay.opaque in one layer", [[app()], [app(f("opt/app/d0/new", 9000), f("opt/app/d3/new", 50000))]]
        below = [d("a"), d("a/b"), f("a/old"), f("a/b/old"), d("c"), f("c/old")]
        yield f"{kind}.overlay.opaque above files", [[below], [below, [d("a", xattrs=x), f("a/new"), d("a/b"), f("a/b/new")]],
                                                    [below, [d("a", xattrs=x), d("c", xattrs=x)], [d("a"), f("a/newer")]]]
        for name in "redirect", "metacopy", "origin", "impure", "whiteouts":
            yield f"{kind}.overlay.{name}", [[below, [d("a", xattrs={f"{kind}.overlay.{name}": b"y"}), f("a/new")]]]
        yield f"{kind}.overlay.opaque=x", [[below, [d("a", xattrs={f"{kind}.overlay.opaque": b"x"}), f("a/new")]]]


def whiteout_devices():
    """CentOS/centos-bootc#282: a storage inside an image has character devices 0:0, which overlay takes for whiteouts."""
    yield "a whiteout device above a file", [[[d("a"), f("a/f", 9000)], [d("a"), gone("a/f")]], [[d("a"), gone("a/f"), f("a/g")]]]
    yield "a whiteout device above a directory", [[[d("a"), d("a/b"), f("a/b/f")], [gone("a/b")]]]
    yield "a file above a whiteout device", [[[d("a"), gone("a/f")], [d("a"), f("a/f")]], [[d("a"), gone("a/f")]]]
    x = {"user.overlay.opaque": b"y"}
    store = [d("s"), d("s/etc", xattrs={"trusted.overlay.opaque": b"y"}), d("s/etc/sub", xattrs=x), f("s/etc/sub/f"), gone("s/gone"), Entry(b"s/fifo", "fifo")]
    yield "a storage inside an image", [[store], [store + [f("s/etc/new")]]]


def directories():
    """jib#1270, bazel#693, distroless#75, nixpkgs#38835: directories that a layer names only by what is in them."""
    base = [d("tmp", 0o1777), d("root", 0o700), d("home"), d("home/u", 0o750, uid=1000, gid=1000), d("nix", 0o555), d("nix/store", 0o1775, gid=30000),
            *(d(f"nix/store/{i:032x}-p", 0o555) for i in range(5)), *(f(f"nix/store/{i:032x}-p/f", 9000, mode=0o444) for i in range(5))]
    add = [f("tmp/x"), f("root/.profile"), f("home/u/f", uid=1000), f("nix/store/" + "f" * 32 + "-new/bin/app", 9000), f("srv/deep/er/f")]
    yield "directories that are only implied", [[base], [base, add], [add], [base]]
    yield "a directory whose metadata change", [[[d("a"), f("a/f")]], [[d("a"), f("a/f")], [d("a", 0o700, uid=3)]], [[d("a"), f("a/f")], [f("a/g")]]]
    yield "a directory that is implied, then has an entry", [[[f("a/f")], [d("a", 0o711)]], [[d("a", 0o711)], [f("a/f")]]]
    yield "whiteouts imply directories", [[[d("a", 0o700), f("a/f"), f("a/g")], [wh("a/f")]], [[d("a", 0o700), f("a/f")], [opq("a")]]]


def setgid():
    """Directories without an entry below one with the setgid bit, which the kernel hands on to what mkdir makes."""
    base, s = [d("s"), d("s/d", 0o700, uid=7), f("s/d/f"), f("k")], d("s", 0o2775, gid=42)
    yield "implied behind its setgid parent", [[[s, f("s/d/f"), f("s/a/b/c/f")]], [[s, f("s/d/f", v=2), f("s/a/b/g")]], [[d("s"), f("s/d/f", v=2)]]]
    yield "implied before its setgid parent", [[[f("s/d/f"), s, f("s/d/g"), f("s/e/f")]], [[f("s/e/f"), s, f("s/d/g")]]]
    yield "implied above a setgid directory", [[[f("a/s/x/f"), d("a/s", 0o2775), f("a/s/y/f")]], [[f("a/s/x/f"), f("a/s/y/f")]]]
    yield "an entry behind an implied setgid directory", [[[s, f("s/d/f"), d("s/d", 0o750)]], [[s, f("s/d/f")]], [[s, f("s/d/f"), d("s/d")]]]
    yield "an entry between a setgid directory and an implied one", [[[s, d("s/d"), f("s/d/e/f")]], [[s, f("s/d/e/f")]]]
    yield "a setgid parent in another layer", [[[s], [f("s/d/f")]], [[s, f("s/d/f")]], [[f("s/d/f")], [s]], [[f("s/d/f")], [s, f("s/e/f")]]]
    yield "implied setgid above an entry", [[base, [s, f("s/d/g")]], [base, [d("s"), f("s/d/g")]], [base, [d("s/d", 0o2755)], [s, f("s/d/g")]]]
    yield "whiteouts imply setgid directories", [[base, [s, wh("s/d/f")]], [base, [s, opq("s/d")]], [base, [s, gone("s/d/f")]], [base]]
    yield "links imply setgid directories", [[[s, f("z"), hard("s/d/h", "z"), f("s/e/h"), hard("y", "s/e/h"), sym("s/g/l", "x"), sym("l", "s"), f("l/i/f")]]]
    yield "a file becomes an implied setgid directory", [[[d("s"), f("s/d")]], [[d("s"), f("s/d")], [s, f("s/d/f")]], [[s, f("s/d")]]]
    for prefix in b"", b"./", b"/":
        root = [d("", 0o2775), f("a/f"), d("b"), f("b/c/f")]
        yield f"implied below a setgid root, {prefix.decode()!r}", [[root], [root, [f("e/f")]], [[f("a/f"), f("b/c/f")]]], Dialect(prefix=prefix)


def links():
    """moby#39447 and others: what a hard link's own header says is the file's, when it comes last."""
    yield "hard links that say other things", [
        [[d("a"), f("a/f"), hard("a/g", "a/f", mode=0o4755)]], [[d("a"), f("a/f"), hard("a/g", "a/f", mode=0o755, uid=7)]],
        [[d("a"), f("a/f"), hard("a/g", "a/f", mode=0o644, xattrs={"user.x": b"1"})]], [[d("a"), f("a/f"), hard("a/g", "a/f", mtime=TIME + 5 * NS)]]]
    yield "hard links to symbolic links and devices", [[[d("a"), sym("a/s", "nowhere"), hard("a/t", "a/s"), Entry(b"a/c", "char", dev=(1, 3)), hard("a/d", "a/c")]]]
    yield "hard links by absolute names", [[[d("a"), f("a/f"), hard("a/g", "/a/f"), hard("a/h", "./a/f")]], [[d("a"), f("a/f"), hard("a/h", "./a/f")]]]
    yield "hard links and whiteouts", [[[d("a"), f("a/f"), hard("a/g", "a/f"), hard("a/h", "a/f")], [wh("a/f")]], [[d("a"), f("a/g"), hard("a/h", "a/g")]]]
    yield "a name of a linked file replaced above", [[[d("a"), f("a/f"), hard("a/g", "a/f")], [d("a"), f("a/f", v=2)]]]


def usrmerge():
    """rules_oci#857, rules_distroless#53: a directory where a lower layer has a link; entries below a link of the same tar."""
    base = [d("usr"), d("usr/lib"), f("usr/lib/libc.so.6", 3000), sym("lib", "usr/lib"), d("usr/bin"), sym("bin", "usr/bin"), f("usr/bin/sh", mode=0o755)]
    yield "a directory where the base has a link", [[base], [base, [d("lib"), f("lib/libnv.so", 3000), f("bin/tool")]], [base]]
    yield "entries below a link of the same tar", [[base + [f("lib/libnv.so")]], [base + [f("lib/libnv.so"), f("bin/tool", mode=0o4755)]]]
    yield "entries below an absolute link", [[[d("usr"), d("usr/lib"), sym("lib", "/usr/lib"), f("lib/x"), d("lib/y", 0o700), f("lib/y/z"), hard("lib/h", "usr/lib/x")]]]
    yield "a link, then a directory of that name", [[base + [d("lib"), f("lib/libnv.so")]]]
    yield "entries below links below links", [[[d("usr"), d("usr/lib"), sym("l", "lib"), sym("lib", "usr/lib"), f("l/x"), sym("l/up", "../bin"), d("usr/bin"), f("l/up/y")]]]
    yield "entries that lead out of the root", [[[d("a"), sym("a/out", "../../../.."), f("a/out/x")]]]
    yield "a whiteout below a link of the same tar", [[base, [sym("l", "usr/lib"), d("usr"), d("usr/lib"), wh("l/libc.so.6")]]]


def whiteouts():
    base = [d("d"), f("d/old"), d("d/e"), f("d/e/old"), f("x")]
    yield "a whiteout, then what it hides", [[base, [wh("d"), d("d", 0o700), f("d/new")]], [base, [wh("x"), f("x", v=2)]]]
    yield "layers without entries", [[[]], [[], [f("a")]], [[]]]
    yield "what a whiteout hides, then the whiteout", [[base, [f("x", v=2), wh("x")]]]
    yield "names of AUFS in the root and below it", [[base, [f(".wh..wh.aufs"), f("d/.wh..wh.aufs"), f("n/.wh..wh.orph")]], [base, [d("n", 0o700), f("n/.wh..wh.orph")]]]
    yield "an opaque root", [[base, [opq(), f("y")]], [base, [f("y"), opq()]]]
    yield "an opaque directory", [[base, [d("d"), opq("d"), f("d/new")]], [base, [d("d"), f("d/new"), opq("d")]], [base, [opq("d"), d("d/e")]]]
    yield "whiteouts of what is not there", [[base, [wh("d/none"), wh("none/at/all"), wh("z")]]]
    yield "a directory becomes a file, and back", [[base, [f("d")], [d("d"), f("d/back")]], [base, [f("d")]], [base]]
    yield "a whiteout below a file of a lower layer", [[base, [wh("x/y")]]]


def headers():
    odd = [d("d"), f("d/f", mtime=-1_500_000_000), f("d/" + "n" * 150, uid=3_000_000, gid=200_000_000), f("d/setuid", mode=0o6755, mtime=TIME + 1),
           f("d/cap", xattrs={"security.capability": bytes.fromhex("0100000200200000000000000000000000000000")}), Entry(b"d/c", "char", dev=(1, 3)),
           Entry(b"d/b", "block", dev=(7, 300)), Entry(b"d/p", "fifo", mode=0o600), sym("d/l", "t" * 120), f("d/\xfc"), f("d/last", 1000)]
    for form in "v7", "ustar", "gnu", "pax":
        for prefix in b"", b"./", b"/":
            yield f"{form}, names begin with {prefix.decode()!r}", [[odd], [odd + [f("d/e")]]], Dialect(form, prefix, slash=prefix != b"", base256=True)
    # umoci#436
    yield "no padding and no end", [[[d("d"), f("d/f", 5000)]]], Dialect(padding=False, end=0)
    yield "no end", [[[d("d"), f("d/f", 5000)]]], Dialect(end=0)
    for compression in "gzip", "zstd", "xz", "bzip2":
        yield f"layers in {compression}", [[[d("d"), f("d/f", 5000)]], [[d("d"), f("d/g", 5000)]]], Dialect(), compression


def bootc():
    """What `bootc container lint` looks at: an image as it wants it, one in which every lint finds something, and the first with another kernel."""
    def kernel(version):
        at = f"usr/lib/modules/{version}"
        return [d(at), f(f"{at}/vmlinuz", 90_000, mode=0o755), f(f"{at}/initramfs.img", 300_000, mode=0o600), d(f"{at}/kernel"), f(f"{at}/kernel/a.ko.zst", 9000)]

    def text(name, words):
        return f(name, data=words.encode())
    above = [d("usr"), d("usr/lib"), d("usr/lib/modules"), d("etc"), d("var"), d("var/log")]
    composefs = text("usr/lib/ostree/prepare-root.conf", "[composefs]\nenabled = yes\n")
    base = [*(d(name) for name in ("boot", "dev", "proc", "sys", "run", "sysroot")), d("tmp", 0o1777), *above, sym("ostree", "sysroot/ostree"),
            sym("var/run", "../run"), d("usr/bin"), f("usr/bin/ping", 9000, mode=0o755, xattrs={"security.capability": CAPABILITY}),
            f("usr/bin/python3", 9000, mode=0o755), hard("usr/bin/python3.13", "usr/bin/python3"), d("usr/lib/ostree"), composefs,
            d("usr/lib/bootc"), d("usr/lib/bootc/kargs.d"), text("usr/lib/bootc/kargs.d/10-console.toml", 'kargs = ["console=ttyS0"]\n'),
            d("usr/lib/sysusers.d"), text("usr/lib/sysusers.d/app.conf", 'u app 700 "App" /var/lib/app\n'),
            text("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:700:700::/var/lib/app:/bin/sh\n"), text("etc/group", "root:x:0:\napp:x:700:\n")]
    faults = [*above, d("usr/etc"), f("usr/etc/shadowed"), d("var/run"), f("var/run/lock"), *kernel("6.2.0"), wh("proc"), wh("sysroot"),
              d("ostree"), f("usr/lib/ostree/prepare-root.conf", 0), text("usr/lib/bootc/kargs.d/10-console.toml", "kargs = ["), wh("usr/lib/sysusers.d"),
              f("etc/hostname", 0), f("etc/resolv.conf", 0), f("var/log/dpkg.log"), d("var/lib"), d("var/lib/app"), f("var/lib/app/db"),
              d("boot"), f("boot/vmlinuz", 9000), d("run"), d("run/systemd"), d("run/systemd/resolve"), f("run/systemd/resolve/stub-resolv.conf"),
              d("tmp", 0o1777), f("tmp/build.log"), Entry(b"usr/lib/caf\xe9", data=noise("latin 1", 700)), Entry(b"usr/lib/l", "symlink", link=b"caf\xe9", mode=0o777)]
    yield "what bootc's lints look at", [[base, above[:3] + kernel("6.1.0")], [base, above[:3] + kernel("6.1.0"), faults], [base, above[:3] + kernel("6.1.1")]]


def corners():
    """The corner images of the real-client test, without the Debian system below."""
    def written(*args):
        with tempfile.NamedTemporaryFile() as f:
            subprocess.run([sys.executable, os.path.join(os.path.dirname(__file__), "corners.py"), args[0], f.name, *args[1:]], check=True)
            return Layer([], Dialect(), "gzip", f.read())
    versions = [[written(v), written(v, "whiteouts")] for v in ("1", "2")]
    yield from (Chain(f"corners, {' '.join(options)}", versions, None, options, keeps)
                for options, keeps in ((["--mtime", "previous"], False), (["--mtime", "keep"], True)))


def chains():
    out = list(corners())
    for kind in overlay_xattrs, whiteout_devices, directories, setgid, links, usrmerge, whiteouts, headers, bootc:
        for name, versions, *form in kind():
            dialect, compression = (form + [Dialect(), "none"][len(form):])
            number = {}
            for e in (e for v in versions for layer in v for e in layer):
                e.number = number.setdefault(id(e), len(number))
            made = [[Layer(layer, dialect, compression) for layer in v] for v in versions]
            for keeps in (False, True):
                out.append(Chain(f"{name!r}{', --mtime keep' if keeps else ''}", made, None, ["--mtime", "keep"] if keeps else [], keeps))
    return out
