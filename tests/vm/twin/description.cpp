// SPDX-License-Identifier: LGPL-2.1-or-later
#include "twin/description.h"

#include "fake/text.h"
#include "machine_file.h"
#include "topology/topology.h"

#include <algorithm>
#include <fmt/format.h>
#include <fnmatch.h>
#include <fstream>
#include <regex>
#include <set>
#include <stdexcept>

namespace vfiobind::twin {

using nlohmann::json;

namespace {

const std::string groupsDirectory = "/sys/kernel/iommu_groups/";

template <typename T>
T must(SysResult<T> result) {
    if (!result)
        throw std::runtime_error(result.error().str());
    return std::move(*result);
}

std::string readOr(const Sysfs& sysfs, const std::string& path, const std::string& otherwise = {}) {
    auto content = sysfs.read(path);
    return content ? *content : otherwise;
}

/// What no file in sysfs tells of a driver, and its source does.
struct KnownDriver {
    bool managedDma = false; ///< .driver_managed_dma
    bool portsOnly = false;
    bool sriov = false;    ///< .sriov_configure
    bool keepsVfs = false; ///< .remove leaves SR-IOV on
};

KnownDriver knownDriver(const std::string& name) {
    if (name == "pcieport")
        return {.managedDma = true, .portsOnly = true};
    if (name == "pci-stub")
        return {.managedDma = true};
    if (name == "nvme")
        return {.sriov = true, .keepsVfs = true};
    return {};
}

json describeVfs(const Sysfs& sysfs, const std::string& directory, const std::string& vendor) {
    const auto number = [&](const char* name) { return std::stoul(must(sysfs.read(directory + name))); };
    const auto device = std::stoul(must(sysfs.read(directory + "sriov_vf_device")), nullptr, 16);
    return {{"total-vfs", number("sriov_totalvfs")},
            {"vf-ids", fmt::format("{}:{:04x}", vendor, device)},
            {"vf-offset", number("sriov_offset")},
            {"vf-stride", number("sriov_stride")}};
}

json describeDevice(const Sysfs& sysfs, const std::string& address) {
    const std::string directory = devicesDirectory + address + '/';
    const auto found = readDevice(sysfs, Address::parse(address).value());
    if (!found)
        throw std::runtime_error("cannot read device " + address);
    const auto config = must(sysfs.read(directory + "config", 64));
    const auto header = static_cast<unsigned>(static_cast<unsigned char>(config.at(0x0e)) & 0x7f);
    json entry{
        {"address", address},
        {"ids", found->ids.str()},
        {"subsystem", fmt::format("{:04x}:{:04x}", found->ids.subsystemVendor, found->ids.subsystemDevice)},
        {"class", fmt::format("{:06x}", found->ids.classCode)},
        {"driver", found->driver},
        {"driver-override", must(readDriverOverride(sysfs, found->address)).value},
        {"header-type", header},
        {"boot-vga", readOr(sysfs, directory + "boot_vga") == "1"},
        {"numa-node", std::stoi(readOr(sysfs, directory + "numa_node", "-1"))},
        {"reset-methods", readOr(sysfs, directory + "reset_method")}};
    if (found->group)
        entry["group"] = *found->group;
    if (header == 1) {
        entry["secondary-bus"] = std::stoul(must(sysfs.read(directory + "secondary_bus_number")));
        entry["port"] = found->driver == "pcieport"; // it was probed at boot and took what is a port
    }
    if (sysfs.exists(directory + "sriov_totalvfs"))
        entry.update(describeVfs(sysfs, directory, found->ids.str().substr(0, 4)));
    return entry;
}

/// A line of modules.alias that is about PCI ids: the pattern as FakeId reads it.
struct Alias {
    std::string pattern; ///< for fnmatch(3)
    std::string ids;     ///< `8086:10d3`, `::010802`
    std::string module;
};

std::vector<Alias> readAliases(const Sysfs& sysfs) {
    const auto releases = must(sysfs.list("/lib/modules"));
    if (releases.size() != 1)
        throw std::runtime_error(fmt::format("/lib/modules holds {} releases, wanted one", releases.size()));
    std::istringstream lines(must(sysfs.read("/lib/modules/" + releases[0] + "/modules.alias", 64U << 20)));
    static const std::regex form(
        R"(alias (pci:v(\*|[0-9A-F]{8})d(\*|[0-9A-F]{8})sv\S+sd\S+bc(\*|[0-9A-F]{2})sc(\*|[0-9A-F]{2})i(\*|[0-9A-F]{2})) (\S+))");
    std::vector<Alias> aliases;
    std::smatch match;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("alias pci:") || !std::regex_match(line, match, form))
            continue;
        const auto word = [&](std::size_t i) { return match[i] == "*" ? "" : match[i].str(); };
        const auto id = [&](std::size_t i) { return word(i).empty() ? "" : word(i).substr(4); };
        std::string ids = id(2) + ':' + id(3);
        if (const auto classText = word(4) + word(5) + word(6); !classText.empty())
            ids += ':' + classText;
        std::ranges::transform(ids, ids.begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
        aliases.push_back({match[1].str(), ids, match[7].str()});
    }
    return aliases;
}

/// The ids of a module that any device of the machine has, present or to come as a VF.
std::set<std::string> idsOf(const std::string& module, const std::vector<Alias>& aliases,
                            const std::vector<std::string>& modaliases) {
    std::set<std::string> ids;
    for (const auto& alias : aliases)
        if (alias.module == module)
            for (const auto& modalias : modaliases)
                if (::fnmatch(alias.pattern.c_str(), modalias.c_str(), 0) == 0)
                    ids.insert(alias.ids);
    return ids;
}

std::vector<std::string> modaliasesOf(const json& devices) {
    std::vector<std::string> found;
    for (const auto& device : devices) {
        Ids ids;
        const auto hex = [&](const std::string& text) { return std::stoul(text, nullptr, 16); };
        const auto set = [&](const std::string& text) {
            ids.vendor = static_cast<std::uint16_t>(hex(text.substr(0, 4)));
            ids.device = static_cast<std::uint16_t>(hex(text.substr(5)));
        };
        const auto subsystem = device.at("subsystem").get<std::string>();
        ids.subsystemVendor = static_cast<std::uint16_t>(hex(subsystem.substr(0, 4)));
        ids.subsystemDevice = static_cast<std::uint16_t>(hex(subsystem.substr(5)));
        ids.classCode = static_cast<std::uint32_t>(hex(device.at("class").get<std::string>()));
        set(device.at("ids").get<std::string>());
        found.push_back(ids.modalias());
        if (device.contains("vf-ids")) {
            set(device.at("vf-ids").get<std::string>());
            found.push_back(ids.modalias());
        }
    }
    return found;
}

json describeDriver(const Sysfs& sysfs, const std::string& name, const std::vector<Alias>& aliases,
                    const json& devices) {
    const auto link = sysfs.link(driversDirectory + name + "/module");
    const std::string module = link ? std::string(baseName(*link)) : "";
    const bool builtIn = module.empty() || !sysfs.exists("/sys/module/" + module + "/initstate");
    std::set<std::string> ids;
    if (!builtIn)
        ids = idsOf(module, aliases, modaliasesOf(devices));
    else if (name == "pcieport")
        ids = {"::060400"};
    else
        for (const auto& device : devices)
            if (device.at("driver") == name)
                ids.insert(device.at("ids").get<std::string>());
    const auto known = knownDriver(name);
    return {{"name", name},
            {"module", module},
            {"ids", ids},
            {"managed-dma", known.managedDma},
            {"ports-only", known.portsOnly},
            {"sriov", known.sriov},
            {"keeps-vfs", known.keepsVfs},
            {"built-in", builtIn && !module.empty()}};
}

} // namespace

json describe(const Sysfs& sysfs) {
    const auto release = must(sysfs.read("/proc/sys/kernel/osrelease"));
    constexpr std::size_t configLimit = std::size_t{1} << 20U;
    const auto config = must(sysfs.read("/boot/config-" + release, configLimit));
    json machine{{"kernel", release.substr(0, release.find_first_not_of("0123456789."))},
                 {"cdevs", config.contains("\nCONFIG_VFIO_DEVICE_CDEV=y\n")},
                 {"noiommu", sysfs.exists("/sys/module/vfio/parameters/enable_unsafe_noiommu_mode")},
                 {"iommu", must(sysfs.list("/sys/class/iommu"))}};
    auto addresses = must(sysfs.list(devicesDirectory));
    // By depth: a parent's link is shorter than its children's.
    std::ranges::stable_sort(addresses, {}, [&](const std::string& address) {
        return must(sysfs.link(devicesDirectory + address)).size();
    });
    machine["devices"] = json::array();
    for (const auto& address : addresses)
        machine["devices"].push_back(describeDevice(sysfs, address));
    const auto aliases = readAliases(sysfs);
    machine["drivers"] = json::array();
    for (const auto& name : must(sysfs.list(driversDirectory)))
        if (name != "vfio-pci")
            machine["drivers"].push_back(describeDriver(sysfs, name, aliases, machine["devices"]));
    for (const auto& group : must(sysfs.list(groupsDirectory)))
        machine["groups"][group] = {
            {"type", must(sysfs.read(groupsDirectory + group + "/type"))},
            {"reserved", must(sysfs.read(groupsDirectory + group + "/reserved_regions"))}};
    return machine;
}

FakeKernel makeTwin(const std::string& file) {
    std::ifstream stream(file);
    if (!stream)
        throw std::runtime_error("cannot read the description " + file);
    const auto description = json::parse(stream);
    FakeKernel kernel;
    const auto version = description.at("kernel").get<std::string>();
    kernel.putFile("/proc/sys/kernel/osrelease", version + "-fake");
    kernel.putFile("/boot/config-" + version + "-fake",
                   description.at("cdevs").get<bool>() ? "#\nCONFIG_VFIO_DEVICE_CDEV=y\n#\n" : "#\n");
    if (!version.starts_with("6.1."))
        kernel.version = FakeVersion::v6_12;
    kernel.setIommu(description.at("iommu").get<std::vector<std::string>>());
    kernel.noiommuBuilt = description.at("noiommu").get<bool>();
    kernel.cdevsBuilt = description.at("cdevs").get<bool>();
    for (const auto& entry : description.at("drivers"))
        kernel.addDriver(driverFrom(entry));
    kernel.addVfioPci(); // the last to register, as the rig loads it after the boot
    for (const auto& entry : description.at("devices"))
        kernel.addDevice(deviceFrom(entry));
    for (const auto& [group, facts] : description.at("groups").items()) {
        const auto number = static_cast<unsigned>(std::stoul(group));
        kernel.setGroupType(number, facts.at("type").get<std::string>());
        kernel.setReservedRegions(number, facts.at("reserved").get<std::string>());
    }
    return kernel;
}

namespace {

class Casting {
public:
    explicit Casting(const json& description) : devices_(description.at("devices")) {}

    Roles roles() {
        Roles roles;
        castCard(roles);
        castTwins(roles);
        castConventional(roles);
        castSriov(roles);
        for (const auto& device : devices_)
            if (classOf(device) == "0600" && device.at("driver") == "" && members(device).size() == 1)
                roles.hostBridge = address(device);
        for (const auto& device : devices_)
            if (device.value("port", false) &&
                roles.twinA.starts_with(fmt::format("{}:{:02x}:", address(device).substr(0, 4),
                                                    device.at("secondary-bus").get<unsigned>())))
                roles.rootPort = address(device);
        require(roles.hostBridge, "a host bridge without a driver, alone in its group");
        require(roles.rootPort, "a root port above the first twin");
        return roles;
    }

private:
    static std::string address(const json& device) { return device.at("address").get<std::string>(); }
    static std::string classOf(const json& device) {
        return device.at("class").get<std::string>().substr(0, 4);
    }

    static void require(const std::string& role, const char* what) {
        if (role.empty())
            throw std::runtime_error(fmt::format("this machine has nothing that could play {}", what));
    }

    std::vector<json> members(const json& device) const {
        std::vector<json> found;
        for (const auto& other : devices_)
            if (device.contains("group") && other.contains("group") &&
                other.at("group") == device.at("group"))
                found.push_back(other);
        return found;
    }

    void castCard(Roles& roles) const {
        for (const auto& device : devices_)
            for (const auto& other : members(device))
                if (classOf(device).starts_with("03") && classOf(other) == "0403" &&
                    members(device).size() == 2) {
                    roles.display = address(device);
                    roles.audio = address(other);
                }
        require(roles.display, "a graphics card with an audio function");
    }

    void castTwins(Roles& roles) const {
        for (const auto& a : devices_)
            for (const auto& b : devices_)
                if (roles.twinA.empty() && address(a) < address(b) && a.at("ids") == b.at("ids") &&
                    classOf(a) == "0200" && a.at("driver") != "" && members(a).size() == 1 &&
                    members(b).size() == 1) {
                    roles.twinA = address(a);
                    roles.twinB = address(b);
                }
        require(roles.twinA, "two identical NICs in a group each");
    }

    void castConventional(Roles& roles) const {
        for (const auto& device : devices_) {
            const auto group = members(device);
            if (device.at("header-type") != 1 || device.at("port") == true || group.size() != 3)
                continue;
            roles.bridge = address(device);
            for (const auto& member : group)
                if (address(member) != roles.bridge)
                    (roles.nicA.empty() ? roles.nicA : roles.nicB) = address(member);
        }
        require(roles.nicB, "a conventional bridge with two devices behind it");
    }

    void castSriov(Roles& roles) const {
        for (const auto& device : devices_) {
            if (device.value("total-vfs", 0U) < 4 || device.at("driver") == "")
                continue;
            roles.pf = address(device);
            const auto pf = Address::parse(roles.pf).value();
            const auto vf = [&](unsigned index) {
                const unsigned id = (unsigned{pf.bus} << 8U) + (unsigned{pf.device} << 3U) + pf.function +
                                    device.at("vf-offset").get<unsigned>() +
                                    index * device.at("vf-stride").get<unsigned>();
                return Address{.domain = pf.domain,
                               .bus = static_cast<std::uint8_t>(id >> 8U),
                               .device = static_cast<std::uint8_t>(id >> 3U & 31U),
                               .function = static_cast<std::uint8_t>(id & 7U)}
                    .str();
            };
            roles.vf0 = vf(0);
            roles.vf1 = vf(1);
        }
        require(roles.pf, "a PF with at least four VFs");
    }

    const json& devices_;
};

} // namespace

Roles rolesOf(const json& description) {
    return Casting(description).roles();
}

} // namespace vfiobind::twin
