# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# overlay FOLDER COMMANDS: has sh carry the commands out in a root that is this machine's own, with all that they write thrown away;
# they end at the first that fails. The FOLDER is /packages there. As root.

overlay() {
    # shellcheck disable=SC2016 # the inner shells'
    unshare --mount --propagation private sh -euc '
        mount -t tmpfs tmpfs /mnt
        mkdir /mnt/upper /mnt/work /mnt/root
        mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
        mkdir /mnt/root/packages
        mount --bind "$1" /mnt/root/packages
        mount -t proc proc /mnt/root/proc
        mount -t tmpfs tmpfs /mnt/root/run
        exec chroot /mnt/root sh -euxc "$2"
    ' sh "$@"
}
