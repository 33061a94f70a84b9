# SPDX-License-Identifier: LGPL-2.1-or-later
"""The script that guides for GPU passthrough have their readers write, as /usr/local/bin/vfio-bind. Guests get this file, too."""

SCRIPT = """\
#!/bin/sh
modprobe vfio-pci
for dev in "$@"; do
    vendor=$(cat /sys/bus/pci/devices/$dev/vendor)
    device=$(cat /sys/bus/pci/devices/$dev/device)
    if [ -e /sys/bus/pci/devices/$dev/driver ]; then
        echo $dev > /sys/bus/pci/devices/$dev/driver/unbind
    fi
    echo $vendor $device > /sys/bus/pci/drivers/vfio-pci/new_id
done
"""
