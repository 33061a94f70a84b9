# SPDX-License-Identifier: LGPL-2.1-or-later
"""What QEMU is told: QMP commands, hotplug, migration."""

import json
import re

from channel import CommandFailed
from image import RigError


class Monitor:
    """Our end of QMP. Whoever has it connects it, and tells by need_alive() if QEMU is over."""

    def __init__(self):
        self.qmp_file = None
        self.qmp_events = []

    def greet(self, connection):
        connection.settimeout(60)
        self.qmp_file = connection.makefile("rw", encoding="utf-8")
        self.qmp_file.readline()  # the greeting
        self.qmp("qmp_capabilities")

    def qmp(self, command, **arguments):
        self.qmp_file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.qmp_file.flush()
        while True:
            message = self._qmp_read(command)
            if "event" in message:
                self.qmp_events.append(message)
            elif "error" in message:
                raise CommandFailed(f"QMP {command}: {message['error']['desc']}")
            else:
                return message["return"]

    def _qmp_read(self, what):
        try:
            line = self.qmp_file.readline()
        except TimeoutError as error:
            raise CommandFailed(f"QMP: no answer in 60 s ({what})") from error
        if not line:
            self.need_alive()
            raise CommandFailed("QMP: the connection was closed")
        return json.loads(line)

    def human(self, line):
        """A command of the monitor for people, for what has no other; its answer."""
        return self.qmp("human-monitor-command", **{"command-line": line})

    def forward(self, port):
        """A port of 127.0.0.1 that leads to the guest's, where the boot has the network `lan`; its number."""
        if said := self.human(f"hostfwd_add lan tcp:127.0.0.1:0-:{port}").strip():
            raise RigError(f"QEMU forwards no port to the guest's {port}: {said}")
        listed = self.human("info usernet")
        found = re.search(rf"HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+{port}\s", listed)
        if not found:
            raise RigError(f"QEMU does not tell which port leads to the guest's {port}: {listed}")
        return int(found.group(1))

    def device_add(self, driver, **properties):
        self.qmp("device_add", driver=driver, **properties)

    def device_del(self, ident):
        """Unplug, and wait until the guest has let go."""
        self.qmp_events.clear()
        self.qmp("device_del", id=ident)
        while True:
            for event in self.qmp_events:
                if event["event"] == "DEVICE_DELETED" and event["data"].get("device") == ident:
                    return
            message = self._qmp_read(f"unplugging {ident}")
            if "event" in message:
                self.qmp_events.append(message)

    def migrate(self, command, uri):
        """Memory and devices to or from a file; waits for the end."""
        self.qmp("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])
        self.qmp_events.clear()
        self.qmp(command, uri=uri)
        while True:
            for event in self.qmp_events:
                if event["event"] == "MIGRATION" and event["data"]["status"] == "completed":
                    return
                if event["event"] == "MIGRATION" and event["data"]["status"] == "failed":
                    why = self.qmp("query-migrate").get("error-desc", "QEMU does not say why")
                    raise RigError(f"QMP {command} {uri} failed: {why}")
            message = self._qmp_read(command)
            if "event" in message:
                self.qmp_events.append(message)
