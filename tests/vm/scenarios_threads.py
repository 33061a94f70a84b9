# SPDX-License-Identifier: LGPL-2.1-or-later
"""vfio-bind-watch has a thread for each processor: looked at by ThreadSanitizer while all of them have something to do."""

from boots import HOTPLUGGED, HOTPLUGGED_ID, HOTPLUGGED_MODEL, HOTPLUG_PORTS
from guest import expect
from scenarios import scenario
from tools import named

PROGRAM = "/usr/local/bin/vfio-bind-watch-of-threads"
UNIT = "vfio-bind-watch.service"
RULE = '[[bind]]\nname = "plugged"\ndevices = ["{}"]\n'
ROUNDS = 20


@scenario("watch-under-thread-sanitizer", named=True, seconds=900)
def threads(guest):
    """The rules change while devices come and go."""
    guest.put(PROGRAM, named("VFIO_BIND_WATCH_OF_THREADS").read_bytes(), 0o755)
    guest.configure(RULE.format(HOTPLUGGED_ID))
    guest.run(f"systemctl stop {UNIT}; modprobe vmxnet3; modprobe -a vfio-pci vfio_iommu_type1", 60)
    # Where addresses are more random than it can bear, it starts itself again without.
    watch = guest.machine.start_stream(f"env TSAN_OPTIONS=halt_on_error=0:exitcode=66 {PROGRAM}")
    try:
        stream = guest.uevents()
        for number in range(ROUNDS):
            mark = stream.mark()
            guest.machine.device_add(HOTPLUGGED_MODEL, id="hp", bus=HOTPLUG_PORTS[0])
            guest.configure(RULE.format(HOTPLUGGED_ID) + f"# {number}\n" + RULE.format("8086:ffff").replace("plugged", "none"))
            stream.wait(lambda text: " bind " in text and HOTPLUGGED in text, 60, mark, f"round {number}: bind")
            guest.machine.device_del("hp")
            guest.configure(RULE.format(HOTPLUGGED_ID))
            stream.wait(lambda text: " remove " in text and HOTPLUGGED in text, 60, mark, f"round {number}: remove")
        told = [text for _, text in watch.lines]
        expect(not watch.ended, f"it ended by itself: {' | '.join(told[-5:])}")
    finally:
        if not watch.ended:
            watch.stop()
        guest.run(f"systemctl start {UNIT}", 60)
    told = [text for _, text in watch.lines]
    expect(not any("ThreadSanitizer" in text for text in told), "it told: " + " | ".join(told[:20]))
