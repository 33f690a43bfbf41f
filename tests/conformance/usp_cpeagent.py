"""Adapter by which an outside conformance kit for USP starts cpeagent on a copy of a recorded router.

Command template: `sh -c '{boot}' PROGRAM {root}`. The agent ends to restart the device, and the kit starts it again; each
start is a boot of the device.
"""

from __future__ import annotations

import pathlib
import shutil
import subprocess

from uspkit.adapters.base import BaseAdapter
from uspkit.config import AgentCfg, ControllerCfg, Mtp

PROJECT = pathlib.Path(__file__).resolve().parents[2]
DEVICE = PROJECT / "tests/devices/wr4000-25.12"
PROGRAM = PROJECT / "target/debug/cpeagent"
#: A boot of the device in a folder: the kernel gives it an id of its own.
BOOT = 'cat /proc/sys/kernel/random/uuid > "$1/proc/sys/kernel/random/boot_id"; exec "$0" --root "$1" run'

#: Parameters of a Controller row by the options that hold them.
CONTROLLER_OPTIONS = {
    "PeriodicNotifInterval": "periodic_interval",
    "PeriodicNotifTime": "periodic_time",
    "USPNotifRetryMinimumWaitInterval": "retry_minimum_wait",
    "USPNotifRetryIntervalMultiplier": "retry_multiplier",
    "ControllerCode": "controller_code",
    "ProvisioningCode": "provisioning_code",
}


class Adapter(BaseAdapter):
    name = "cpeagent"
    features = {"ws-client", "ws-server", "mqtt5", "mqtt311", "tls", "client-cert", "persistence"}
    value_change_timeout = 5.0
    sync_command = ("Device.LocalAgent.Controller.1.SendOnBoardRequest()", {})

    def prepare(self, cfg: AgentCfg, workdir: pathlib.Path) -> dict[str, str]:
        root = workdir / "root"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(DEVICE, root)
        self.root, self.sections = root, []
        own = {"enable": "1", "endpoint_id": cfg.endpoint_id, "untrusted_role": "untrusted"}
        if cfg.trust_store:
            bundle = root / "etc/trust.pem"
            bundle.write_text("".join(pathlib.Path(path).read_text() for path in cfg.trust_store))
            own["ca_file"] = "/etc/trust.pem"
        if cfg.client_cert:
            shutil.copy(cfg.client_cert, root / "etc/own.pem")
            own |= {"client_cert": "/etc/own.pem", "client_key": "/etc/own.pem"}
        self.section("acs", "acs", {"enable": "0"})
        self.section("usp", "usp", own)
        self.role("full", "Everything", "rw-n", "rw-n", "rw-n", "r-xn")
        self.section("role", "untrusted", {"enable": "1", "name": "Untrusted"})
        for number, controller in enumerate(cfg.controllers, 1):
            self.controller(number, controller)
        for number, server in enumerate(cfg.servers, 1):
            self.server(f"server{number}", server)
        (root / "etc/config/cpeagent").write_text("\n".join(self.sections))
        for path, value in cfg.params.items():
            subprocess.run([PROGRAM, "--root", root, "set", f"{path}={value}"], check=True, capture_output=True)
        shutil.copytree(root / "etc/config", root / "rom/etc/config", dirs_exist_ok=True)
        return {"root": str(root), "boot": BOOT}

    def section(self, kind: str, name: str, options: dict[str, str | list[str]]) -> None:
        lines = [f"config {kind} '{name}'"]
        for option, value in options.items():
            if isinstance(value, list):
                lines += [f"\tlist {option} '{one}'" for one in value]
            else:
                lines.append(f"\toption {option} '{value}'")
        self.sections.append("\n".join(lines) + "\n")

    def role(self, name: str, title: str, param: str, obj: str, instance: str, command: str) -> None:
        self.section("role", name, {"enable": "1", "name": title})
        self.section("permission", f"{name}_all", {
            "role": name, "enable": "1", "order": "1", "target": ["Device."], "param": param, "object": obj,
            "instance": instance, "command": command})

    def controller(self, number: int, controller: ControllerCfg) -> None:
        name = f"c{number}"
        options: dict[str, str | list[str]] = {"enable": "1", "endpoint_id": controller.endpoint_id}
        if controller.full_access:
            options["role"] = ["full"]
        for param, value in controller.params.items():
            options[CONTROLLER_OPTIONS[param]] = value
        self.section("controller", name, options)
        mtp = controller.mtp
        if mtp is None:
            return
        way: dict[str, str | list[str]] = {"controller": name, "enable": "1"}
        if mtp.kind == "ws-server":
            self.server(f"{name}_port", mtp)
            return
        if mtp.kind == "ws-client":
            way |= {"protocol": "WebSocket", "host": mtp.host, "port": str(mtp.port), "path": mtp.path,
                    "encryption": flag(mtp.tls)}
            if mtp.keepalive is not None:
                way["keepalive"] = str(mtp.keepalive)
            if mtp.retry_min is not None:
                way["retry_minimum_wait"] = str(mtp.retry_min)
            if mtp.retry_mult is not None:
                way["retry_multiplier"] = str(mtp.retry_mult)
        elif mtp.kind == "mqtt":
            way |= {"protocol": "MQTT", "mtp": f"{name}_broker", "topic": mtp.controller_topic}
            self.broker(name, mtp)
        else:
            raise NotImplementedError(mtp.kind)
        self.section("controller_mtp", f"{name}_way", way)

    def broker(self, name: str, mtp: Mtp) -> None:
        own = {"enable": "1", "protocol": "MQTT", "mqtt": f"{name}_net"}
        if mtp.agent_topic is not None:
            own["response_topic"] = mtp.agent_topic
        self.section("mtp", f"{name}_broker", own)
        client = {"enable": "1", "broker": mtp.host, "port": str(mtp.port),
                  "transport": "TLS" if mtp.tls else "TCP/IP", "version": mtp.version, "client_id": mtp.client_id,
                  "username": mtp.username, "password": mtp.password}
        if mtp.keepalive is not None:
            client["keepalive"] = str(mtp.keepalive)
        if mtp.retry_min is not None:
            client["retry_time"] = str(mtp.retry_min)
        if mtp.retry_mult is not None:
            client["retry_multiplier"] = str(mtp.retry_mult)
        self.section("mqtt", f"{name}_net", {option: value for option, value in client.items() if value})
        for number, topic in enumerate(mtp.subscriptions, 1):
            self.section("mqtt_subscription", f"{name}_sub{number}",
                         {"mqtt": f"{name}_net", "enable": "1", "topic": topic})

    def server(self, name: str, mtp: Mtp) -> None:
        options = {"enable": "1", "protocol": "WebSocket", "port": str(mtp.port), "path": mtp.path,
                   "encryption": flag(mtp.tls)}
        if mtp.keepalive is not None:
            options["keepalive"] = str(mtp.keepalive)
        self.section("mtp", name, options)

    def mtp_settings(self, mtp: Mtp) -> list[tuple[str, dict[str, str]]]:
        if mtp.kind != "ws-client":
            raise NotImplementedError(mtp.kind)
        return [("MTP.", {"Enable": "true", "Protocol": "WebSocket", "WebSocket.Host": mtp.host,
                          "WebSocket.Port": str(mtp.port), "WebSocket.Path": mtp.path,
                          "WebSocket.EnableEncryption": "true" if mtp.tls else "false"})]


def flag(value: bool) -> str:
    return "1" if value else "0"
