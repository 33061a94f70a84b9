// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/pci_conf.h"
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <optional>
#include <regex>

namespace vfiobind::ctl {
namespace {

constexpr const char* leftOut = "; it is left out";

struct Filter {
    std::optional<IdPattern> id; ///< none: every device
    Place place;
};

/// lspci(8) pads vendor and device with zeros; 0:0, which the file has by default, is then no device at all.
std::string padded(std::string_view text) {
    std::string out;
    std::size_t field = 0;
    for (const auto part : split(text, ':')) {
        std::string digits{part};
        if (field < 2 && !digits.empty() && digits != "*" && digits.size() < 4)
            digits.insert(0, 4 - digits.size(), '0');
        out += (field++ == 0 ? "" : ":") + digits;
    }
    return out;
}

std::vector<Filter> readFilters(const ProbeSettings& settings, Found& found) {
    std::vector<Filter> filters;
    for (const auto& setting : settings.filters) {
        const auto text = padded(setting.value);
        if (text.starts_with("0000:0000"))
            continue;
        if (text == ":" || text == "*:" || text == ":*" || text == "*:*") {
            filters.push_back({std::nullopt, setting.place});
            continue;
        }
        const auto id = IdPattern::parse(text);
        if (id)
            filters.push_back({*id, setting.place});
        else
            found.warnings.push_back({setting.place, id.error() + leftOut});
    }
    if (settings.everything)
        filters.push_back({});
    return filters;
}

std::vector<Address> readAddresses(const ProbeSettings& settings, Found& found) {
    std::vector<Address> addresses;
    for (const auto& setting : settings.addresses) {
        const auto address = Address::parse(setting.value);
        if (address)
            addresses.push_back(*address);
        else
            found.warnings.push_back({setting.place, address.error() + leftOut});
    }
    return addresses;
}

std::vector<std::regex> readNames(const ProbeSettings& settings, Found& found) {
    std::vector<std::regex> names;
    for (const auto& setting : settings.names) {
        try {
            names.emplace_back(setting.value, std::regex::ECMAScript | std::regex::icase);
        } catch (const std::regex_error& error) {
            found.warnings.push_back(
                {setting.place, fmt::format("{} is no regular expression: {}{}", quote(setting.value),
                                            error.what(), leftOut)});
        }
    }
    return names;
}

class Claimer {
public:
    Claimer(const ImportContext& context, Found& found) : context_(context), found_(found) {}

    void claim(const ProbeSettings& settings) {
        const auto filters = readFilters(settings, found_);
        const auto addresses = readAddresses(settings, found_);
        const auto names = readNames(settings, found_);
        // What could not be read must not widen what is left.
        const bool byName = !settings.names.empty();
        const bool byAddress = !settings.addresses.empty();
        for (const auto& filter : filters)
            if (byName)
                claimNamed(filter, addresses, byAddress, names);
            else if (byAddress)
                claimAddresses(filter, addresses, settings.addresses);
            else
                claimAll(filter);
    }

private:
    void add(Selector selector, const Place& place) {
        found_.claims.push_back({.selector = std::move(selector), .place = place, .name = "opennebula"});
    }

    /// A pattern on names holds for devices that are there; later ones cannot be told by their names.
    void claimNamed(const Filter& filter, const std::vector<Address>& addresses, bool byAddress,
                    const std::vector<std::regex>& names) {
        bool any = false;
        for (const auto& [address, device] : context_.topology.devices()) {
            const auto name = context_.name(device.ids);
            const bool wanted =
                device.endpoint() && (!filter.id || filter.id->matches(device.ids)) &&
                (!byAddress || std::ranges::find(addresses, address) != addresses.end()) &&
                std::ranges::any_of(names, [&](const auto& one) { return std::regex_search(name, one); });
            if (wanted)
                add({.address = address}, filter.place);
            any = any || wanted;
        }
        if (!any)
            found_.warnings.push_back({filter.place,
                                       "no device of this machine has a name that :device_name: "
                                       "matches; name the devices by hand"});
    }

    void claimAddresses(const Filter& filter, const std::vector<Address>& addresses,
                        const std::vector<Setting>& settings) {
        for (const auto& address : addresses) {
            const auto* device = context_.topology.find(address);
            if (device != nullptr && filter.id && !filter.id->matches(device->ids))
                continue; // OpenNebula does not offer it
            const auto setting = std::ranges::find_if(
                settings, [&](const Setting& one) { return Address::parse(one.value) == address; });
            add({.address = address, .id = filter.id}, setting->place);
        }
    }

    void claimAll(const Filter& filter) {
        if (!filter.id) {
            found_.warnings.push_back(
                {filter.place, "the filter names every device of the machine; name by hand those for VFIO"});
            return;
        }
        add({.id = filter.id}, filter.place);
        if (!filter.id->vendor || !filter.id->device)
            found_.warnings.push_back(
                {filter.place,
                 fmt::format("OpenNebula only lists what {} matches, and vfio-bind binds it all, "
                             "also what the host needs: narrow it",
                             filter.id->str())});
    }

    const ImportContext& context_;
    Found& found_;
};

} // namespace

Found importOpenNebula(const ImportContext& context) {
    Found found;
    Claimer claimer(context, found);
    const auto present = [&](const std::string& path) { return context.sysfs.exists(path); };
    // The copies that the front end has put on this host.
    for (const std::string path :
         {"/var/tmp/one/im/kvm-probes.d/pci.rb", "/var/tmp/one/im/kvm-probes.d/host/system/pci.rb"})
        if (present(path))
            claimer.claim(readPciRb(path, readSource(context.sysfs, path, found), found));
    if (const std::string path = "/var/tmp/one/etc/im/kvm-probes.d/pci.conf"; present(path))
        claimer.claim(readPciConf(path, readSource(context.sysfs, path, found), found));
    return found;
}

} // namespace vfiobind::ctl
