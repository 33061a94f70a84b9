# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for vfio-bindctl(1)

function __vfio_bindctl_targets
    set -l words (commandline -opc)
    # Over ssh the tabulator would hang for a password.
    if string match -qr -- '^(-H|--host)' $words
        return
    end
    if contains -- --session $words
        vfio-bindctl --session complete-targets 2>/dev/null
    else
        vfio-bindctl complete-targets 2>/dev/null
    end
end

set -l commands status show bind release run hold check reload watch export doctor groups metrics import verify

complete -c vfio-bindctl -f
complete -c vfio-bindctl -l json -d 'Print JSON'
# These ask no daemon.
set -l asks_daemon 'not __fish_seen_subcommand_from doctor groups metrics verify'
complete -c vfio-bindctl -n $asks_daemon -l session -d 'Use the session bus'
# A lease's descriptor does not travel to another machine.
complete -c vfio-bindctl -n "$asks_daemon; and not __fish_seen_subcommand_from run hold" -s H -l host -x -a '(__fish_print_hostnames)' -d 'Use the system bus of another machine'
complete -c vfio-bindctl -s h -l help -d 'Show help'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -l version -d 'Show the version'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands; or __fish_seen_subcommand_from status" \
    -s a -l all -d 'Also show native groups, devices in no group and files for other machines'

complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a status -d 'Show groups and devices'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a show -d 'Show everything about a target'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a bind -d 'Hand groups to VFIO'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a release -d 'Give groups back to their native drivers'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a check -d 'Say what bind would do'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a run -d 'Run a command that has groups for as long as it runs'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a hold -d 'Have groups until it is ended'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a reload -d 'Read the configuration again'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a watch -d 'Print changes as they come'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a export -d 'Print groups in the form that another program takes'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a doctor -d 'Say what stands between a target and a VM'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a groups -d 'List the IOMMU groups'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a metrics -d 'Print metrics in Prometheus\'s text format'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a import -d 'Print rules for what there is so far'
complete -c vfio-bindctl -n "not __fish_seen_subcommand_from $commands" -a verify -d 'Name every error of a configuration'

complete -c vfio-bindctl -n '__fish_seen_subcommand_from show bind release run hold check export doctor' -a '(__vfio_bindctl_targets)'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from bind release run hold check' -l allow -x \
    -a '(vfio-bindctl complete-codes 2>/dev/null)' -d 'Take a blocker on oneself'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from bind run hold check' -l driver -x -a 'auto vfio-pci pci-stub' -d 'Driver to bind'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from bind run hold check' -l method -x -a 'override new-id' -d 'How to bind'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from bind release check' -l persist -d 'Write it to /etc/vfio-bind.d/'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from run hold' -l what -x -d 'What the lease is for, shown to root and your own user'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from bind release' -l no-wait -d 'Do not wait for the jobs'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from export' -l for -x \
    -a 'qemu libvirt cloud-hypervisor docker podman kata crosvm opennebula cdi kubevirt nova proxmox incus' -d 'Program that is to have the devices'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from export' -l iommufd -d 'By the devices\' cdevs, not by their groups\' nodes'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from import' -l from -x \
    -a 'libvirt proxmox sysconfig modprobe cmdline driverctl udev initramfs scripts opennebula' -d 'Look there only'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from import' -l write -d 'Write them to /etc/vfio-bind.d/'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from import verify' -l root -x -a '(__fish_complete_directories)' -d 'Take another directory for /'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from verify' -l machine -r -F -d 'A machine that groups --json has described'
complete -c vfio-bindctl -n '__fish_seen_subcommand_from verify' -F
