# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine for the page: the daemon on a fake kernel and a private bus, and Cockpit's web server and bridge on it."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

TOP = pathlib.Path(__file__).resolve().parents[2]
PATIENCE = 60

# Everybody may connect and say anything: it is the daemon's own decisions that count.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <servicedir>{folder}/services</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="false"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""

# What needs the real machine's files is answered from a file of the case; the bus is asked by the real program.
CTL = """#!/bin/sh
for answer in {folder}/ctl/"$(echo "$*" | tr '/ ' '__')"; do
    if [ -e "$answer" ]; then cat "$answer"; exit 1; fi
done
exec {ctl} "$@"
"""

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """Context manager; `user` is whom the bridge runs as, `polkit` what polkit says (polkit.py), `config` the
    daemon's configuration."""

    def __init__(self, build, machine, config="", user=None, polkit=None):
        self.build = pathlib.Path(build)
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="vfio-bind-cockpit-"))
        self.folder.chmod(0o755)
        self.config = self.folder / "vfio-bind.toml"
        self.config.write_text(config)
        self.machine = machine
        self.user = user
        self.polkit = polkit
        self.children = []
        self.daemon = None

    def __enter__(self):
        try:
            self._bus()
            self._files()
            self._polkit()
            self.start_daemon()
            self._web()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- What runs

    def _run(self, command, name, **options):
        child = subprocess.Popen(command, stderr=open(self.folder / f"{name}.log", "ab"), **options)
        self.children.append(child)
        return child

    def _bus(self):
        (self.folder / "services").mkdir()
        (self.folder / "bus.conf").write_text(BUS.format(folder=self.folder))
        bus = self._run(["dbus-daemon", f"--config-file={self.folder}/bus.conf", "--nofork", "--print-address"], "bus",
                        stdout=subprocess.PIPE, text=True)
        self.address = bus.stdout.readline().strip()

    def _polkit(self):
        if self.polkit:
            child = self._run(["/usr/bin/python3", TOP / "tests/cockpit/polkit.py", self.polkit], "polkit", env=self.environment(),
                              stdout=subprocess.PIPE, text=True)
            assert child.stdout.readline() == "ready\n", "the fake polkit does not begin"

    def _files(self):
        for name in ("state", "ctl", "bin", "data/cockpit", "config/cockpit", "home", "run"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "home").chmod(0o777)
        (self.folder / "run").chmod(0o777)
        (self.folder / "data/cockpit/vfio_bind").symlink_to(TOP / "cockpit")
        # The package's condition is the installed daemon, which is not what is tried here.
        (self.folder / "config/cockpit/vfio_bind.override.json").write_text('{"conditions": null}')
        ctl = self.folder / "bin/vfio-bindctl"
        ctl.write_text(CTL.format(folder=self.folder, ctl=self.build / "ctl/vfio-bindctl"))
        ctl.chmod(0o755)
        bridge = self.folder / "bin/bridge"
        become = f"runuser -u {self.user} -- " if self.user else ""
        bridge.write_text(f"#!/bin/sh\nexec {become}env 'PATH={self.folder}/bin:{os.environ['PATH']}' cockpit-bridge\n")
        bridge.chmod(0o755)

    def environment(self):
        return {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address, "DBUS_SESSION_BUS_ADDRESS": self.address,
                "XDG_DATA_HOME": f"{self.folder}/data", "XDG_CONFIG_HOME": f"{self.folder}/config",
                "XDG_RUNTIME_DIR": f"{self.folder}/run", "HOME": f"{self.folder}/home",
                "LC_ALL": "C.UTF-8", "NO_COLOR": "1"}

    def start_daemon(self):
        file = self.folder / "machine.json"
        file.write_text(json.dumps(self.machine))
        self.daemon = self._run([self.build / "tests/bus/fake-bindd", "--config", self.config, "--state", self.folder / "state",
                                 "--machine", file], "daemon",
                                env=self.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.settle()

    def stop_daemon(self):
        self.daemon.terminate()
        self.daemon.wait(PATIENCE)

    def _web(self):
        self.port = free_port()
        self._run(["/usr/lib/cockpit/cockpit-ws", f"--local-session={self.folder}/bin/bridge", "--address", "127.0.0.1",
                   "--port", str(self.port)], "web", env=self.environment(), stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=5).read()
                return
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)

    # --- What a case does with it

    def tell(self, command):
        self.daemon.stdin.write(command + "\n")
        self.daemon.stdin.flush()
        answer = self.daemon.stdout.readline().rstrip("\n")
        if answer == "ok":
            return None
        if answer.startswith("ok "):
            return json.loads(answer[3:])
        raise RuntimeError(f"{command}: {answer or 'the daemon has ended'}")

    def settle(self):
        self.tell("settle")

    def driver(self, address):
        state = self.tell("state")[address]
        return dict(pair.split("=", 1) for pair in state.split() if "=" in pair).get("driver")

    def answer(self, arguments, value):
        """What `vfio-bindctl ARGUMENTS` prints, for what only a real machine's files could tell."""
        name = arguments.replace("/", "_").replace(" ", "_")
        (self.folder / "ctl" / name).write_text(value if isinstance(value, str) else json.dumps(value))

    def lease(self, target, what):
        """Whoever holds the group: a process, which ends with the lease."""
        return self._run([self.build / "ctl/vfio-bindctl", "hold", target, "--what", what], "lease", env=self.environment(),
                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def bus_call(self, *words):
        return subprocess.run(["busctl", f"--address={self.address}", *words], check=True, capture_output=True, text=True,
                              timeout=PATIENCE).stdout

    def exporters(self):
        table = (TOP / "ctl/export/exporters.h").read_text().split("exporters{{")[1]
        return re.findall(r'\{"([\w-]+)", "', table)

    def url(self, view=""):
        return f"http://127.0.0.1:{self.port}/cockpit/@localhost/vfio_bind/index.html#/{view}"

    def logs(self):
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in sorted(self.folder.glob("*.log")))
