#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
/usr/libexec/vfio-bind-early --initramfs >/dev/kmsg 2>&1
