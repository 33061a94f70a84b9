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
    # So that it can be told later whether the image is older than the configuration.
    # shellcheck disable=SC2154 # dracut sets kernel
    /usr/libexec/vfio-bind-early --taken-in "$kernel"
    local file
    # A link to /dev/null masks a file of its name, in the image too, whose /run is empty at its start.
    # shellcheck disable=SC2154 # dracut sets initdir
    for file in /etc/vfio-bind.toml /usr/lib/vfio-bind.d/*.toml /etc/vfio-bind.d/*.toml; do
        if [ "$(readlink "$file")" = /dev/null ]; then
            mkdir -p "$initdir${file%/*}"
            ln -s /dev/null "$initdir$file"
        elif [ -e "$file" ]; then
            inst_simple "$file"
        fi
    done
    # What [match] asks for, where the image is this host's.
    # shellcheck disable=SC2154 # dracut sets hostonly
    if [ -n "$hostonly" ]; then
        local fact
        for fact in hostname machine-id; do
            [ -e "/etc/$fact" ] && inst_simple "/etc/$fact" "/usr/lib/vfio-bind/host/$fact"
        done
    fi
    # shellcheck disable=SC2154 # dracut sets moddir
    inst_hook pre-udev 10 "$moddir/vfio-bind-early.sh"
    inst_hook initqueue/timeout 10 "$moddir/vfio-bind-give-back.sh"
}
