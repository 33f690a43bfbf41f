"""Managers that cut their own way to a virtual router, for scripts/qemu --guard: the change has to be undone, and they are to hear of it.

Each case is a router of its own with the agent as a service runs it: at its root, with the part that talks to the network as a user
of its own. What is around it there, qemu_openwrt.py plays. All cases run at a time, because most of it is waiting.
"""
import collections
import concurrent.futures
import os
import re
import time

import qemu_machine as machine
from qemu_workbench import STEP_WAIT, Workbench, Wrong, tell

BOOT_WAIT = 600
# The shortest that the setting takes, in seconds; and the longest that it may all take on a busy machine.
TIMEOUT, UNDONE_WAIT = 60, 600
# Kernels that have VLANs and PPP, where the one for the other check has not.
KERNELS = {"x86_64": "linux-image-amd64"}
PROGRAMS = ["busybox-static", "iproute2", "nftables", "ppp", "pppoe", "python3"]
MODULES = machine.MODULES + ["veth", "8021q", "pppoe", "ppp_async", "nf_tables", "nft_chain_nat", "nft_masq"]

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
for module in $(cat /modules/order); do insmod /modules/$module || echo "cannot load $module"; done
mount -t ext4 -o ro /dev/vda /lower || echo "no disk"
mount -t tmpfs tmpfs /upper
mkdir -p /upper/upper /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work over /root || echo "no overlay"
cp -a /router/. /root/
mkdir -p /root/proc /root/sys /root/dev /root/tmp /root/var/log
ln -s /run /root/var/run
mkdir -p /root/run
for at in proc sys dev; do mount --move /$at /root/$at; done
exec switch_root /root /bin/busybox sh /boot
"""
BOOT = """export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/busybox
busybox mkdir /busybox
busybox --install -s /busybox
chown 0:0 /usr/sbin/pppd
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
ip link set lo up
echo 4 > /proc/sys/kernel/printk
python3 /qemu_openwrt.py &
until [ -S /var/run/ubus/ubus.sock ]; do sleep 1; done
cpeagent recover
while :; do
    echo "the agent starts after $(cut -d' ' -f1 /proc/uptime) s"
    cpeagent run
    sleep 1
done &
exec sh
"""
PASSWD = "root:x:0:0:root:/root:/bin/sh\ncpeagent:x:7547:7547:cpeagent:/var:/bin/false\n"
STATIC = """
config interface 'wan'
\toption device 'wan0'
\toption proto 'static'
\tlist ipaddr '10.99.0.2/24'
\toption gateway '10.99.0.1'
\tlist dns '10.99.0.1'
"""
VLAN = """
config device 'tagged'
\toption type '8021q'
\toption ifname 'wan0'
\toption vid '7'
\toption name 'wan0.7'

config interface 'wan'
\toption device 'wan0.7'
\toption proto 'static'
\tlist ipaddr '10.99.7.2/24'
\toption gateway '10.99.7.1'
\tlist dns '10.99.7.1'
"""
PPPOE = """
config interface 'wan'
\toption device 'wan0'
\toption proto 'pppoe'
\toption username 'customer'
\toption password 'right'
"""
FIREWALL = """
config zone 'zone_wan'
\toption name 'wan'
\tlist network 'wan'
\toption input 'REJECT'
\toption output 'ACCEPT'
\toption forward 'REJECT'

config rule 'quarantine'
\toption name 'Quarantine'
\toption dest 'wan'
\toption proto 'all'
\toption target 'DROP'
\toption enabled '0'
"""
# Who sets which parameter, of which type, from which value (whatever it is where None) to which; the package that is to be undone, and whether a
# ping to the host is cut, too.
Case = collections.namedtuple("Case", "network manager parameter kind right wrong package cuts")
CASES = {
    "address": Case(STATIC, "acs", r"Device\.IP\.Interface\.\d+\.IPv4Address\.\d+\.IPAddress", "string", "10.99.0.2", "10.77.0.2", "network", True),
    "VLAN": Case(VLAN, "acs", r"Device\.Ethernet\.VLANTermination\.\d+\.VLANID", "unsignedInt", "7", "8", "network", True),
    "PPP user": Case(PPPOE, "controller", r"Device\.PPP\.Interface\.\d+\.Username", "string", "customer", "custommer", "network", True),
    "firewall rule": Case(STATIC, "controller", r"Device\.Firewall\.Chain\.1\.Rule\.\d+\.Enable", "boolean", "false", "true", "firewall", True),
    "URL of the ACS": Case(STATIC, "acs", r"Device\.ManagementServer\.URL", "string", None, "http://10.0.2.2:9/", "cpeagent", False),
}


class Acs:
    """The ACS makes the change."""

    def __init__(self, bench):
        self.bench = bench

    def values(self, pattern):
        names = [name for name in self.bench.names() if re.fullmatch(pattern, name)]
        return self.bench.values(*names)

    def prepare(self, path):
        self.bench.set([("Device.DeviceInfo.ProvisioningCode", "string", "before")], key="before")
        self.bench.rpc("SetParameterAttributes", changes=[{"name": path, "notification": 2}])

    def change(self, path, case):
        self.bench.set([(path, case.kind, case.wrong)], key="wrong")
        self.informs = self.bench.device()["informs"]

    def told(self, path, right):
        """Waits until it hears of the undo; what it heard."""
        device = self.bench.inform(self.informs, UNDONE_WAIT)
        values = self.bench.values(path, "Device.ManagementServer.ParameterKey")
        if values != {path: right, "Device.ManagementServer.ParameterKey": "before"}:
            raise Wrong(f"afterwards there is {values}")
        if "4 VALUE CHANGE" not in device["events"] or "0 BOOTSTRAP" in device["events"]:
            raise Wrong(f"the ACS is told {device['events']}")
        return f"Inform with {', '.join(device['events'])}, ParameterKey as before"


class Controller:
    """The USP controller does."""

    def __init__(self, bench):
        self.bench = bench

    def _soon(self, what, seconds=STEP_WAIT):
        """Asks until there is an agent that answers and something is found."""
        until = time.monotonic() + seconds
        while True:
            try:
                found = what()
                if found:
                    return found
            except (Wrong, IndexError, OSError) as why:
                found = why
            if time.monotonic() > until:
                raise Wrong(f"no answer over USP: {found}")
            time.sleep(0.5)

    def values(self, pattern):
        found = {}
        for answer in self._soon(lambda: self.bench.request("Get", paths=["Device."])).values():
            for parent, parameters in answer["objects"].items():
                found.update({parent + name: value for name, value in parameters.items()})
        return {path: value for path, value in found.items() if re.fullmatch(pattern, path)}

    def prepare(self, path):
        self.bench.request("Add", objects={"Device.LocalAgent.Subscription.": {
            "Enable": "true", "ID": "undone", "NotifType": "ValueChange", "ReferenceList": path, "NotifRetry": "true"}})

    def change(self, path, case):
        parent, name = path.rsplit(".", 1)
        self.bench.request("Set", objects={parent + ".": {name: case.wrong}})

    def told(self, path, right):
        def heard():
            changes = [notice["notify"]["notification"].get("ValueChange", {}) for notice in self.bench.notices()]
            return [change for change in changes if change.get(path) == right]
        self._soon(heard, UNDONE_WAIT)
        self._soon(lambda: self.values(re.escape(path)) == {path: right})
        return "Notify with ValueChange"


def router(debian, program, settings, network, path):
    """The root of one router, laid over what Debian's packages hold."""
    archive = machine.Archive()
    for name in ["proc", "sys", "dev", "lower", "upper", "root"]:
        archive.folder(name)
    archive.boots(debian, MODULES, INIT)
    archive.file("router/boot", BOOT)
    archive.file("router/etc/passwd", PASSWD)
    archive.copy("router/qemu_openwrt.py", os.path.join(os.path.dirname(os.path.abspath(__file__)), "qemu_openwrt.py"))
    archive.copy("router/usr/sbin/cpeagent", program, 0o755)
    for package, text in [("cpeagent", settings), ("network", network), ("firewall", FIREWALL), ("system", "config system 'system'\n")]:
        archive.file(f"router/etc/config/{package}", text, 0o600)
    archive.link("router/bin/sh", "busybox")
    # What the root part has procd hold of the firewall goes nowhere.
    archive.file("router/bin/ubus", "#!/bin/sh\n", 0o755)
    archive.write(path)


def play(name, board, debian, program, folder):
    """One case; what it came to, in words."""
    case, label = CASES[name], re.sub(r"\W", "-", name)
    bench, guest = Workbench(machine.free_port()), None
    try:
        initrd, log = (os.path.join(folder, f"guard-{label}.{kind}") for kind in ("gz", "log"))
        settings = bench.settings(
            bench.acs_port, [("guard_timeout", TIMEOUT)], [("connection_request_enable", "0")]) + (
            "\nconfig identity 'identity'\n\toption manufacturer 'Example'\n\toption oui '001122'\n\toption serial '1'\n")
        router(debian, program, settings, case.network, initrd)
        open(log, "wb").close()
        guest = machine.Machine(machine.command(board, debian.kernel, initrd, os.path.join(folder, "guard.img"), snapshot=True), log)
        guest.printed("the agent starts", BOOT_WAIT)
        bench.inform(0, BOOT_WAIT)
        return story(case, bench, guest)
    finally:
        if guest:
            guest.cut()
        bench.process.kill()


def story(case, bench, guest):
    manager = Acs(bench) if case.manager == "acs" else Controller(bench)
    values = manager.values(case.parameter)
    found = [(path, value) for path, value in values.items() if case.right in (None, value)]
    if len(found) != 1:
        raise Wrong(f"wanted one parameter that is {case.right}, there is {values}")
    path, right = found[0]
    manager.prepare(path)
    printed = len(guest.lines)
    manager.change(path, case)
    began = time.monotonic()
    if case.cuts:
        guest.printed("way: cut", UNDONE_WAIT, printed)
    at, undone, _ = guest.printed(r"is out of reach since it changed something: undone \((.*?)\)", UNDONE_WAIT, printed)
    if undone.group(1) != case.package:
        raise Wrong(f"undone was {undone.group(1)}, not {case.package}")
    if case.cuts:
        guest.printed("way: open", UNDONE_WAIT, printed)
    heard = manager.told(path, right)
    for command, pattern in [("cpeagent status", "last undone: "), ("cpeagent audit", "undone")]:
        guest.shell(command, pattern)
    wrong = [remark for entry in bench.log() for remark in entry["remarks"]]
    if wrong:
        raise Wrong(f"the workbench remarks: {wrong[:3]}")
    return f"{path} = {case.wrong}: undone after {at - began:.0f} s; {heard}"


def check(target, board):
    if target not in KERNELS:
        tell(f"only of {', '.join(KERNELS)}")
        return 2
    debian = machine.from_debian(board, KERNELS[target], PROGRAMS)
    program, folder = machine.program(target), machine.work_folder(target)
    machine.disk(os.path.join(folder, "guard.img"), 512, debian.root)
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(len(CASES)) as pool:
        runs = {pool.submit(play, name, board, debian, program, folder): name for name in CASES}
        for done in concurrent.futures.as_completed(runs):
            try:
                tell(f"✓ wrong {runs[done]}: {done.result()}")
            except (Wrong, TimeoutError) as why:
                tell(f"✗ wrong {runs[done]}: {why}")
                wrong += 1
    return 1 if wrong else 0
