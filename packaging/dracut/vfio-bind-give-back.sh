#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The root file system does not appear: if the configuration named its controller, it is given back.
if [ ! -e /run/vfio-bind/root-missing ]; then
    mkdir -p /run/vfio-bind
    : >/run/vfio-bind/root-missing
    /usr/libexec/vfio-bind-early --give-back >/dev/kmsg 2>&1
fi
