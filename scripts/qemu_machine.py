"""A virtual router for scripts/qemu: its kernel and programs from Debian, a root of our own, and QEMU around them.

Everything is made in target/qemu; downloads are kept there, checked by apt. Nothing here knows what the router is for.
"""
import glob
import gzip
import io
import os
import re
import shutil
import socket
import subprocess
import threading
import time

CACHE = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "qemu")
# The last of Debian's releases with MIPS; all boards take theirs from it.
SUITE = "bookworm"
KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# In this order; what they need is put before them.
MODULES = ["virtio_pci", "virtio_blk", "virtio_net", "virtio_rng", "crc32c_generic", "ext4", "overlay"]
# Nothing is written to the disk but what a program asks to have there: a rename alone is not, and the kernel's own writing back is off.
MOUNT = "noauto_da_alloc,commit=300"

# OpenWrt's name: Debian's architecture and kernel, the emulator with its board, the console; for images of OpenWrt the root's disk,
# how a disk and a network card are put in, and what else starts them.
VIRTIO = (["-device", "virtio-blk-pci,drive=disk"], "virtio-net-pci,romfile=")
BOARDS = {
    "x86_64": dict(
        debian="amd64", kernel="linux-image-cloud-amd64", emulator=["qemu-system-x86_64"], console="ttyS0", root="/dev/vda2", own=VIRTIO),
    "mipsel_24kc": dict(
        debian="mipsel", kernel="linux-image-4kc-malta", emulator=["qemu-system-mipsel", "-M", "malta", "-cpu", "24Kc"], console="ttyS0",
        root="/dev/sda", own=(["-device", "ide-hd,drive=disk"], "pcnet,romfile=")),
    "aarch64_cortex-a53": dict(
        debian="arm64", kernel="linux-image-cloud-arm64", emulator=["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53"],
        console="ttyAMA0", root="/dev/vda2", own=VIRTIO, firmware="/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"),
    "arm_cortex-a7_neon-vfpv4": dict(
        debian="armhf", kernel="linux-image-armmp", emulator=["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a7"],
        console="ttyAMA0", root="/dev/vda2", own=VIRTIO),
}
# -accel kvm is faster where it works, and hangs where one virtual machine runs in another.
COMMON = ["-accel", "tcg", "-m", "256", "-display", "none", "-monitor", "none"]


def missing(board):
    """What is not there and has to be, in words; empty if all is."""
    needed = [(board["emulator"][0], "qemu-system"), ("mkfs.ext4", "e2fsprogs"), ("apt-get", "apt"), ("dpkg-deb", "dpkg")]
    absent = [package for program, package in needed if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    return absent + ([] if os.path.exists(KEYS) else ["debian-archive-keyring"])


def mirror():
    """The Debian mirror this machine uses, else everybody's."""
    for path in ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"]:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                found = re.search(r"^(?:URIs: |deb (?:\[[^\]]*\] )?)(\S*/debian)/?\s", file.read(), re.MULTILINE)
            if found:
                return found.group(1)
    return "http://deb.debian.org/debian"


class Debian:
    """What Debian packages hold, unpacked: the kernel and the programs."""

    def __init__(self, folder):
        self.folder, self.root = folder, os.path.join(folder, "root")

    @property
    def kernel(self):
        return glob.glob(os.path.join(self.folder, "kernel/boot/vmlinu[xz]-*"))[0]

    def modules(self, names):
        """(name, octets) of what has to be loaded, in that order; what is built in is left out."""
        paths = {}
        for path in glob.glob(os.path.join(self.folder, "kernel/lib/modules/*/kernel/**/*.ko*"), recursive=True):
            paths[os.path.basename(path).split(".ko")[0].replace("-", "_")] = path
        ordered = {}

        def load(name):
            if name in ordered or name not in paths:
                return
            with open(paths[name], "rb") as file:
                octets = file.read()
            needs = re.search(rb"\0depends=([^\0]*)\0", octets)
            for need in needs.group(1).decode().split(",") if needs else []:
                load(need.replace("-", "_"))
            ordered[name] = octets

        for name in names:
            load(name)
        return list(ordered.items())


def from_debian(board, kernel=None, programs=("busybox-static",)):
    """The board's kernel, or another one, and programs with what they depend on; fetched once."""
    arch, kernel = board["debian"], kernel or board["kernel"]
    folder = os.path.join(CACHE, f"{arch}-{kernel}")
    made_of, note = " ".join([kernel, *programs]), os.path.join(folder, "complete")
    if os.path.exists(note):
        with open(note, encoding="utf-8") as file:
            if file.read() == made_of:
                return Debian(folder)
    shutil.rmtree(folder, ignore_errors=True)
    state = os.path.abspath(os.path.join(folder, "apt"))
    for part in ["lists/partial", "cache/archives/partial"]:
        os.makedirs(os.path.join(state, part))
    for name, text in [("status", ""), ("sources.list", f"deb [signed-by={KEYS}] {mirror()} {SUITE} main\n")]:
        with open(os.path.join(state, name), "w", encoding="utf-8") as file:
            file.write(text)
    options = [f"APT::Architecture={arch}", f"APT::Architectures={arch}", "APT::Sandbox::User=", f"Dir::State={state}",
               f"Dir::State::status={state}/status", f"Dir::Cache={state}/cache", "Dir::Etc::sourceparts=-",
               f"Dir::Etc::sourcelist={state}/sources.list", "Acquire::Languages=none", "APT::Install-Recommends=0"]

    def apt(program, *arguments):
        command = [program, "-qq", *(word for option in options for word in ("-o", option)), *arguments]
        return subprocess.run(command, check=True, cwd=state, stdout=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"}).stdout.decode()

    print(f"· fetching {made_of} for {arch}", flush=True)
    apt("apt-get", "update")
    # What the package without a version stands for today.
    apt("apt-get", "download", re.search(r"Depends: (linux-image-\S+)", apt("apt-cache", "depends", kernel)).group(1))
    # On a system where nothing is installed: with all that they depend on.
    apt("apt-get", "install", "--yes", "--download-only", *programs)
    for packages, into in [(f"{state}/*.deb", "kernel"), (f"{state}/cache/archives/*.deb", "root")]:
        for package in glob.glob(packages):
            subprocess.run(["dpkg-deb", "-x", package, os.path.join(folder, into)], check=True)
    shutil.rmtree(state)
    with open(note, "w", encoding="utf-8") as file:
        file.write(made_of)
    return Debian(folder)


class Archive:
    """A root as the kernel unpacks it from memory: cpio in its newc form."""

    def __init__(self):
        self.out, self.known = io.BytesIO(), set()

    def _entry(self, path, mode, octets):
        name = path.strip("/").encode() + b"\0"
        numbers = [len(self.known) + 1, mode, 0, 0, 1, 0, len(octets), 0, 0, 0, 0, len(name), 0]
        self.out.write(b"070701" + b"".join(b"%08x" % number for number in numbers) + name)
        self.out.write(b"\0" * (-self.out.tell() % 4) + octets)
        self.out.write(b"\0" * (-self.out.tell() % 4))

    def folder(self, path):
        path = path.strip("/")
        if path and path not in self.known:
            self.folder(os.path.dirname(path))
            self.known.add(path)
            self._entry(path, 0o040755, b"")

    def file(self, path, octets, mode=0o644):
        self.folder(os.path.dirname(path))
        self.known.add(path.strip("/"))
        self._entry(path, 0o100000 | mode, octets if isinstance(octets, bytes) else octets.encode())

    def copy(self, path, source, mode=0o644):
        with open(source, "rb") as file:
            self.file(path, file.read(), mode)

    def boots(self, debian, modules, init):
        """Makes it a root that a kernel can start, with these modules to be loaded."""
        self.copy("bin/busybox", os.path.join(debian.root, "bin/busybox"), 0o755)
        self.file("init", init, 0o755)
        loaded = debian.modules(modules)
        self.file("modules/order", "\n".join(name for name, _ in loaded))
        for name, octets in loaded:
            self.file(f"modules/{name}", octets)

    def link(self, path, to):
        self.folder(os.path.dirname(path))
        self._entry(path, 0o120777, to.encode())

    def tree(self, path, source):
        """All below a folder of this machine."""
        for at, folders, names in os.walk(source):
            folders.sort()
            below = os.path.join(path, os.path.relpath(at, source))
            self.folder(os.path.normpath(below))
            for name in sorted(names):
                self.copy(os.path.normpath(os.path.join(below, name)), os.path.join(at, name))

    def write(self, path):
        self._entry("TRAILER!!!", 0, b"")
        with open(path, "wb") as file:
            file.write(gzip.compress(self.out.getvalue(), 1))


def disk(path, size_mib=64, holds=None):
    """A disk with a file system on it, empty or with what a folder holds."""
    with open(path, "wb") as file:
        file.truncate(size_mib << 20)
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    subprocess.run(["mkfs.ext4", "-q", "-F", *(["-d", holds] if holds else []), path], check=True, env=environment)


def work_folder(target):
    folder = os.path.join(CACHE, target)
    os.makedirs(folder, exist_ok=True)
    return folder


def program(target):
    """The agent for a target: PROGRAM, else what scripts/cross makes."""
    given = os.environ.get("PROGRAM")
    if given:
        return given
    built = subprocess.run(["scripts/cross", target], check=True, stdout=subprocess.PIPE)
    return built.stdout.decode().splitlines()[-1]


def command(board, kernel, initrd, disk, forwards=(), snapshot=False):
    """Starts the board; ports of loopback lead to ports of its. What is written to a disk of a snapshot is forgotten."""
    each = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in forwards)
    return board["emulator"] + COMMON + [
        "-kernel", kernel, "-initrd", initrd, "-append", f"console={board['console']} panic=-1 quiet",
        "-drive", f"file={disk},format=raw,if=none,id=disk,snapshot={'on' if snapshot else 'off'}",
        "-device", "virtio-blk-pci,drive=disk", "-device", "virtio-rng-pci", "-netdev", "user,id=net" + each, "-device", "virtio-net-pci,netdev=net,romfile="]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Machine:
    """One power-on: QEMU, and what it prints on its console, which is kept in a file as well."""

    def __init__(self, command, log):
        # A process group of its own, so that Ctrl-C is ours to deal with.
        self.process = subprocess.Popen(
            command + ["-serial", "stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.began = time.monotonic()
        self.lines, self.log, self.news = [], open(log, "ab"), threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            with self.news:
                self.lines.append((time.monotonic(), line.decode(errors="replace").strip("\r\n")))
                self.log.write(line)
                self.log.flush()
                self.news.notify_all()
        with self.news:
            self.lines.append((time.monotonic(), "QEMU has ended"))
            self.news.notify_all()

    def printed(self, pattern, seconds, after=0):
        """When a line was printed that the pattern is in, counted from number `after`, and what was found; waits for it."""
        until = time.monotonic() + seconds
        with self.news:
            while True:
                for number, (at, line) in enumerate(self.lines[after:], after):
                    found = re.search(pattern, line)
                    if found:
                        return at, found, number + 1
                    if line == "QEMU has ended":
                        raise TimeoutError("QEMU has ended: " + " / ".join(line for _, line in self.lines[-5:]))
                after = len(self.lines)
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no {pattern!r} on the console within {seconds} s: {self.log.name}")
                self.news.wait(left)

    def shell(self, command, pattern, seconds=30):
        """Types a command into the console's shell and finds the pattern in what it prints."""
        after = len(self.lines)
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()
        return self.printed(pattern, seconds, after)[1]

    def cut(self):
        """The power is gone: what has not reached the disk is lost."""
        self.process.kill()
        self.process.wait()


class Door:
    """A port of loopback that leads to another while it is open."""

    def __init__(self, to):
        self.to, self.lock, self.through = to, threading.Lock(), set()
        # When the first octet came.
        self.first = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def shut(self):
        """Nobody comes in, and who is inside is put out."""
        with self.lock:
            # A thread that waits in accept would keep the port.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
            for end in self.through:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # it has gone by itself

    def open(self):
        with self.lock:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def _serve(self, listener):
        while True:
            try:
                inside = listener.accept()[0]
                outside = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                return
            with self.lock:
                self.through |= {inside, outside}
            for pair in ((inside, outside), (outside, inside)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, here, there):
        try:
            while octets := here.recv(1 << 16):
                self.first = self.first or time.monotonic()
                there.sendall(octets)
        except OSError:
            pass
        for end in (here, there):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        with self.lock:
            self.through -= {here, there}
