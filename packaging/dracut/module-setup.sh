#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# dracut: vfio-bind-early before udevd, if the configuration names a device.

check() {
    require_binaries /usr/libexec/vfio-bind-early || return 1
    [ -n "$(/usr/libexec/vfio-bind-early --modules)" ] || return 255
    return 0
}

depends() {
    return 0
}

installkernel() {
    local modules
    mapfile -t modules < <(/usr/libexec/vfio-bind-early --modules)
    hostonly='' instmods "${modules[@]}"
}

install() {
    inst_multiple /usr/libexec/vfio-bind-early /sbin/modprobe
    inst_rules 70-vfio-bind.rules
    inst_multiple -o /etc/vfio-bind.toml /etc/vfio-bind.d/*.toml
    # shellcheck disable=SC2154 # dracut sets moddir
    inst_hook pre-udev 10 "$moddir/vfio-bind-early.sh"
    inst_hook initqueue/timeout 10 "$moddir/vfio-bind-give-back.sh"
}
