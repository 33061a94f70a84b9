#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-bind shown in a guest to somebody with no spare card: try.py --deb PATH [--config FILE] [--no-prompt]

Called by packaging/try.sh. Exit 0 only if all that the configuration names was bound.
"""

import argparse
import contextlib
import os
import pathlib
import select
import shlex
import signal
import sys
import termios
import tty

import boots
from channel import CommandFailed
from guest import CONFIG, GROUP, MANAGER, ROOT, BusError, Failed, Guest
from image import RigError
from machine import Machine

EXAMPLE = f"""\
# One rule, and it names only the graphics card. The card's audio function is in the same IOMMU group, so it goes
# to VFIO with it: a group is bound whole or not at all.
[[bind]]
name = "guest-gpu"
devices = ["{boots.GPU}"]
"""


def say(text):
    print(f"\n=== {text}", flush=True)


def show(guest, command):
    print(f"# {command}", flush=True)
    result = guest.run(command, 60, check=False)
    print((result.stdout + result.stderr).rstrip("\n"), flush=True)


def ours(guest):
    """State of every group that a rule wants: {group path: (state, why not)}."""
    found = {}
    for path, interfaces in guest.objects().items():
        group = {name: value["data"] for name, value in interfaces.get(GROUP, {}).items()}
        if group.get("Rule"):
            why = "; ".join(blocker[2] for blocker in group["Blockers"]) or group["LastError"]
            found[path] = (group["State"], why)
    return found


def bind(guest, config):
    """Carries the configuration out; True if there was something to bind and all of it is bound."""
    guest.put(CONFIG, config)
    try:
        guest.call(ROOT, MANAGER, "Reload", seconds=60)
    except BusError as error:
        print(f"the configuration was refused: {error.text}", flush=True)
        return False
    moving = ("binding", "releasing", "native")
    with contextlib.suppress(Failed):       # what is not bound then is told below
        guest.wait_until(lambda: ours(guest) and not any(state in moving for state, _ in ours(guest).values()), 60,
                         "the groups to be bound")
    groups = ours(guest)
    for path, (state, why) in groups.items():
        if state != "bound":
            print(f"group {path.rsplit('/', 1)[-1]} is {state}: {why or 'no reason is given'}", flush=True)
    if not groups:
        print("no rule of the configuration matches a device of the guest", flush=True)
    return bool(groups) and all(state == "bound" for state, _ in groups.values())


def prompt(machine):
    """The user's terminal becomes the guest's second serial console until the shell there ends."""
    size = os.get_terminal_size()
    channel = machine.console_socket()
    term = shlex.quote(os.environ.get("TERM", "vt100"))
    shell = machine.start_stream(
        "systemd-run --wait --collect --quiet -p StandardInput=tty-force -p StandardOutput=tty -p StandardError=tty "
        f"-p TTYPath=/dev/ttyS1 -E TERM={term} -E HOME=/root --working-directory=/root "
        # A serial line does not tell the size of the terminal at its other end.
        f"sh -c 'stty rows {size.lines} cols {size.columns}; exec bash -l'")
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        while not shell.ended:
            # The shell's end is not a thing to select for: look twice a second.
            ready, _, _ = select.select([sys.stdin, channel], [], [], 0.5)
            if sys.stdin in ready:
                channel.sendall(os.read(sys.stdin.fileno(), 4096))
            if channel in ready:
                data = channel.recv(4096)
                if not data:
                    break
                os.write(sys.stdout.fileno(), data)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        channel.close()


def main():
    parser = argparse.ArgumentParser(description="vfio-bind in a guest with a graphics card to give away")
    parser.add_argument("--deb", type=pathlib.Path, required=True)
    parser.add_argument("--config", type=pathlib.Path, help="your own vfio-bind.toml instead of the example")
    parser.add_argument("--no-prompt", action="store_true", help="end after the show")
    options = parser.parse_args()
    # Ended from outside, the guest and its files still go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        config = options.config.read_text(encoding="utf-8") if options.config else EXAMPLE
        package = options.deb.read_bytes()
        say("booting a Debian guest with an emulated IOMMU (half a minute without KVM)")
        with Machine(boots.BOOTS["intel"], console=True) as machine:
            guest = Guest(machine)
            say("installing the package in the guest")
            guest.install(package)
            say("before: the card 01:00.0 and its audio function 01:00.1 have their native drivers")
            show(guest, "vfio-bindctl status")
            show(guest, "lspci -k -s 01:")
            say(f"the configuration, {CONFIG}")
            print(config, end="", flush=True)
            say("vfio-bind reads it")
            bound = bind(guest, config)
            say("after")
            show(guest, "vfio-bindctl status")
            show(guest, "lspci -k -s 01:")
            say("bound" if bound else "NOT bound; the daemon's journal:")
            if not bound:
                print(guest.journal(), flush=True)
            if not options.no_prompt and sys.stdin.isatty() and sys.stdout.isatty():
                say("a root shell in the guest; `exit` ends it and the guest")
                prompt(machine)
            return 0 if bound else 1
    except (RigError, CommandFailed, Failed, BusError, OSError) as error:
        print(f"try: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
