// SPDX-License-Identifier: LGPL-2.1-or-later
// The file tree: which names are where, and where links lead.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fmt/format.h>
#include <optional>
#include <ranges>

namespace vfiobind {

using namespace faketext;

namespace {

const std::string busDirectory = "/sys/bus/pci";
const std::string driversDirectory = "/sys/bus/pci/drivers";
const std::string groupsDirectory = "/sys/kernel/iommu_groups";

/// None for a name that no group can have.
std::optional<unsigned> groupNumber(const std::string& name) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    return error == std::errc{} && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
}

} // namespace

std::expected<std::string, int> FakeKernel::resolve(const std::string& path, bool followLast) const {
    auto todo = split(path, '/');
    std::ranges::reverse(todo);
    std::string done;
    // What nearly all paths begin with, in one step.
    if (const auto last = todo.size();
        last > (followLast ? 4U : 5U) && path.starts_with(busDirectory + "/devices/"))
        if (const auto* device = function(todo[last - 5])) {
            done = device->place;
            todo.resize(last - 5);
        }
    for (int links = 0; !todo.empty();) {
        const std::string name = todo.back();
        todo.pop_back();
        if (name == ".")
            continue;
        if (name == "..") {
            done = done.empty() ? "" : parentOf(done);
            continue;
        }
        const auto node = entry(done, name);
        if (!node)
            return std::unexpected(ENOENT);
        if (node->type == Node::Type::link && (followLast || !todo.empty())) {
            if (++links > 40) // MAXSYMLINKS
                return std::unexpected(ELOOP);
            if (node->text.starts_with('/'))
                done.clear();
            for (const auto& part : split(node->text, '/') | std::views::reverse)
                todo.push_back(part);
            continue;
        }
        if (node->type == Node::Type::file && !todo.empty())
            return std::unexpected(ENOTDIR);
        done += '/' + name;
    }
    return done;
}

const FakeKernel::Function* FakeKernel::functionAt(const std::string& directory) const {
    const auto* device = function(nameOf(directory));
    return device != nullptr && device->place == directory ? device : nullptr;
}

std::optional<FakeKernel::Node> FakeKernel::entry(const std::string& directory,
                                                  const std::string& name) const {
    const std::string path = directory + '/' + name;
    if (const auto it = extra_.find(path); it != extra_.end())
        return it->second;
    if (directory == busDirectory + "/devices") {
        const auto* device = function(name);
        return device == nullptr
                   ? std::nullopt
                   : std::optional(Node{Node::Type::link, relativePath(directory, device->place)});
    }
    if (functionAt(path) != nullptr)
        return Node{Node::Type::directory, ""};
    if (const auto* device = functionAt(directory)) {
        if (const auto found = attribute(*device, name))
            return found;
        if (device->headerType == 0) // without a look at all functions for those that are below this one
            return name == "vfio-dev" && device->vfioIndex ? std::optional(Node{Node::Type::directory, ""})
                                                           : std::nullopt;
    }
    if (directory == groupsDirectory)
        return std::ranges::any_of(
                   functions_,
                   [number = groupNumber(name)](const auto& f) { return number && f.second.group == number; })
                   ? std::optional(Node{Node::Type::directory, ""})
                   : std::nullopt;
    if (directory == "/sys/devices")
        return std::ranges::any_of(functions_,
                                   [&](const auto& f) { return f.second.place.starts_with(path + '/'); })
                   ? std::optional(Node{Node::Type::directory, ""})
                   : std::nullopt;
    const auto all = children(directory);
    const auto it = all.find(name);
    return it == all.end() ? std::nullopt : std::optional(it->second);
}

std::map<std::string, FakeKernel::Node> FakeKernel::children(const std::string& directory) const {
    std::map<std::string, Node> found;
    const std::string prefix = directory + '/';
    for (auto it = extra_.lower_bound(prefix); it != extra_.end() && it->first.starts_with(prefix); ++it)
        if (it->first.find('/', prefix.size()) == std::string::npos)
            found.emplace(it->first.substr(prefix.size()), it->second);
    if (directory.starts_with("/sys/devices")) {
        if (const auto* device = functionAt(directory))
            deviceChildren(*device, found);
        for (const auto& [address, device] : functions_)
            if (device.place.starts_with(prefix))
                found.emplace(
                    device.place.substr(prefix.size(), device.place.find('/', prefix.size()) - prefix.size()),
                    Node{Node::Type::directory, ""});
        const auto* owner = nameOf(directory) == "vfio-dev" ? functionAt(parentOf(directory)) : nullptr;
        if (owner != nullptr && owner->vfioIndex)
            found.emplace(fmt::format("vfio{}", *owner->vfioIndex), Node{Node::Type::directory, ""});
        // A device without an IOMMU has no cdev (vfio_device_add in drivers/vfio/vfio.h).
        const auto* cdevs =
            nameOf(parentOf(directory)) == "vfio-dev" ? functionAt(parentOf(parentOf(directory))) : nullptr;
        if (cdevs != nullptr && hasCdevs() && !cdevs->noiommuGroup)
            found.emplace("dev", Node{});
    } else if (directory.starts_with(busDirectory)) {
        busChildren(directory, found);
    } else if (directory.starts_with(groupsDirectory)) {
        groupChildren(directory, found);
    } else if (directory.starts_with("/sys/module")) {
        moduleChildren(directory, found);
    } else if (directory.starts_with("/proc")) {
        procChildren(directory, found);
    } else {
        otherChildren(directory, found);
    }
    return found;
}

void FakeKernel::otherChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node dir{Node::Type::directory, ""};
    if (directory == "/sys/kernel")
        found.emplace("iommu_groups", dir);
    if (directory == "/sys/class") {
        found.emplace("iommu", dir);
        if (modules_.contains("vfio") && modules_.at("vfio").loaded)
            for (const auto* name : {"vfio", "vfio-dev"})
                found.emplace(name, dir);
    }
    if (directory == "/sys/class/vfio-dev")
        for (const auto& [address, device] : functions_)
            if (device.vfioIndex) {
                const auto name = fmt::format("vfio{}", *device.vfioIndex);
                found.emplace(name, Node{Node::Type::link,
                                         relativePath(directory, device.place + "/vfio-dev/" + name)});
            }
    if (directory == "/sys/class/iommu")
        for (const auto& unit : iommuUnits_)
            found.emplace(unit, dir);
    if (directory == "/lib/modules")
        found.emplace("6.1.0-fake", dir);
    if (directory == "/lib/modules/6.1.0-fake")
        found.emplace("modules.alias", Node{});
    if (parentOf(directory) == "/sys/class/vfio")
        found.emplace("dev", Node{});
    if (directory == "/dev" || directory.starts_with("/dev/vfio") || directory == "/sys/class/vfio")
        vfioNodeChildren(directory, found);
}

void FakeKernel::vfioNodeChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node dir{Node::Type::directory, ""};
    const auto vfio = modules_.find("vfio");
    if (vfio == modules_.end() || !vfio->second.loaded)
        return;
    if (directory == "/dev") {
        found.emplace("vfio", dir);
        if (hasCdevs())
            found.emplace("iommu", Node{});
    }
    if (directory == "/dev/vfio") {
        found.emplace("vfio", Node{});
        if (hasCdevs())
            found.emplace("devices", dir);
    }
    for (const auto& [address, device] : functions_) {
        if (!device.vfioIndex)
            continue;
        const std::string group = fmt::format("{}{}", device.noiommuGroup ? "noiommu-" : "", *device.group);
        if (directory == "/dev/vfio")
            found.emplace(group, Node{});
        if (directory == "/sys/class/vfio")
            found.emplace(group, dir);
        if (directory == "/dev/vfio/devices" && hasCdevs() && !device.noiommuGroup)
            found.emplace(fmt::format("vfio{}", *device.vfioIndex), Node{});
    }
}

void FakeKernel::busChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node file{Node::Type::file, "", true};
    const Node dir{Node::Type::directory, ""};
    if (directory == busDirectory) {
        found.insert({{"devices", dir},
                      {"drivers", dir},
                      {"drivers_probe", file},
                      {"drivers_autoprobe", file},
                      {"rescan", file},
                      {"resource_alignment", file},
                      {"slots", dir},
                      {"uevent", file}});
    } else if (directory == busDirectory + "/devices") {
        for (const auto& [address, device] : functions_)
            found.emplace(address, Node{Node::Type::link, relativePath(directory, device.place)});
    } else if (directory == driversDirectory) {
        for (const auto& one : drivers_)
            found.emplace(one.name, dir);
    } else if (const auto* owner =
                   parentOf(directory) == driversDirectory ? driver(nameOf(directory)) : nullptr) {
        found.insert(
            {{"bind", file}, {"unbind", file}, {"uevent", file}, {"new_id", file}, {"remove_id", file}});
        if (!owner->module.empty())
            found.emplace("module", Node{Node::Type::link, "../../../../module/" + owner->module});
        for (const auto& [address, device] : functions_)
            if (device.driver == owner->name && device.driverLink)
                found.emplace(address, Node{Node::Type::link, relativePath(directory, device.place)});
    }
}

void FakeKernel::groupChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node file{};
    const Node dir{Node::Type::directory, ""};
    if (directory == groupsDirectory) {
        for (const auto& [address, device] : functions_)
            if (device.group)
                found.emplace(std::to_string(*device.group), dir);
        return;
    }
    const auto parts = split(directory.substr(groupsDirectory.size()), '/');
    const auto number = groupNumber(parts[0]);
    for (const auto& [address, device] : functions_) {
        if (!number || device.group != number)
            continue;
        if (parts.size() == 1) {
            found.insert({{"devices", dir}, {"type", file}, {"reserved_regions", file}});
            if (device.noiommuGroup)
                found.emplace("name", file);
        } else if (parts[1] == "devices") {
            found.emplace(address, Node{Node::Type::link, relativePath(directory, device.place)});
        }
    }
}

void FakeKernel::moduleChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node file{};
    const Node dir{Node::Type::directory, ""};
    const auto parts = split(directory.substr(std::string("/sys/module").size()), '/');
    if (parts.empty()) {
        for (const auto& [name, module] : modules_)
            if (module.loaded)
                found.emplace(name, dir);
        return;
    }
    const auto it = modules_.find(parts[0]);
    if (it == modules_.end() || !it->second.loaded)
        return;
    const auto& module = it->second;
    if (parts.size() == 1) {
        if (std::ranges::none_of(module.drivers, &FakeDriver::builtIn))
            found.emplace("initstate", file);
        if (!module.parameters.empty())
            found.emplace("parameters", dir);
        if (!module.drivers.empty())
            found.emplace("drivers", dir);
    } else if (parts[1] == "parameters") {
        static const std::set<std::string> loadTime{"disable_denylist", "disable_vga"};
        for (const auto& [name, value] : module.parameters)
            if (noiommuBuilt || name != "enable_unsafe_noiommu_mode")
                found.emplace(name, Node{Node::Type::file, "", !loadTime.contains(name)});
    } else if (parts[1] == "drivers") {
        for (const auto& one : module.drivers)
            found.emplace("pci:" + one.name, Node{Node::Type::link, "../../../bus/pci/drivers/" + one.name});
    }
}

/// What a holder's descriptors are open on, from descriptor 10 on.
std::vector<std::string> FakeKernel::descriptors(const FakeKernel& kernel, const FakeHolder& holder) {
    if (holder.cdev.empty()) {
        std::vector<std::string> open{"/dev/vfio/vfio", fmt::format("/dev/vfio/{}", *holder.group)};
        open.resize(2 + holder.devices->size(), "anon_inode:[vfio-device]");
        return open;
    }
    const auto* device = kernel.function(holder.cdev);
    return {"/dev/iommu",
            fmt::format("/dev/vfio/devices/vfio{}", device != nullptr ? device->vfioIndex.value_or(0) : 0)};
}

void FakeKernel::procChildren(const std::string& directory, std::map<std::string, Node>& found) const {
    const Node file{};
    const Node dir{Node::Type::directory, ""};
    for (const auto& [pid, holder] : holders_) {
        const std::string own = fmt::format("/proc/{}", pid);
        if (directory == "/proc")
            found.emplace(std::to_string(pid), dir);
        if (directory == own)
            found.insert({{"comm", file},
                          {"cmdline", file},
                          {"stat", file},
                          {"status", file},
                          {"exe", {Node::Type::link, "/usr/bin/" + holder.comm}},
                          {"fd", dir}});
        if (directory != own + "/fd")
            continue;
        int number = 10;
        for (const auto& target : descriptors(*this, holder))
            found.emplace(std::to_string(number++), Node{Node::Type::link, target});
    }
}

SysResult<std::vector<std::string>> FakeKernel::list(const std::string& path) const {
    stopIfDead();
    const auto canonical = resolve(path, true);
    if (!canonical)
        return std::unexpected(SysError{"list", path, canonical.error()});
    const auto node = entry(parentOf(*canonical), nameOf(*canonical));
    if (!canonical->empty() && node->type != Node::Type::directory)
        return std::unexpected(SysError{"list", path, ENOTDIR});
    std::vector<std::string> names;
    for (const auto& [name, child] : children(*canonical))
        names.push_back(name);
    return names;
}

SysResult<std::string> FakeKernel::link(const std::string& path) const {
    stopIfDead();
    const auto canonical = resolve(path, false);
    if (!canonical)
        return std::unexpected(SysError{"readlink", path, canonical.error()});
    const auto node = entry(parentOf(*canonical), nameOf(*canonical));
    if (!node || node->type != Node::Type::link)
        return std::unexpected(SysError{"readlink", path, EINVAL});
    return node->text;
}

bool FakeKernel::exists(const std::string& path) const {
    stopIfDead();
    return resolve(path, true).has_value();
}

std::string FakeKernel::canonicalForNew(const std::string& path) const {
    const auto parent = resolve(parentOf(path), true);
    return (parent ? *parent : parentOf(path)) + '/' + nameOf(path);
}

void FakeKernel::putNode(const std::string& path, Node node) {
    const std::string parent = parentOf(path);
    if (!parent.empty() && !resolve(parent, true))
        putDirectory(parent);
    extra_.insert_or_assign(canonicalForNew(path), std::move(node));
}

void FakeKernel::putFile(const std::string& path, std::string content, bool writable) {
    putNode(path, {Node::Type::file, std::move(content), writable});
}

void FakeKernel::putLink(const std::string& path, std::string target) {
    putNode(path, {Node::Type::link, std::move(target), false});
}

void FakeKernel::putDirectory(const std::string& path) {
    if (!resolve(path, true))
        putNode(path, {Node::Type::directory, "", false});
}

void FakeKernel::dropPath(const std::string& path) {
    const std::string canonical = canonicalForNew(path);
    std::erase_if(extra_, [&](const auto& node) {
        return node.first == canonical || node.first.starts_with(canonical + '/');
    });
    std::erase_if(nodes_, [&](const auto& node) {
        return node.first == canonical || node.first.starts_with(canonical + '/');
    });
}

} // namespace vfiobind
