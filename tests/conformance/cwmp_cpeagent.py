"""Adapter by which an outside conformance kit for CWMP starts cpeagent on a copy of a recorded router.

Options: device=NAME (a folder of tests/devices, default wr4000-25.12), program=PATH (default target/debug/cpeagent).
A restart of the device ends the agent with status 80, a reset with 81; a loop in the shell starts it again, as the
supervisor of a router would.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from cwmpkit.adapters.base import Adapter, CpeConfig, NotSupported, Profile, children_of

PROJECT = Path(__file__).resolve().parents[2]
AGAIN = 'while :; do "$@"; s=$?; case $s in 80|81) ;; *) exit $s;; esac; done'


class CpeAgent(Adapter):
    name = "cpeagent"
    boot_seconds = 10.0
    profile = Profile(
        enumeration=("Device.ManagementServer.HTTPCompression", "Disabled"),
        table="Device.NAT.PortMapping.", table_string="Description",
        table_count="Device.NAT.PortMappingNumberOfEntries",
        notify_denied="Device.DeviceInfo.UpTime", table_subobject=None)

    def prepare(self) -> None:
        self.root = self.work / "root"
        self.device = PROJECT / "tests/devices" / self.option("device", "wr4000-25.12")
        self.program = Path(self.option("program", PROJECT / "target/debug/cpeagent")).resolve()

    def provision(self, config: CpeConfig) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.device, self.root)
        lines = {
            "url": config.acs_url,
            "allow_plain_http": "1",
            "username": config.acs_user,
            "password": config.acs_password,
            "periodic_enable": "1" if config.periodic_enable else "0",
            "periodic_interval": str(config.periodic_interval),
            "connection_request_username": config.cr_user,
            "connection_request_password": config.cr_password,
            "connection_request_port": str(self.cr_port),
        }
        files = {"ca_file": config.ca_file, "client_cert": config.client_cert, "client_key": config.client_key}
        for option, path in files.items():
            if path:
                shutil.copy(path, self.root / "etc" / Path(path).name)
                lines[option] = f"/etc/{Path(path).name}"
        text = "config acs 'acs'\n" + "".join(f"\toption {name} '{value}'\n" for name, value in lines.items())
        (self.root / "etc/config/cpeagent").write_text(text)
        # What a factory reset brings back.
        shutil.copytree(self.root / "etc/config", self.root / "rom/etc/config")

    def argv(self, config: CpeConfig, boot: bool) -> list[str]:
        return ["/bin/sh", "-c", AGAIN, "sh", str(self.program), "--root", str(self.root), "run"]

    def pids(self) -> list[int]:
        return children_of(self.proc.pid) if self.running else []

    async def ask(self, **request: object) -> dict[str, object]:
        for _ in range(50):
            try:
                reader, writer = await asyncio.open_unix_connection(str(self.root / "tmp/run/cpeagent.sock"))
                break
            except OSError:
                await asyncio.sleep(0.1)
        else:
            raise NotSupported("the agent does not listen")
        writer.write(json.dumps(request).encode() + b"\n")
        line = await reader.readline()
        writer.close()
        return json.loads(line or b"{}")

    async def set_local(self, name: str, value: str) -> None:
        answer = await self.ask(set={name: value})
        if "ok" not in answer:
            raise NotSupported(f"{name}: {answer}")

    async def trigger(self, what: str) -> None:
        if what != "session":
            raise NotSupported(f"no trigger {what}")
        await self.ask(inform="")


ADAPTER = CpeAgent
