//! Owners by paths alone.

use super::*;

#[test]
fn npm_and_nix_by_path() {
    let hash = "0123456789abcdfghijklmnpqrsvwxyz";
    let nix = |rest: &str| format!("nix/store/{hash}-{rest}");
    assert_owners(
        &Owners::default(),
        &[
            ("app/node_modules", "-"),
            ("app/node_modules/react", "npm:app/node_modules/react"),
            ("app/node_modules/react/index.js", "npm:app/node_modules/react"),
            ("node_modules/a/node_modules/b/c", "npm:node_modules/a/node_modules/b"),
            ("node_modules/@types", "-"),
            ("node_modules/@types/node/x.d.ts", "npm:node_modules/@types/node"),
            ("node_modules/a/node_modules/@x", "npm:node_modules/a"),
            ("node_modules/.bin/tsc", "-"),
            ("node_modules/.package-lock.json", "-"),
            ("app/node_modules/.pnpm/react@18.2.0/node_modules/react/index.js", "npm:app/node_modules/.pnpm/react"),
            ("node_modules/.pnpm/@a+b@1.0_c@2/node_modules/@a/b/x", "npm:node_modules/.pnpm/@a/b"),
            ("node_modules/.pnpm/lock.yaml", "-"),
            (&nix("glibc-2.39-52/lib/libc.so.6"), "nix:glibc"),
            (&nix("glibc-2.39-52-bin"), "nix:glibc"),
            (&nix("python3.12-numpy-1.26/lib/node_modules/x/y"), "nix:python3.12-numpy"),
            (&nix("source"), "nix:source"),
            ("nix/store/short-glibc-2", "-"),
            ("nix/store", "-"),
        ],
    );
}

#[test]
fn kernels_by_version() {
    let owners =
        read(&[("var/lib/dpkg/info/linux-image.list", "/boot/vmlinuz-6.1\n/lib/modules/6.1/kernel/fs/ext4.ko\n")]);
    assert_owners(
        &owners,
        &[
            ("boot/vmlinuz-6.1", "dpkg:linux-image"),
            ("usr/lib/modules/6.1/kernel/fs/ext4.ko", "dpkg:linux-image"),
            ("usr/lib/modules/6.1/modules.dep", "kernel:6.1"),
            ("lib/modules/6.1-rc2+/updates/dkms/nvidia.ko", "kernel:6.1-rc2+"),
            ("usr/lib/modules/6.12.0-1.fc42.x86_64/initramfs.img", "kernel:6.12.0-1.fc42.x86_64"),
            ("boot/initramfs-6.12.0-1.fc42.x86_64.img", "kernel:6.12.0-1.fc42.x86_64"),
            ("boot/initrd.img-6.1", "kernel:6.1"),
            ("boot/grub/config-1", "-"),
            ("boot/config-old", "-"),
            ("usr/lib/modules", "-"),
            ("opt/lib/modules/6.1/x", "-"),
        ],
    );
}
