// SPDX-License-Identifier: LGPL-2.1-or-later
// What people have on their hosts, each input retyped from a report, and what is made of it: golden files as
// of import_test.cpp, named field-*.
#include "import/test_host.h"

namespace vfiobind::ctl::field_test {
namespace {

using namespace importtest;

class FieldImport : public testing::TestWithParam<Host> {};

TEST_P(FieldImport, SaysWhatWasReviewed) {
    expectImport(GetParam());
}

constexpr const char* aliases = "/lib/modules/6.1.0-1/modules.alias";
constexpr const char* aliasLines = "# Aliases\n"
                                   "alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\n"
                                   "alias pci:v000010DEd*sv*sd*bc04sc03i* snd_hda_intel\n"
                                   "alias pci:v000014E4d00001657sv*sd*bc*sc*i* bnx2x\n"
                                   "alias pci:v00001000d00000072sv*sd*bc*sc*i* mpt3sas\n"
                                   "alias pci:v*d*sv*sd*bc01sc06i01* ahci\n";

INSTANTIATE_TEST_SUITE_P(
    Modprobe, FieldImport,
    testing::Values(
        Host{"field-quoted-ids",
             {{"/etc/modprobe.d/vfio.conf", "options vfio-pci ids=\"10de:1b80, 10de:10f0\"\n"}}},
        Host{"field-blank-in-ids",
             {{"/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:1b80, 10de:10f0\n"}}},
        Host{"field-ids-twice",
             {{"/etc/modprobe.d/vfio.conf",
               "options vfio-pci ids=10de:1b80\noptions vfio-pci ids=10de:10f0\n"}}},
        Host{"field-ids-in-two-files",
             {{"/etc/modprobe.d/z.conf", "options vfio-pci ids=10de:1284,10de:0e0f\n"},
              {"/etc/modprobe.d/a.conf", "options vfio-pci ids=8086:10d3\n"},
              {"/run/modprobe.d/b.conf", "options vfio-pci ids=10de:1284\n"}}},
        Host{"field-ids-on-the-command-line-too",
             {{"/etc/modprobe.d/vfio.conf", "options vfio-pci ids=8086:10d3 disable_vga=1\n"},
              {"/proc/cmdline", "quiet vfio-pci.ids=\"10de:1284, 10de:0e0f\""}}},
        Host{"field-modules-with-arguments",
             {{"/etc/modules", "vfio\nvfio_pci ids=10de:0dc4,10de:0be9\n"},
              {"/etc/modules-load.d/vfio.conf", "vfio_pci ids=10de:0dc4\r\n"}}},
        Host{"field-several-modules-on-a-line",
             {{"/etc/initramfs-tools/modules",
               "vfio vfio_iommu_type1 vfio_virqfd vfio_pci ids=10de:1c03,10de:10f1\n"}}},
        Host{"field-override-script",
             {{"/etc/modprobe.d/vfio.conf",
               "install vfio-pci /usr/local/bin/vfio-pci-override.sh\noptions vfio-pci disable_vga=1\n"},
              {"/usr/local/bin/vfio-pci-override.sh",
               "#!/bin/sh\n# not 0000:02:00.0\nDEVS=\"0000:26:00.0 0000:26:00.1\"\n"
               "if [ ! -z \"$(ls -A /sys/class/iommu)\" ]; then\n    for DEV in $DEVS; do\n"
               "        echo \"vfio-pci\" > /sys/bus/pci/devices/$DEV/driver_override\n    done\nfi\n"
               "modprobe -i vfio-pci\n"}}},
        Host{
            "field-override-script-that-searches",
            {{"/etc/modprobe.d/vfio.conf", "install vfio-pci /usr/local/bin/vfio-pci-override.sh\n"},
             {"/usr/local/bin/vfio-pci-override.sh", "#!/bin/sh\nfor i in /sys/bus/pci/devices/*/boot_vga; "
                                                     "do\n    if [ $(cat \"$i\") -eq 0 ]; then\n"
                                                     "        GPU=\"${i%/boot_vga}\"\n        echo "
                                                     "\"vfio-pci\" > \"$GPU/driver_override\"\n    fi\ndone\n"
                                                     "modprobe -i vfio-pci\n"}}},
        Host{"field-kept-off",
             {{aliases, aliasLines},
              {"/etc/modprobe.d/vfio.conf", "options vfio-pci ids=10de:1284,10de:0e0f,14e4:1657\n"},
              {"/etc/modprobe.d/off.conf",
               "install snd_hda_intel /bin/false\ninstall bnx2x /bin/true\ninstall mpt3sas /bin/true\n"
               "blacklist i915\nblacklist pcspkr\ninstall usb-storage /bin/false\n"},
              {"/proc/cmdline", "modprobe.blacklist=nouveau,floppy rd.driver.blacklist=nouveau,nvidia quiet"},
              {"/etc/default/grub", "GRUB_CMDLINE_LINUX=\"modprobe.blacklist=nouveau,floppy "
                                    "rd.driver.blacklist=nouveau,nvidia\"\n"}}},
        Host{"field-nothing-claimed",
             {{"/etc/modprobe.d/off.conf", "blacklist nouveau\nsoftdep nouveau pre: vfio-pci\n"},
              {"/etc/modules", "vfio-pci\n"},
              {"/proc/cmdline", "rd.driver.blacklist=nouveau rd.driver.pre=vfio-pci"}}}),
    testName);

constexpr const char* networkXml = R"(<network>
  <name>passthrough</name>
  <forward mode='hostdev' managed='yes'>
    <driver name='vfio'/>
    <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
  </forward>
</network>
)";
constexpr const char* pfXml = R"(<network>
  <name>vfs</name>
  <forward mode='hostdev'><pf dev='eth0'/></forward>
</network>
)";
constexpr const char* mdevXml = R"(<domain type='kvm'>
  <name>vgpu</name>
  <devices>
    <hostdev mode='subsystem' type='mdev' managed='no' model='vfio-pci'>
      <source><address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source>
    </hostdev>
  </devices>
</domain>
)";

INSTANTIATE_TEST_SUITE_P(
    Managers, FieldImport,
    testing::Values(
        Host{"field-libvirt-networks",
             {{"/etc/libvirt/qemu/networks/passthrough.xml", networkXml},
              {"/etc/libvirt/qemu/networks/vfs.xml", pfXml},
              {"/etc/libvirt/qemu/vgpu.xml", mdevXml}}},
        Host{"field-proxmox",
             {{"/etc/pve/qemu-server/100.conf",
               "# hostpci9: 0000:09:00\nname: gaming\nhostpci0: 0000:01:00,pcie=1,x-vga=1\n"
               "hostpci1: host=04:00.0;05:00.0\n\n[before]\nhostpci0: 0000:0a:00\n"},
              {"/etc/pve/qemu-server/101.conf",
               "hostpci0: mapping=nic,pcie=1\nhostpci1: 0000:00:02.0,mdev=i915-GVTg_V5_4\n"
               "hostpci2: mapping=gone\nhostpci3: nonsense\nhostpci4: 0000:82:00\n"},
              {"/etc/hostname", "pve1\n"},
              {"/etc/pve/mapping/pci.cfg", "nic\n\tdescription the network card\n\tmap "
                                           "id=8086:10d3,iommugroup=3,node=pve1,path=0000:02:00.0\n"
                                           "\tmap id=8086:10d3,iommugroup=9,node=pve2,path=0000:77:00.0\n"}}},
        Host{"field-udev",
             {{"/etc/udev/rules.d/10-vfio.rules",
               "# ATTR{driver_override}=\"vfio-pci\"\n"
               "ACTION==\"add\", SUBSYSTEM==\"pci\", KERNEL==\"0000:01:00.*\", \\\n"
               "  ATTR{driver_override}=\"vfio-pci\"\n"
               "SUBSYSTEM==\"pci\", ATTR{vendor}==\"0x8086\", ATTR{device}==\"0x10d3\", "
               "ATTR{driver_override}=\"vfio-pci\"\n"
               "SUBSYSTEM==\"pci\", ATTR{class}==\"0x0c0330\", ATTR{numa_node}==\"1\", "
               "ATTR{driver_override}=\"vfio-pci\"\n"
               "KERNEL==\"0000:04:00.0\", RUN+=\"/bin/sh -c 'echo vfio-pci > "
               "/sys/bus/pci/devices/%k/driver_override'\"\n"
               "KERNEL==\"0000:05:00.0\", ATTR{driver_override}=\"none\"\n"}}},
        Host{"field-scripts",
             {{"/etc/initramfs-tools/scripts/init-top/vfio.sh",
               "#!/bin/sh\nPREREQ=\"\"\nfor dev in 0000:01:00.0 0000:01:00.1\ndo\n"
               " echo \"vfio-pci\" > /sys/bus/pci/devices/$dev/driver_override\ndone\n"},
              {"/etc/initramfs-tools/scripts/init-top/other", "#!/bin/sh\necho 0000:02:00.0\n"},
              {"/etc/systemd/system/vfio-nic.service",
               "[Service]\nExecStart=/bin/sh -c 'echo 8086 10d3 > /sys/bus/pci/drivers/vfio-pci/new_id'\n"},
              {"/etc/libvirt/hooks/qemu.d/win10/prepare/begin/bind_vfio.sh",
               "#!/bin/bash\n# Unload all\nvirsh nodedev-detach pci_0000_04_00_0\n"}}}),
    testName);

INSTANTIATE_TEST_SUITE_P(
    CommandLine, FieldImport,
    testing::Values(Host{"field-typos",
                         {{"/proc/cmdline", "vfio-pci-ids=10de:1284 vfio-pci.id=10de:0e0f ro"}}},
                    Host{"field-pci-stub", {{"/proc/cmdline", "pci-stub.ids=10de:1284,10de:0e0f"}}},
                    Host{"field-grub",
                         {{"/proc/cmdline", "vfio-pci.ids=10de:1284,10de:0e0f"},
                          {"/usr/sbin/update-grub", ""},
                          {"/etc/default/grub", "# GRUB_CMDLINE_LINUX=\"vfio-pci.ids=1:2\"\n"
                                                "GRUB_CMDLINE_LINUX=\"not-vfio-pci.ids=1:2\"\n"},
                          {"/etc/default/grub.d/vfio.cfg", "GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_"
                                                           "DEFAULT vfio-pci.ids=10de:1284,10de:0e0f\"\n"}}},
                    Host{"field-loader-entries",
                         {{"/proc/cmdline", "vfio-pci.ids=10de:1284,10de:0e0f"},
                          {"/boot/loader/loader.conf", "default a\n"},
                          {"/boot/loader/entries/a.conf",
                           "title A\noptions root=/dev/sda1 vfio-pci.ids=10de:1284,10de:0e0f\n"}}},
                    Host{"field-cmdline-d",
                         {{"/proc/cmdline", "vfio-pci.ids=10de:1284,10de:0e0f"},
                          {"/usr/bin/mkinitcpio", ""},
                          {"/etc/cmdline.d/vfio.conf", "vfio-pci.ids=10de:1284,10de:0e0f\n"},
                          {"/etc/kernel/cmdline", "root=/dev/sda1 vfio-pci.ids=10de:1284,10de:0e0f\n"}}},
                    Host{"field-rpm-ostree",
                         {{"/proc/cmdline", "vfio-pci.ids=10de:1284,10de:0e0f"},
                          {"/usr/bin/rpm-ostree", ""},
                          {"/run/ostree-booted", ""}}},
                    Host{"field-proxmox-boot-tool",
                         {{"/proc/cmdline", "root=ZFS=rpool vfio-pci.ids=10de:1284,10de:0e0f"},
                          {"/etc/kernel/proxmox-boot-uuids", "ABCD\n"},
                          {"/etc/kernel/cmdline", "root=ZFS=rpool vfio-pci.ids=10de:1284,10de:0e0f\n"}}},
                    Host{"field-grubby",
                         {{"/proc/cmdline", "vfio-pci.ids=10de:1284,10de:0e0f modprobe.blacklist=nouveau"},
                          {"/usr/sbin/grubby", ""}}}),
    testName);

INSTANTIATE_TEST_SUITE_P(
    Files, FieldImport,
    testing::Values(Host{"field-driverctl",
                         {{"/etc/driverctl.d/pci-0000:01:00.0", "vfio-pci\r\n"},
                          {"/etc/driverctl.d/pci-0000:02:00.0", "vfio-pci \n"},
                          {"/etc/driverctl.d/pci-0000:04:00.0", "vfio-pci\"\n"},
                          {"/etc/driverctl.d/pci-0000:05:00.0", "vfio-pci\n"}}},
                    Host{
                        "field-devices-twice",
                        {{"/etc/sysconfig/vfio-bind",
                          "DEVICES=\"0000:02:00.0\"\nDEVICES=\"0000:04:00.0\"\nDEVICES+=\" 0000:05:00.0\"\n"},
                         {"/usr/local/bin/vfio-bind", "#!/bin/sh\n"}}}),
    testName);

} // namespace
} // namespace vfiobind::ctl::field_test
