#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
/usr/libexec/vfio-bind-early >/dev/kmsg 2>&1
