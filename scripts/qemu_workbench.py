"""The workbench for scripts/qemu: ACS and USP controller on this machine, asked over the interface of their page."""
import json
import os
import re
import subprocess
import time
import urllib.parse
import urllib.request

STEP_WAIT = 120
# The package `cpeagent` of a router that is managed from here; the host is where QEMU has it.
SETTINGS = """config agent 'agent'
\toption log_level 'info'
{agent}
config acs 'acs'
\toption url 'http://10.0.2.2:{acs}/'
\toption allow_plain_http '1'
\toption periodic_interval '3600'
{of_acs}
config role 'full'
\toption enable '1'

config permission 'full_all'
\toption role 'full'
\toption enable '1'
\tlist target 'Device.'
\toption param 'rwxn'
\toption object 'rwxn'
\toption instance 'rwxn'
\toption command 'rwxn'

config controller 'workbench'
\toption enable '1'
\toption endpoint_id 'self::workbench'
\tlist role 'full'

config controller_mtp 'workbench_ws'
\toption controller 'workbench'
\toption enable '1'
\toption host '10.0.2.2'
\toption port '{usp}'
\toption path '/usp'
\toption encryption '0'
"""


class Wrong(Exception):
    """Something is not as it has to be."""


class Workbench:
    """ACS and USP controller of `cpeagent workbench`, asked over the interface of their page."""

    def __init__(self, wake_port):
        subprocess.run(["cargo", "build", "--quiet", "--locked", "--all-features", "--bin", "cpeagent"], check=True)
        program = os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "debug", "cpeagent")
        self.process = subprocess.Popen(
            [program, "workbench", "--wake", f"127.0.0.1:{wake_port}"], stdout=subprocess.PIPE, start_new_session=True)
        lines = [self.process.stdout.readline().decode() for _ in range(4)]
        self.acs, self.usp, self.mqtt, self.page = (re.search(r"\S+://\S+", line).group(0) for line in lines)
        self.acs_port, self.usp_port = (urllib.parse.urlsplit(url).port for url in (self.acs, self.usp))

    def settings(self, acs_port, agent=(), of_acs=()):
        """The package `cpeagent` of a router that finds both here, with further (option, value) pairs."""
        agent, of_acs = ("".join(f"\toption {name} '{value}'\n" for name, value in pairs) for pairs in (agent, of_acs))
        return SETTINGS.format(acs=acs_port, usp=self.usp_port, agent=agent, of_acs=of_acs)

    def _ask(self, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.page.rstrip("/") + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=STEP_WAIT) as answer:
            return json.load(answer)

    def device(self):
        """The only one that has informed; None before it has."""
        return next(iter(self._ask("/api/devices")["devices"]), None)

    def agents(self):
        """Those that said hello, each with its transport."""
        return [{"agent": agent["id"], "over": agent["over"]} for agent in self._ask("/api/usp")["agents"]]

    def notices(self):
        """What agents have notified it of."""
        return self._ask("/api/usp")["notices"]

    def log(self):
        return self._ask("/api/log")["entries"]

    def rpc(self, name, **arguments):
        answer = self._ask("/api/rpc", {"device": self.device()["id"], "rpc": name, **arguments})
        if not answer["ok"]:
            raise Wrong(f"{name}: {answer['error']}")
        return answer["answer"]

    def request(self, name, **arguments):
        """Over USP."""
        answer = self._ask("/api/usp", {**self.agents()[0], "request": name, **arguments})
        if not answer["ok"]:
            raise Wrong(f"USP {name}: {answer['error']}")
        return answer["answer"]

    def wake(self):
        return self._ask("/api/wake", {"device": self.device()["id"]})

    def names(self, path="Device."):
        return [name["path"] for name in self.rpc("GetParameterNames", path=path)["names"]]

    def values(self, *paths):
        return {value["name"]: value["value"] for value in self.rpc("GetParameterValues", names=list(paths))["values"]}

    def set(self, values, key="qemu"):
        each = [{"name": name, "type": kind, "value": value} for name, kind, value in values]
        return self.rpc("SetParameterValues", values=each, key=key)["status"]

    def inform(self, after, seconds=STEP_WAIT):
        """The next Inform once there have been so many; waits for it."""
        until = time.monotonic() + seconds
        while True:
            device = self.device()
            if device and device["informs"] > after:
                return device
            if time.monotonic() > until:
                raise Wrong(f"no Inform within {seconds} s")
            time.sleep(0.1)


def tell(text):
    print(text, flush=True)
