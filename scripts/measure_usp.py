"""The figures of USP for scripts/measure: a controller over a WebSocket and one through mosquitto, by hand and without a library."""
import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import ssl
import statistics
import struct
import subprocess
import tempfile
import time

ROUTER = "tests/devices/wr4000-25.12"
OWN = "self::agent"
SMALL, LARGE, COMMITS, UNDER_WAY = 2000, 20, 11, 16
ONE, ALL = "Device.DeviceInfo.SerialNumber", "Device."
SSID = "Device.WiFi.SSID.1.SSID"
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MOSQUITTO = ("/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto")
CONTROLLER = """
config controller '{0}'
	option enable '1'
	option endpoint_id 'self::{0}'
	option onboarding_complete '1'
	list role 'full'

config controller_mtp '{0}_way'
	option controller '{0}'
	option enable '1'
"""
SETTINGS = """config agent 'agent'
	option log_level 'error'

config acs 'acs'
	option enable '0'

config usp 'usp'
	option endpoint_id 'self::agent'

config role 'full'
	option enable '1'

config permission 'full_all'
	option role 'full'
	option enable '1'
	list target 'Device.'
	option param 'rw-n'
	option object 'rw-n'
	option instance 'rw-n'
	option command 'r-xn'
"""

# Behind SETTINGS: the broker vouches for who speaks through it.
TRUST = """
config usp 'usp'
	option ca_file '/etc/ca.pem'

config certificate 'ca'
	option enable '1'
	option file '/etc/ca.pem'

config credential 'vouches'
	option enable '1'
	option certificate 'ca'
	option uses 'MTP-and-broker'
"""


# --- messages ---------------------------------------------------------------------------------------------------------------------------------------

def number(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def field(tag, content):
    content = content.encode() if isinstance(content, str) else content
    return number(tag << 3 | 2) + number(len(content)) + content


def record(sender, msg_id, kind, tag, request):
    header = field(1, msg_id) + b"\x10" + number(kind)
    message = field(1, header) + field(2, field(1, field(tag, request)))
    return field(1, "1.3") + field(2, OWN) + field(3, sender) + field(7, field(2, message))


def get(sender, msg_id, path):
    return record(sender, msg_id, 1, 1, field(1, path))


def supported(sender, msg_id):
    return record(sender, msg_id, 12, 2, field(1, ALL) + b"\x18\x01\x20\x01\x28\x01")


def subscribe(sender, msg_id):
    def setting(name, value):
        return field(2, field(1, name) + field(2, value) + b"\x18\x01")
    row = field(1, "Device.LocalAgent.Subscription.") + setting("Enable", "true") + setting("ID", "measured")
    row += setting("NotifType", "ValueChange") + setting("ReferenceList", SSID)
    return record(sender, msg_id, 8, 5, field(2, row))


# --- transports -------------------------------------------------------------------------------------------------------------------------------------

class Stream:
    """A socket and what of it has not been taken."""

    def __init__(self, stream):
        self.stream, self.buffer = stream, bytearray()
        stream.settimeout(60)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def take(self, count):
        while len(self.buffer) < count:
            data = self.stream.recv(1 << 20)
            if not data:
                raise EOFError
            self.buffer += data
        out = bytes(self.buffer[:count])
        del self.buffer[:count]
        return out

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            self.buffer += self.stream.recv(1 << 16)
        return self.take(self.buffer.index(b"\r\n\r\n") + 4)


class Authority:
    """Signs for the controller of a WebSocket and for the broker; its files are in a folder."""

    def __init__(self, folder):
        self.ca, self.key, self.leaf = (os.path.join(folder, name) for name in ("ca.pem", "key.pem", "leaf.pem"))
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        self.make("-x509", *curve, "-subj", "/CN=authority", "-keyout", self.key + ".ca", "-out", self.ca)
        names = "subjectAltName=URI:urn:bbf:usp:id:self::ws,IP:127.0.0.1"
        self.make("-x509", *curve, "-subj", "/CN=leaf", "-CA", self.ca, "-CAkey", self.key + ".ca", "-addext", names,
                  "-addext", "basicConstraints=critical,CA:FALSE", "-keyout", self.key, "-out", self.leaf)

    def make(self, *arguments):
        subprocess.run(["openssl", "req", *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.leaf, self.key)
        return context


class WebSocket:
    """The controller's end of a session that the agent opens."""

    name, words = "self::ws", "a WebSocket"

    def __init__(self, authority=None):
        self.authority = authority
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)

    def settings(self):
        port = self.listener.getsockname()[1]
        return CONTROLLER.format("ws") + f"\toption host '127.0.0.1'\n\toption port '{port}'\n\toption path '/usp'\n\toption encryption '{int(bool(self.authority))}'\n"

    def open(self):
        stream = self.listener.accept()[0]
        if self.authority:
            stream = self.authority.context().wrap_socket(stream, server_side=True)
        self.stream = Stream(stream)
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", self.stream.head()).group(1)
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.stream.stream.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept
                                   + b"\r\nSec-WebSocket-Protocol: v1.usp\r\n\r\n")
        self.receive()

    def send(self, octets):
        size = len(octets)
        head = bytes([0x82, size]) if size < 126 else b"\x82\x7e" + struct.pack(">H", size)
        self.stream.stream.sendall(head + octets)

    def receive(self):
        """The next Record, and when its last octet came."""
        while True:
            first, size = self.stream.take(2)
            size &= 0x7F
            if size >= 126:
                size = int.from_bytes(self.stream.take(2 if size == 126 else 8), "big")
            mask = self.stream.take(4)
            octets = self.stream.take(size)
            came = time.perf_counter()
            if first & 0x0F == 2:
                whole = (mask * (size // 4 + 1))[:size]
                return (int.from_bytes(octets, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big"), came


class Mqtt:
    """The controller's end at a mosquitto of its own."""

    name, words = "self::mqtt", "MQTT 5.0"

    def __init__(self, authority=None):
        self.authority = authority
        self.folder = tempfile.mkdtemp(prefix="cpeagent-measure-")
        with socket.create_server(("127.0.0.1", 0)) as free, socket.create_server(("127.0.0.1", 0)) as other:
            self.port, self.tls = free.getsockname()[1], other.getsockname()[1]
        path = os.path.join(self.folder, "mosquitto.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
            if authority:
                # The device alone is behind TLS. The broker may drop root before it reads its key.
                file.write(f"listener {self.tls} 127.0.0.1\ncertfile {authority.leaf}\nkeyfile {authority.key}\nuser root\n")
        program = next(path for path in MOSQUITTO if os.path.exists(path))
        self.broker = subprocess.Popen([program, "-c", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(200):
            try:
                self.stream = Stream(socket.create_connection(("127.0.0.1", self.port)))
                break
            except ConnectionRefusedError:
                time.sleep(0.05)
        text = struct.pack(">H", 4) + b"MQTT\x05\x02" + struct.pack(">H", 0) + b"\x00" + struct.pack(">H", 4) + b"ctrl"
        self.packet(0x10, text)
        self.answer()
        self.packet(0x82, struct.pack(">H", 1) + b"\x00" + struct.pack(">H", 11) + b"controllers" + b"\x00")
        self.answer()

    def settings(self):
        return (CONTROLLER.format("mqtt") + "\toption protocol 'MQTT'\n\toption mtp 'broker'\n\toption topic 'controllers'\n\n"
                "config mtp 'broker'\n\toption enable '1'\n\toption protocol 'MQTT'\n\toption mqtt 'net'\n\toption response_topic 'agents'\n\n"
                f"config mqtt 'net'\n\toption enable '1'\n\toption broker '127.0.0.1'\n\toption port '{self.tls if self.authority else self.port}'\n"
                f"\toption transport '{'TLS' if self.authority else 'TCP/IP'}'\n")

    def packet(self, first, content):
        self.stream.stream.sendall(bytes([first]) + number(len(content)) + content)

    def answer(self):
        first, size, shift = self.stream.take(1)[0], 0, 0
        while True:
            octet = self.stream.take(1)[0]
            size |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return first, self.stream.take(size)

    def open(self):
        self.receive()

    def send(self, octets):
        properties = b"\x08" + struct.pack(">H", 11) + b"controllers"
        self.packet(0x30, struct.pack(">H", 6) + b"agents" + number(len(properties)) + properties + octets)

    def receive(self):
        while True:
            first, content = self.answer()
            came = time.perf_counter()
            if first >> 4 == 3:
                rest = content[2 + int.from_bytes(content[:2], "big"):]
                # Properties of less than 128 octets have a length of one.
                if rest[0] >= 0x80:
                    return rest[2 + (rest[0] & 0x7F | rest[1] << 7):], came
                return rest[1 + rest[0]:], came

    def stop(self):
        self.broker.terminate()
        self.broker.wait()
        shutil.rmtree(self.folder)


# --- figures ----------------------------------------------------------------------------------------------------------------------------------------

def asked(peer, path, count, under_way=1):
    """Milliseconds of each of so many requests, so many of them under way, and how many there are in a second."""
    times, sent = [], {}
    began = time.perf_counter()
    for at in range(count + under_way):
        if at >= under_way:
            answer, came = peer.receive()
            # The links of an agent answer in the order of the questions.
            msg_id = f"{path}{at - under_way}"
            assert msg_id.encode() in answer, answer[:200]
            times.append((came - sent.pop(msg_id)) * 1000)
        if at < count:
            octets = get(peer.name, f"{path}{at}", path)
            sent[f"{path}{at}"] = time.perf_counter()
            peer.send(octets)
    return sorted(times), count / (time.perf_counter() - began)


def notified(peer, folder):
    """Milliseconds from the rename of a package to the Notify, median."""
    peer.send(subscribe(peer.name, "subscribe"))
    assert b"Device.LocalAgent.Subscription." in peer.receive()[0]
    package = os.path.join(folder, "etc/config/wireless")
    with open(package, encoding="utf-8") as file:
        text = file.read()
    waits = []
    for at in range(COMMITS):
        value = f"measured {at}"
        with open(package + ".new", "w", encoding="utf-8") as file:
            file.write(re.sub(r"(option ssid )'[^']*'", rf"\1'{value}'", text))
        # The name is one that nobody watches until it is the package's.
        began = time.perf_counter()
        os.rename(package + ".new", package)
        told, came = peer.receive()
        assert value.encode() in told, told
        waits.append((came - began) * 1000)
    return statistics.median(waits)


class Router:
    """The agent on a copy of the recorded router, with these controllers."""

    def __init__(self, program, peers, authority=None):
        self.peers, self.root = peers, tempfile.mkdtemp(prefix="cpeagent-measure-")
        self.folder = os.path.join(self.root, "router")
        shutil.copytree(ROUTER, self.folder)
        with open(os.path.join(self.folder, "etc/config/cpeagent"), "w", encoding="utf-8") as file:
            file.write(SETTINGS + (TRUST if authority else "") + "".join(peer.settings() for peer in peers))
        if authority:
            shutil.copy(authority.ca, os.path.join(self.folder, "etc/ca.pem"))
        self.process = subprocess.Popen([program, "--root", self.folder, "run"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def __enter__(self):
        for peer in self.peers:
            peer.open()
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        for peer in self.peers[1:]:
            peer.stop()
        shutil.rmtree(self.root)

    def memory(self, name):
        with open(f"/proc/{self.process.pid}/status", encoding="utf-8") as file:
            return int(re.search(rf"^{name}:\s+(\d+)", file.read(), re.MULTILINE).group(1))

    def peak(self, work):
        """The most heap and stacks while something is done: what the process grew by, beside what it had."""
        before, own = self.memory("VmRSS"), self.memory("RssAnon")
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="utf-8") as file:
            file.write("5")
        work()
        return own + max(0, self.memory("VmHWM") - before)


def speed(program, peers):
    """How fast, without TLS: what is measured is the agent."""
    made = []
    with Router(program, peers) as router:
        for peer in peers:
            for path, count, under_way, words in ((ONE, SMALL, 1, "one parameter"), (ONE, SMALL, UNDER_WAY, f"one parameter, {UNDER_WAY} under way"),
                                                  (ALL, LARGE, 1, "`Device.`"), (ALL, 2 * LARGE, UNDER_WAY, f"`Device.`, {UNDER_WAY} under way")):
                times, rate = asked(peer, path, count, under_way)
                made.append((f"USP over {peer.words}: Get of {words}, median, 99th percentile, a second",
                             f"{statistics.median(times):.2f} ms, {times[int(len(times) * 0.99)]:.2f} ms, {rate:.0f}"))
        made.append(("USP: from a UCI commit to its Notify at the controller", f"{notified(peers[0], router.folder):.1f} ms"))
    return made


def held(program, authority):
    """How much memory, with a controller over each transport, over TLS."""
    peers = [kind(authority) for kind in kinds()]
    with Router(program, peers, authority) as router:
        asked(peers[0], ONE, 50)
        words = " and ".join(f"{peer.words} with TLS" for peer in peers)
        made = [(f"USP over {words}: memory, of that heap and stacks", f"{router.memory('VmRSS')} KiB, {router.memory('RssAnon')} KiB")]
        for peer in peers:
            tops = [router.peak(lambda: asked(peer, ALL, 1))]
            peer.send(supported(peer.name, "supported"))
            tops.append(router.peak(peer.receive))
            made.append((f"USP over {peer.words} with TLS: heap and stacks at the peak of the first Get of `Device.`, of GetSupportedDM",
                         ", ".join(f"{top} KiB" for top in tops)))
        for peer in peers:
            asked(peer, ONE, SMALL, UNDER_WAY)
            asked(peer, ALL, LARGE, UNDER_WAY)
        made.append((f"USP over {words}: memory after that and {2 * LARGE} times `Device.`, of that heap and stacks",
                     f"{router.memory('VmRSS')} KiB, {router.memory('RssAnon')} KiB"))
    return made


def kinds():
    """The transports that can be measured here."""
    return [WebSocket] + ([Mqtt] if any(map(os.path.exists, MOSQUITTO)) else [])


def rows(program):
    """The rows of the table; fewer where there is no mosquitto or openssl, none where the program does not speak USP."""
    with open(program, "rb") as file:
        if b"Sec-WebSocket-Protocol" not in file.read():
            return []
    made = speed(program, [kind() for kind in kinds()])
    if shutil.which("openssl"):
        folder = tempfile.mkdtemp(prefix="cpeagent-measure-")
        os.chmod(folder, 0o755)
        made += held(program, Authority(folder))
        shutil.rmtree(folder)
    return made
