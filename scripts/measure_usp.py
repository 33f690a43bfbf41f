"""The figures of USP for scripts/measure: a controller over a WebSocket and one through mosquitto, by hand and without a library."""
import base64
import hashlib
import os
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROUTER = "tests/devices/wr4000-25.12"
OWN = "self::agent"
SMALL, LARGE, COMMITS = 2000, 20, 11
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


class WebSocket:
    """The controller's end of a session that the agent opens."""

    name, words = "self::ws", "a WebSocket"

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)

    def settings(self):
        port = self.listener.getsockname()[1]
        return CONTROLLER.format("ws") + f"\toption host '127.0.0.1'\n\toption port '{port}'\n\toption path '/usp'\n\toption encryption '0'\n"

    def open(self):
        self.stream = Stream(self.listener.accept()[0])
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

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="cpeagent-measure-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        path = os.path.join(self.folder, "mosquitto.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n")
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
                f"config mqtt 'net'\n\toption enable '1'\n\toption broker '127.0.0.1'\n\toption port '{self.port}'\n")

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

def asked(peer, path, count):
    """Milliseconds of each of so many requests, one after the other."""
    times = []
    for at in range(count):
        octets = get(peer.name, f"{path}{at}", path)
        began = time.perf_counter()
        peer.send(octets)
        answer, came = peer.receive()
        times.append((came - began) * 1000)
        assert f"{path}{at}".encode() in answer, answer[:200]
    return times


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


def memory(process, name):
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
        return int(re.search(rf"^{name}:\s+(\d+)", file.read(), re.MULTILINE).group(1))


def rows(program):
    """The rows of the table; fewer where there is no mosquitto, none where the program does not speak USP."""
    with open(program, "rb") as file:
        if b"Sec-WebSocket-Protocol" not in file.read():
            return []
    peers = [WebSocket()] + ([Mqtt()] if any(map(os.path.exists, MOSQUITTO)) else [])
    root = tempfile.mkdtemp(prefix="cpeagent-measure-")
    folder = os.path.join(root, "router")
    shutil.copytree(ROUTER, folder)
    with open(os.path.join(folder, "etc/config/cpeagent"), "w", encoding="utf-8") as file:
        file.write(SETTINGS + "".join(peer.settings() for peer in peers))
    process = subprocess.Popen([program, "--root", folder, "run"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = []
    try:
        for peer in peers:
            peer.open()
        time.sleep(0.5)
        both = " and ".join(peer.words for peer in peers)
        made.append((f"USP: memory with controllers over {both}, of that heap and stacks",
                     f"{memory(process, 'VmRSS')} KiB, {memory(process, 'RssAnon')} KiB"))
        for peer in peers:
            for path, count, words in ((ONE, SMALL, "one parameter"), (ALL, LARGE, "`Device.`")):
                times = sorted(asked(peer, path, count))
                made.append((f"USP over {peer.words}: Get of {words}, median, 99th percentile, a second",
                             f"{statistics.median(times):.2f} ms, {times[int(len(times) * 0.99)]:.2f} ms, {1000 / statistics.mean(times):.0f}"))
        made.append(("USP: from a UCI commit to its Notify at the controller", f"{notified(peers[0], folder):.1f} ms"))
        made.append(("USP: memory after that, of that heap and stacks",
                     f"{memory(process, 'VmRSS')} KiB, {memory(process, 'RssAnon')} KiB"))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        for peer in peers[1:]:
            peer.stop()
        shutil.rmtree(root)
    return made
