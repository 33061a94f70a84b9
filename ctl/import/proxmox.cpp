// SPDX-License-Identifier: LGPL-2.1-or-later
// qm.conf(5): `hostpci0: 0000:01:00,pcie=1`, `hostpci1: host=01:00.0;01:00.1`, `hostpci2: mapping=gpu`.
#include "import/sources.h"
#include "pci/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace vfiobind::ctl {
namespace {

struct MappedPath {
    std::string path;
    Place place;
};
using Mappings = std::map<std::string, std::vector<MappedPath>>;

/// The value of `key=` in a list with commas; empty without.
std::string valueOf(std::string_view list, std::string_view key) {
    for (const auto part : split(list, ','))
        if (part.starts_with(key) && part.size() > key.size() && part[key.size()] == '=')
            return std::string(part.substr(key.size() + 1));
    return {};
}

/// /etc/pve/mapping/pci.cfg: a name at the beginning of a line, and below it, indented, a `map` line for each
/// node's device.
Mappings readMappings(const ImportContext& context, Found& found) {
    const std::string path = "/etc/pve/mapping/pci.cfg";
    const auto host = trimmed(context.sysfs.read("/etc/hostname", 256).value_or(std::string{}));
    Mappings mappings;
    std::string name;
    for (const auto& line : linesOf(path, readSource(context.sysfs, path, found))) {
        const auto text = trimmed(line.text);
        if (text.empty() || text.starts_with('#'))
            continue;
        const bool indented = line.text.front() == ' ' || line.text.front() == '\t';
        if (!indented) {
            const auto colon = text.find(": ");
            name = colon == std::string::npos ? text : trimmed(text.substr(colon + 1));
            mappings[name];
            continue;
        }
        const auto entry = text.starts_with("map ") ? trimmed(std::string_view(text).substr(4)) : "";
        const auto node = valueOf(entry, "node");
        if (!entry.empty() && (node.empty() || host.empty() || node == host.substr(0, host.find('.'))))
            mappings[name].push_back({valueOf(entry, "path"), line.place});
    }
    return mappings;
}

class ProxmoxReader {
public:
    ProxmoxReader(const ImportContext& context, Found& found) :
        context_(context), found_(found), mappings_(readMappings(context, found)) {}

    void read(const std::string& path, const std::string& rule) {
        for (const auto& line : linesOf(path, readSource(context_.sysfs, path, found_))) {
            const auto text = trimmed(line.text);
            if (text.starts_with('['))
                return; // snapshots: what was once
            const auto colon = text.find(':');
            if (text.starts_with("hostpci") && colon != std::string::npos)
                readDevice(trimmed(text.substr(colon + 1)), line.place, rule);
        }
    }

private:
    void readDevice(const std::string& value, const Place& place, const std::string& rule) {
        if (!valueOf(value, "mdev").empty()) {
            found_.warnings.push_back(
                {place, "a mediated device (mdev) is given to the VM here: its card stays with "
                        "its own driver, and no rule is made of it"});
            return;
        }
        if (const auto name = valueOf(value, "mapping"); !name.empty())
            return readMapped(name, place, rule);
        const auto host = valueOf(value, "host");
        readAddresses(host.empty() ? value.substr(0, value.find(',')) : host, place, rule);
    }

    void readMapped(const std::string& name, const Place& place, const std::string& rule) {
        const auto mapped = mappings_.find(name);
        if (mapped == mappings_.end() || mapped->second.empty()) {
            found_.warnings.push_back(
                {place, fmt::format("the mapping {} has no device of this host in /etc/pve/mapping/pci.cfg",
                                    quote(name))});
            return;
        }
        for (const auto& [paths, where] : mapped->second)
            readAddresses(paths, where, rule);
    }

    void readAddresses(const std::string& list, const Place& place, const std::string& rule) {
        for (const auto part : split(list, ';')) {
            const auto text = trimmed(part);
            if (text.empty())
                continue;
            const bool whole = !text.contains('.');
            const auto address = Address::parse(whole ? text + ".0" : text);
            if (!address) {
                found_.warnings.push_back(
                    {place,
                     fmt::format("{} is no PCI address as in 0000:01:00.0, or 0000:01:00 for the whole card; "
                                 "it is left out",
                                 quote(text))});
                continue;
            }
            for (const auto& one : whole ? functionsOf(context_.topology, *address) : std::vector{*address})
                // Proxmox takes it from its driver when the VM starts.
                found_.claims.push_back(
                    {.selector = {.address = one}, .place = place, .name = rule, .asked = true});
        }
    }

    const ImportContext& context_;
    Found& found_;
    Mappings mappings_;
};

} // namespace

Found importProxmox(const ImportContext& context) {
    Found found;
    ProxmoxReader reader(context, found);
    const std::string folder = "/etc/pve/qemu-server";
    for (const auto& name : listSource(context.sysfs, folder, found))
        if (name.ends_with(".conf"))
            reader.read(folder + '/' + name, "proxmox-" + ruleName(name.substr(0, name.size() - 5), "vm"));
    return found;
}

} // namespace vfiobind::ctl
