// SPDX-License-Identifier: LGPL-2.1-or-later
#include "export/exporters.h"
#include "pci/ids.h"

#include <fmt/format.h>
#include <set>

namespace vfiobind::ctl {
namespace {

std::string list(std::string_view key, const std::set<std::string>& values) {
    std::string text = fmt::format(":{}:\n", key);
    for (const auto& value : values)
        text += fmt::format("  - '{}'\n", value);
    return text;
}

/// As lspci prints it where there is one domain.
std::string addressOfOpenNebula(const Address& address) {
    return fmt::format("{:02x}:{:02x}.{:x}", address.bus, address.device, address.function);
}

} // namespace

/// The probe of a host, pci.rb, lists with lspci -d what the filters match, and then keeps what has one of
/// the addresses.
ExportResult exportOpennebula(const ExportInput& input) {
    Exported result;
    std::set<std::string> filters;
    std::set<std::string> addresses;
    bool anyNvidia = false;
    for (const auto& group : input.groups)
        for (const auto& function : group.functions) {
            const auto& address = function.address;
            filters.insert(
                fmt::format("{:04x}:{:04x}:{:04x}", function.vendor, function.device, function.classId));
            addresses.insert(addressOfOpenNebula(address));
            anyNvidia = anyNvidia || function.vendor == pcivendor::nvidia;
            if (address.domain != 0)
                return std::unexpected(
                    fmt::format("{} is not in domain 0000, the only one that OpenNebula's probe knows: it "
                                "would be taken for {}",
                                address.str(), addressOfOpenNebula(address)));
        }
    result.file =
        "# In /var/lib/one/remotes/etc/im/kvm-probes.d/pci.conf of the front-end, then: onehost sync "
        "--force\n"
        "# The addresses are those of this host; the file is for all hosts.\n" +
        list("filter", filters) + list("short_address", addresses);
    if (anyNvidia)
        result.file += "# The whole card goes to a VM, not a part of it (vGPU).\n:nvidia_vendors: []\n";
    return result;
}

} // namespace vfiobind::ctl
