// SPDX-License-Identifier: LGPL-2.1-or-later
// What writing to the kernel's files does.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

namespace vfiobind {

using namespace faketext;

namespace {

/// kstrtouint with base 0: 0x and a leading 0 choose the base, a plus sign is taken, one newline may follow.
std::optional<unsigned> number(const std::string& text) {
    std::string digits = chomp(text);
    if (digits.starts_with('+'))
        digits.erase(0, 1);
    int base = 10;
    if (digits.size() > 2 && (digits.starts_with("0x") || digits.starts_with("0X"))) {
        base = 16;
        digits.erase(0, 2);
    } else if (digits.size() > 1 && digits.starts_with('0')) {
        base = 8;
    }
    unsigned value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    return error == std::errc{} && end == digits.data() + digits.size() ? std::optional(value) : std::nullopt;
}

/// kstrtobool: the first character decides, after an o the second.
std::optional<bool> boolean(const std::string& text) {
    if (text.empty())
        return std::nullopt;
    const auto lower = [&](std::size_t i) {
        return i < text.size() ? std::tolower(static_cast<unsigned char>(text[i])) : 0;
    };
    const int first = lower(0);
    const int deciding = first == 'o' ? lower(1) : first;
    if (first == 'o')
        return deciding == 'n' ? std::optional(true) : deciding == 'f' ? std::optional(false) : std::nullopt;
    if (deciding == '1' || deciding == 'y')
        return true;
    if (deciding == '0' || deciding == 'n')
        return false;
    return std::nullopt;
}

} // namespace

FakeKernel::Errno FakeKernel::perform(const std::string& path, const std::string& data) {
    const auto canonical = resolve(path, true);
    if (!canonical)
        return canonical.error();
    const auto node = entry(parentOf(*canonical), nameOf(*canonical));
    if (node->type == Node::Type::directory)
        return EISDIR;
    if (!node->writable)
        return EACCES;
    if (data.empty())
        return 0; // write(2) of nothing does not reach the attribute
    return writeNode(*canonical, data);
}

FakeKernel::Errno FakeKernel::writeNode(const std::string& canonical, const std::string& data) {
    const std::string directory = parentOf(canonical);
    const std::string name = nameOf(canonical);
    if (const auto it = extra_.find(canonical); it != extra_.end()) {
        it->second.text = data;
        return 0;
    }
    if (functionAt(directory) != nullptr)
        return writeAttribute(*function(nameOf(directory)), name, data);
    if (directory == "/sys/bus/pci")
        return writeBus(name, data);
    if (directory.starts_with("/sys/module/")) {
        const auto value = boolean(data);
        if (!value)
            return EINVAL;
        modules_.at(split(directory, '/')[2]).parameters[name].assign(1, *value ? 'Y' : 'N');
        return 0;
    }
    if (auto* target = driver(nameOf(directory));
        target != nullptr && parentOf(directory) == "/sys/bus/pci/drivers") {
        if (name == "bind")
            return writeBind(*target, data);
        if (name == "unbind")
            return writeUnbind(*target, data);
        if (name == "new_id")
            return writeNewId(*target, data);
        if (name == "remove_id")
            return writeRemoveId(*target, data);
        return 0; // uevent
    }
    return EACCES;
}

FakeKernel::Errno FakeKernel::writeBus(const std::string& name, const std::string& data) {
    if (name == "drivers_probe")
        return writeDriversProbe(data);
    if (name == "drivers_autoprobe") {
        driversAutoprobe_ = data[0] != '0'; // drivers_autoprobe_store looks at nothing else
        return 0;
    }
    const auto value = number(data);
    if (!value)
        return EINVAL;
    return *value == 0 ? 0 : rescan();
}

FakeKernel::Errno FakeKernel::rescan() {
    takeLock("rescan");
    auto found = std::exchange(removed_, {});
    // Members of a group that was left empty are one group again, of the lowest free number: the old one may
    // be another's by now.
    std::map<unsigned, unsigned> renumbered;
    const auto dissolved = std::exchange(dissolvedGroups_, {});
    for (auto& [address, device] : found) {
        if (functions_.contains(address))
            continue;
        if (device.group && dissolved.contains(*device.group))
            device.group = renumbered.try_emplace(*device.group, freeGroup()).first->second;
        hotplug(device);
    }
    return 0;
}

FakeKernel::Errno FakeKernel::writeOverride(Function& device, const std::string& data) {
    if (data.size() >= 4095)
        return EINVAL; // PAGE_SIZE - 1
    if (version == FakeVersion::v6_1)
        takeLock(device.address);
    // driver_set_override: up to the first NUL, up to the first newline; what is left empty clears.
    const std::string text = data.substr(0, data.find('\0'));
    device.driverOverride = text.substr(0, text.find('\n'));
    return 0;
}

FakeKernel::Errno FakeKernel::writeResetMethod(Function& device, const std::string& data) {
    const auto methods = split(chomp(data), ' ');
    if (methods.empty()) {
        device.enabledResets.clear();
        return 0;
    }
    if (methods == std::vector<std::string>{"default"}) {
        device.enabledResets = device.resetMethods;
        return 0;
    }
    const auto known = split(device.resetMethods, ' ');
    std::string enabled;
    for (const auto& method : methods) {
        if (std::ranges::find(known, method) == known.end())
            return EINVAL;
        enabled += (enabled.empty() ? "" : " ") + method;
    }
    device.enabledResets = enabled;
    return 0;
}

void FakeKernel::rememberRemoved(const Function& device) {
    if (!device.physfn.empty())
        return; // a VF is not found by scanning the bus
    FakeDevice again = device;
    again.driver.clear();
    again.driverOverride.clear();
    again.resetMethods = device.possibleResets;
    if (device.noiommuGroup)
        again.group.reset();
    removed_.insert_or_assign(device.address, std::move(again));
}

FakeKernel::Errno FakeKernel::writeAttribute(Function& device, const std::string& name,
                                             const std::string& data) {
    if (name == "driver_override")
        return writeOverride(device, data);
    if (name == "reset_method")
        return writeResetMethod(device, data);
    if (name == "uevent") {
        const std::string action = chomp(data);
        if (action != "add" && action != "change" && action != "remove" && action != "bind" &&
            action != "unbind")
            return EINVAL;
        emit(action, device);
        return 0;
    }
    if (name == "sriov_drivers_autoprobe") {
        const auto value = boolean(data);
        if (value)
            device.vfAutoprobe = *value;
        return value ? 0 : EINVAL;
    }
    const auto value = number(data);
    if (!value)
        return EINVAL;
    if (name == "sriov_numvfs") // kstrtou16
        return *value > 0xffff ? EINVAL : setNumVfs(device, *value);
    if (name == "numa_node")
        device.numaNode = static_cast<int>(*value);
    if (name == "remove" && *value != 0) {
        takeLock("rescan");
        const std::string below = device.place + '/';
        for (const auto& [other, function] : functions_)
            if (other == device.address || function.place.starts_with(below))
                rememberRemoved(function);
        const std::string address = device.address;
        removing_ = true; // hangUntil() sees it
        // This one device and what is behind it. A PF's VFs are not; they go only if its driver takes them
        // along.
        if (*device.headerType == 0)
            detachThen(address, [address](FakeKernel& kernel) { kernel.removeNow(address); });
        else
            unplugThen(address, {});
        removing_ = false;
    }
    if (name == "rescan" && *value != 0)
        return rescan();
    return 0;
}

} // namespace vfiobind
