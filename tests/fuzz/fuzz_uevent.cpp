// SPDX-License-Identifier: LGPL-2.1-or-later
// What the kernel says of devices: modaliases, and events after which a device is read again. The input is a
// list of fields separated by NUL; six are a device as an event leaves it: name, modalias, and where its
// links lead.
#include "must.h"
#include "pci/text.h"
#include "sysfs/sysfs.h"
#include "topology/topology.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <ranges>
#include <set>

namespace {

using namespace vfiobind;
using fuzz::must;

/// Files and links as the input has them; nothing can be written.
class InputSysfs final : public Sysfs {
public:
    std::map<std::string, std::string> files;
    std::map<std::string, std::string> links;

    SysResult<std::string> read(const std::string& path, std::size_t limit) const override {
        const auto it = files.find(path);
        return it == files.end() ? absent("read", path) : SysResult<std::string>(it->second.substr(0, limit));
    }
    SysResult<void> write(const std::string& path, std::string_view) override {
        return std::unexpected(SysError{"write", path, EROFS});
    }
    SysResult<std::vector<std::string>> list(const std::string& path) const override {
        if (path == driversDirectory || path.starts_with(driversDirectory + '/'))
            return listDrivers(path);
        std::vector<std::string> names;
        for (const auto& link : links | std::views::keys)
            if (link.starts_with(path + '/') && link.find('/', path.size() + 1) == std::string::npos)
                names.push_back(link.substr(path.size() + 1));
        return names;
    }
    SysResult<std::string> link(const std::string& path) const override {
        const auto it = links.find(path);
        return it == links.end() ? absent("readlink", path) : SysResult<std::string>(it->second);
    }
    SysResult<std::optional<DeviceNumber>> node(const std::string& path) const override {
        return std::unexpected(SysError{"stat", path, ENOENT});
    }
    SysResult<void> openExclusively(const std::string& path, const DeviceNumber&) const override {
        return std::unexpected(SysError{"open", path, ENOENT});
    }
    bool exists(const std::string& path) const override {
        return files.contains(path) || links.contains(path);
    }

private:
    inline static const std::string driversDirectory = "/sys/bus/pci/drivers";

    /// As the kernel keeps it: a driver has a link for each device that has one to the driver.
    std::vector<std::string> listDrivers(const std::string& path) const {
        std::set<std::string> names;
        for (const auto& [link, target] : links) {
            if (!link.ends_with("/driver"))
                continue;
            const std::string driver(baseName(target));
            if (path == driversDirectory)
                names.insert(driver);
            else if (path == driversDirectory + '/' + driver)
                names.emplace(baseName(std::string_view(link).substr(0, link.rfind('/'))));
        }
        return {names.begin(), names.end()};
    }

    static SysResult<std::string> absent(const char* operation, const std::string& path) {
        return std::unexpected(SysError{operation, path, ENOENT});
    }
};

void readModalias(std::string_view text) {
    const auto ids = Ids::fromModalias(text);
    if (!ids)
        return fuzz::mustBeSentence(ids.error());
    must(ids->classCode <= 0xffffff, "a class has 24 bits");
    must(Ids::fromModalias(ids->modalias()) == *ids, "a modalias means the same again", ids->modalias());
}

/// Members and groups tell the same.
void mustAgree(const Topology& topology) {
    std::size_t members = 0;
    for (const auto& [number, group] : topology.groups()) {
        must(number == group.number && !group.members.empty(), "a group has its number and members");
        members += group.members.size();
        for (const auto& address : group.members)
            must(topology.find(address) != nullptr && topology.find(address)->group == number,
                 "a group's member is a device of it", address.str());
        must(topology.endpoints(number).size() <= group.members.size(), "endpoints are members");
    }
    const auto grouped = std::ranges::count_if(topology.devices() | std::views::values,
                                               [](const Device& device) { return device.group.has_value(); });
    must(members == static_cast<std::size_t>(grouped), "every device is in the group that it names");
}

/// The input links virtual functions with their physical ones and not the other way round, as no kernel does.
std::map<Address, Device> withoutVirtualFunctions(const Topology& topology) {
    auto devices = topology.devices();
    for (auto& device : devices | std::views::values)
        device.virtualFunctions.clear();
    return devices;
}

void putLink(InputSysfs& sysfs, const std::string& path, std::string_view target) {
    if (target.empty())
        sysfs.links.erase(path);
    else
        sysfs.links.insert_or_assign(path, target);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto fields = split({reinterpret_cast<const char*>(data), size}, '\0');
    for (const auto field : fields)
        readModalias(field);
    InputSysfs sysfs;
    Topology topology;
    constexpr std::size_t fieldsOfADevice = 6;
    for (std::size_t i = 0; i + fieldsOfADevice <= fields.size(); i += fieldsOfADevice) {
        const auto address = Address::parse(fields[i]); // as the daemon reads an event's device name
        if (!address) {
            fuzz::mustBeSentence(address.error());
            continue;
        }
        const auto path = "/sys/bus/pci/devices/" + address->str();
        sysfs.files[path + "/modalias"] = fields[i + 1];
        putLink(sysfs, path, fields[i + 2]);
        putLink(sysfs, path + "/driver", fields[i + 3]);
        putLink(sysfs, path + "/iommu_group", fields[i + 4]);
        putLink(sysfs, path + "/physfn", fields[i + 5]);
        topology.refresh(sysfs, *address);
        mustAgree(topology);
        must(!topology.refresh(sysfs, *address), "the same event twice changes nothing", address->str());
    }
    const auto whole = Topology::read(sysfs);
    must(whole.has_value() && withoutVirtualFunctions(*whole) == withoutVirtualFunctions(topology) &&
             whole->groups() == topology.groups(),
         "events lead to what a full read finds");
    return 0;
}
