// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"

#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// The group stays ours: with managed='yes' libvirt would give it to the native drivers when a VM ends.
std::string hostdev(const PassedFunction& function, bool iommufd) {
    const auto& address = function.address;
    return fmt::format("<hostdev mode='subsystem' type='pci' managed='no'>\n"
                       "{}"
                       "  <source>\n"
                       "    <address domain='0x{:04x}' bus='0x{:02x}' slot='0x{:02x}' function='0x{:x}'/>\n"
                       "  </source>\n"
                       "</hostdev>\n",
                       iommufd ? "  <driver iommufd='yes'/>\n" : "", address.domain, address.bus,
                       address.device, address.function);
}

/// What the list has without being set, and the nodes.
std::string deviceAcl(const std::vector<PassedGroup>& groups, bool iommufd) {
    std::string text = "cgroup_device_acl = [\n"
                       "    \"/dev/null\", \"/dev/full\", \"/dev/zero\",\n"
                       "    \"/dev/random\", \"/dev/urandom\",\n"
                       "    \"/dev/ptmx\", \"/dev/kvm\", \"/dev/userfaultfd\",\n"
                       "    ";
    text += iommufd ? "\"/dev/iommu\"" : "\"/dev/vfio/vfio\"";
    for (const auto& group : groups)
        for (const auto& node : nodesOf(group, iommufd))
            text += fmt::format(", \"{}\"", node);
    return text + "\n]\n";
}

} // namespace

ExportResult exportLibvirt(const ExportInput& input) {
    Exported result;
    for (const auto& group : input.groups)
        for (const auto& function : group.functions) {
            result.file += fmt::format("<!-- group {}: {:04x}:{:04x}, class {:04x} -->\n", group.number,
                                       function.vendor, function.device, function.classId);
            result.file += hostdev(function, input.iommufd);
        }
    for (const auto& variant : withVariantDriver(input.groups))
        result.notes.push_back(variant +
                               ": releases of libvirt that know only vfio-pci refuse it with managed='no'");
    if (input.iommufd)
        result.notes.emplace_back("libvirt has <driver iommufd='yes'/> since release 12.1");
    result.file +=
        "<!--\n"
        "libvirt lets a domain at the nodes of its hostdevs by itself. A domain that is given the\n"
        "devices in another way (-device in qemu:commandline) needs in /etc/libvirt/qemu.conf:\n\n" +
        deviceAcl(input.groups, input.iommufd) + "-->\n";
    return result;
}

} // namespace vfiobind::ctl
