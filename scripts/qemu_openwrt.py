"""Plays OpenWrt around the agent of a virtual router, and the provider at the other end of its wire: for scripts/qemu --guard.

Runs in the guest, as root, before the agent. It is a ubusd to which `network.interface` (netifd) and `service` (procd) are connected; on the
agent's `config.change` it does what netifd and firewall4 do with the files: addresses and routes, VLANs, PPPoE, rules, with the real
kernel, pppd and nft. It knows no more of UCI, ubus and either daemon than that takes.

The provider is a network name space: the host behind it is reached by masquerading, PPPoE and a name server are served there.
Whenever the host comes into reach or goes out of it, a line on the console says so: "way: open", "way: cut".
"""
import os
import re
import shlex
import socket
import struct
import subprocess
import sys
import threading
import time

PROVIDER = "provider"
# The router's end of the wire, and the provider's.
WAN, ISP = "wan0", "isp0"
# The host, as QEMU has it.
HOST = "10.0.2.2"
SOCKET = "/var/run/ubus/ubus.sock"
# ubus: kinds of messages, attributes and blobmsg types that are needed; one id per object.
HELLO, STATUS, DATA, LOOKUP, INVOKE = 0, 1, 2, 4, 5
A_STATUS, A_PATH, A_ID, A_METHOD, A_TYPE, A_SIGNATURE, A_DATA = 1, 2, 3, 4, 5, 6, 7
B_ARRAY, B_TABLE, B_TEXT, B_BOOL = 1, 2, 3, 7
OBJECTS = {"network.interface": 1025, "service": 1026}
OK, NOT_FOUND = 0, 4


def run(command, **options):
    """Has a program do something; whether it went well."""
    return subprocess.run(shlex.split(command), check=False, **options).returncode == 0


def there(command):
    """The same of the provider."""
    return run(f"ip netns exec {PROVIDER} {command}")


def output(command):
    return subprocess.run(shlex.split(command), check=False, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def say(text):
    print(text, flush=True)


# UCI

def package(name):
    """The sections of a package: (type, name, options)."""
    sections = []
    try:
        with open(f"/etc/config/{name}", encoding="utf-8") as file:
            lines = [shlex.split(line, comments=True) for line in file]
    except FileNotFoundError:
        return []
    for words in filter(None, lines):
        if words[0] == "config":
            sections.append((words[1], words[2] if len(words) > 2 else "", {}))
        elif words[0] == "option":
            sections[-1][2][words[1]] = words[2]
        elif words[0] == "list":
            sections[-1][2].setdefault(words[1], []).append(words[2])
    return sections


def listed(value):
    return value if isinstance(value, list) else (value or "").split()


# netifd and firewall4

class Network:
    """The one network `wan`, as the settings want it."""

    def __init__(self):
        self.lock, self.pppd, self.wan, self.l3 = threading.RLock(), None, {}, WAN

    def apply(self):
        with self.lock:
            if self.pppd:
                self.pppd.terminate()
                self.pppd.wait()
                self.pppd = None
            sections = package("network")
            self.wan = next(options for kind, name, options in sections if (kind, name) == ("interface", "wan"))
            for link in re.findall(r"^\d+: ([^@:]+)@" + WAN, output("ip -o link show type vlan"), re.MULTILINE):
                run(f"ip link delete {link}")
            run(f"ip address flush dev {WAN}")
            run(f"ip link set {WAN} up")
            for kind, _, options in sections:
                if kind == "device" and options.get("type") == "8021q":
                    run(f"ip link add link {options['ifname']} name {options['name']} type vlan id {options['vid']}")
                    run(f"ip link set {options['name']} up")
            device = self.wan.get("device", WAN)
            if self.wan["proto"] == "static":
                self.l3 = device
                for address in listed(self.wan.get("ipaddr")):
                    run(f"ip address add {address} dev {device}")
                # Does not fit where the address is wrong.
                run(f"ip route replace default via {self.wan['gateway']} dev {device}", stderr=subprocess.DEVNULL)
            elif self.wan["proto"] == "pppoe":
                self.l3 = "pppoe-wan"
                self.pppd = subprocess.Popen(
                    ["pppd", "plugin", "rp-pppoe.so", device, "user", self.wan["username"], "password", self.wan["password"],
                     "ifname", self.l3, "noauth", "nodetach", "noipdefault", "defaultroute", "persist", "maxfail", "0", "holdoff", "5",
                     "lcp-echo-interval", "5", "lcp-echo-failure", "3"], stdout=subprocess.DEVNULL)
        self.firewall()
        say("netifd: the network is as the settings say")

    def firewall(self):
        """Rules without a source, which are about what the router itself sends."""
        rules = []
        zones = {options["name"]: listed(options.get("network")) for kind, _, options in package("firewall") if kind == "zone"}
        for kind, _, options in package("firewall"):
            if kind == "rule" and "src" not in options and options.get("enabled", "1") == "1":
                if "wan" in zones.get(options.get("dest"), []):
                    rules.append(f'oifname "{self.l3}" {options["target"].lower()}')
        text = "flush ruleset\ntable inet fw4 {\nchain output {\ntype filter hook output priority 0;\n" + "\n".join(rules) + "\n}\n}\n"
        run("nft -f -", input=text.encode())

    def dump(self):
        """What `network.interface dump` shows."""
        with self.lock:
            shown = output(f"ip -4 -o address show dev {self.l3}")
            up = "inet " in shown or (self.wan["proto"] == "static" and shown != "")
            addresses = [
                (B_TABLE, "", table(text("address", address), (B_TEXT, "mask", mask.encode() + b"\0")))
                for address, mask in re.findall(r"inet (?:\S+ peer )?([0-9.]+)/(\d+)", shown)]
            servers = [text("", server) for server in listed(self.wan.get("dns"))]
            wan = table(
                text("interface", "wan"), (B_BOOL, "up", bytes([up])), text("proto", self.wan["proto"]), text("device", self.wan.get("device", WAN)),
                text("l3_device", self.l3), (B_ARRAY, "ipv4-address", table(*addresses)), (B_ARRAY, "dns-server", table(*servers)))
        return table((B_ARRAY, "interface", table((B_TABLE, "", wan))))

    def watch(self):
        """Says when the host comes into reach and goes."""
        before = None
        while True:
            now = run(f"busybox ping -c 1 -W 2 {HOST}", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if now != before:
                say("way: open" if now else "way: cut")
                before = now
            time.sleep(1)


# ubusd

def attribute(number, octets, named=False):
    head = struct.pack(">I", (1 << 31 if named else 0) | number << 24 | len(octets) + 4)
    return head + octets + b"\0" * (-len(octets) % 4)


def table(*entries):
    """Blobmsg entries: (type, name, octets)."""
    out = b""
    for kind, name, octets in entries:
        head = struct.pack(">H", len(name)) + name.encode() + b"\0"
        out += attribute(kind, head + b"\0" * (-len(head) % 4) + octets, True)
    return out


def text(name, value):
    return (B_TEXT, name, value.encode() + b"\0")


def attributes(octets):
    """(number, octets) of each."""
    while len(octets) >= 4:
        head, = struct.unpack(">I", octets[:4])
        length = head & 0xFFFFFF
        yield head >> 24 & 0x7F, octets[4:length]
        octets = octets[length + -length % 4:]


class Bus:
    """One client of the bus."""

    def __init__(self, stream, network):
        self.stream, self.network = stream, network

    def send(self, kind, sequence, peer, *parts):
        body = b"".join(attribute(number, octets) for number, octets in parts)
        self.stream.sendall(struct.pack(">BBHI", 0, kind, sequence, peer) + attribute(0, body))

    def take(self, length):
        octets = b""
        while len(octets) < length:
            more = self.stream.recv(length - len(octets))
            if not more:
                raise ConnectionError
            octets += more
        return octets

    def serve(self):
        try:
            self.send(HELLO, 0, 1)
            while True:
                _, kind, sequence, peer, head = struct.unpack(">BBHII", self.take(12))
                asked = dict(attributes(self.take((head & 0xFFFFFF) - 4)))
                self.answer(kind, sequence, peer, asked)
        except OSError:
            self.stream.close()

    def answer(self, kind, sequence, peer, asked):
        status, path = NOT_FOUND, asked.get(A_PATH, b"").rstrip(b"\0").decode()
        number = struct.unpack(">I", asked[A_ID])[0] if A_ID in asked else 0
        if kind == LOOKUP and path in OBJECTS:
            identity = struct.pack(">I", OBJECTS[path])
            self.send(DATA, sequence, 0, (A_PATH, asked[A_PATH]), (A_ID, identity), (A_TYPE, struct.pack(">I", 1)), (A_SIGNATURE, b""))
            status = OK
        elif kind == INVOKE and number in OBJECTS.values():
            status, peer = OK, number
            if number == OBJECTS["network.interface"]:
                self.send(DATA, sequence, number, (A_ID, asked[A_ID]), (A_DATA, self.network.dump()))
            else:
                # What procd hands on; one package is named in it.
                changed = re.search(rb"package\0+(\w+)", asked.get(A_DATA, b""))
                if b"config.change" in asked.get(A_DATA, b"") and changed:
                    say(f"procd: config.change {changed.group(1).decode()}")
                    act = {b"network": self.network.apply, b"firewall": self.network.firewall}.get(changed.group(1))
                    if act:
                        threading.Thread(target=act, daemon=True).start()
        reply = [(A_STATUS, struct.pack(">I", status))]
        self.send(STATUS, sequence, peer, *reply, *([(A_ID, asked[A_ID])] if A_ID in asked else []))


# The provider

def provide():
    """The wire and what is at its other end: host, VLAN 7, PPPoE, a name server."""
    run(f"ip netns add {PROVIDER}")
    run(f"ip link add {WAN} type veth peer name {ISP}")
    for name in [ISP, "eth0"]:
        run(f"ip link set {name} netns {PROVIDER}")
    for command in [
            "ip link set lo up", "ip link set eth0 up", "ip address add 10.0.2.15/24 dev eth0", f"ip route add default via {HOST}",
            f"ip link set {ISP} up", f"ip address add 10.99.0.1/24 dev {ISP}", f"ip link add link {ISP} name {ISP}.7 type vlan id 7",
            f"ip link set {ISP}.7 up", f"ip address add 10.99.7.1/24 dev {ISP}.7", "busybox sysctl -q -w net.ipv4.ip_forward=1"]:
        if not there(command):
            say(f"provider: cannot {command}")
    rules = 'add table ip out; add chain ip out post { type nat hook postrouting priority 100; }; add rule ip out post oifname "eth0" masquerade'
    there(f"nft '{rules}'")
    with open("/etc/ppp/chap-secrets", "w", encoding="utf-8") as file:
        file.write('"customer" * "right" *\n')
    with open("/etc/ppp/pppoe-server-options", "w", encoding="utf-8") as file:
        file.write("require-chap\nnodefaultroute\nlcp-echo-interval 10\nlcp-echo-failure 2\n")
    there(f"pppoe-server -I {ISP} -L 10.99.8.1 -R 10.99.8.2 -N 4")
    subprocess.Popen(["ip", "netns", "exec", PROVIDER, sys.executable, __file__, "name-server"])


def name_server():
    """Answers any question by "refused", which is an answer."""
    port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    port.bind(("0.0.0.0", 53))
    while True:
        question, asker = port.recvfrom(512)
        if len(question) > 12:
            port.sendto(question[:2] + b"\x80\x05" + question[4:6] + b"\0" * 6 + question[12:], asker)


def main():
    if sys.argv[1:] == ["name-server"]:
        return name_server()
    provide()
    network = Network()
    network.apply()
    threading.Thread(target=network.watch, daemon=True).start()
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    # The agent is nobody.
    os.chmod(SOCKET, 0o666)
    listener.listen()
    say("ubusd: ready")
    while True:
        threading.Thread(target=Bus(listener.accept()[0], network).serve, daemon=True).start()


if __name__ == "__main__":
    main()
