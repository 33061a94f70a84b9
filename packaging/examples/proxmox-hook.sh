#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# For Proxmox VE: the groups of the rule vm-VMID, or of the rules named in RULES, are leased for as long as the VM runs.
#
#     cp proxmox-hook.sh /var/lib/vz/snippets/vfio-bind && chmod +x /var/lib/vz/snippets/vfio-bind
#     qm set 100 --hookscript local:snippets/vfio-bind
#
# Proxmox calls it with the VM's number and the phase; pre-start and post-stop are those that matter.
set -e
RULES=${RULES:-vm-$1}

case $2 in
    pre-start) verb=start ;;
    post-stop) verb=stop ;;
    *) exit 0 ;;
esac

for rule in $RULES; do
    if ! systemctl "$verb" "vfio-bind@$rule.service"; then
        systemctl show --property=StatusText --value "vfio-bind@$rule.service" >&2
        exit 1
    fi
done
