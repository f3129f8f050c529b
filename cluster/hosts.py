"""Hosts on one machine: Linux network namespaces on a bridge, each with an address and a temporary folder of its own.

What runs in one reaches the others by their addresses only, and what it writes to TMPDIR nobody else sees.
"""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NET = "10.87.0"                     # .1 is this machine's end of the bridge
BRIDGE = "mill"
HERE = f"{NET}.1"


@dataclass(frozen=True)
class Host:
    """Where processes of the cluster run: this machine itself, or a namespace of it."""

    name: str
    address: str
    namespace: str | None = None

    def command(self, command: list[str], temporary: Path) -> list[str]:
        """The command as it runs there; `temporary` is another folder on each host."""
        if self.namespace is None:
            return command
        shell = 'mount -t tmpfs tmpfs "$0" && exec "$@"'
        return ["ip", "netns", "exec", self.namespace, "unshare", "-m", "sh", "-c", shell, str(temporary), *command]


def possible() -> str | None:
    """Why this machine cannot have hosts of its own; None where it can."""
    if platform.system() != "Linux":
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "only root makes network namespaces"
    if missing := [tool for tool in ("ip", "unshare") if not shutil.which(tool)]:
        return f"{' and '.join(missing)} (iproute2, util-linux) are not installed"
    tried = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"this system does not allow it ({tried.stderr.strip()})"


def make(count: int) -> list[Host]:
    """The bridge and `count` hosts on it; `remove` must have said that there are none."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("addr", "add", f"{HERE}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    hosts = []
    for number in range(count):
        name, address = f"{BRIDGE}-{number}", f"{NET}.{10 + number}"
        _ip("netns", "add", name)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("link", "set", name, "master", BRIDGE, "up")
        for words in ("link set lo up", f"addr add {address}/24 dev eth0", "link set eth0 up"):
            _ip("-n", name, *words.split())
        hosts.append(Host(name, address, name))
    return hosts


def remove() -> bool:
    """Remove hosts and bridge. False, and all is left as it is, where processes run in one: they are another cluster's."""
    names = [line.split()[0] for line in _ip("netns", "list").splitlines() if line.startswith(f"{BRIDGE}-")]
    if any(_ip("netns", "pids", name).strip() for name in names):
        return False
    for name in names:
        _ip("netns", "del", name)
    if f" {BRIDGE}:" in _ip("-o", "link", "show", "type", "bridge"):
        _ip("link", "del", BRIDGE)
    return True


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout
