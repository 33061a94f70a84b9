// SPDX-License-Identifier: LGPL-2.1-or-later
// Matching, binding and unbinding: drivers/pci/pci-driver.c, drivers/base/{bus,dd}.c.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>
#include <stdexcept>

namespace vfiobind {

using namespace faketext;

namespace {

constexpr int probeDefer = 517; // EPROBE_DEFER, include/linux/errno.h

/// pci_match_one_device
bool matchesId(const FakeId& id, const FakeDevice& device) {
    const auto part = [](const std::string& ids, std::size_t from) {
        return static_cast<std::uint32_t>(std::stoul(ids.substr(from, 4), nullptr, 16));
    };
    const auto same = [](const std::optional<std::uint32_t>& wanted, std::uint32_t value) {
        return !wanted || *wanted == value;
    };
    return same(id.vendor, part(device.ids, 0)) && same(id.device, part(device.ids, 5)) &&
           same(id.subsystemVendor, part(device.subsystem, 0)) &&
           same(id.subsystemDevice, part(device.subsystem, 5)) &&
           ((id.classCode ^ device.classCode) & id.classMask) == 0;
}

/// What sysfs_streq compares with a device's name: up to the first NUL, less one newline.
std::string deviceName(const std::string& data) {
    return chomp(data.substr(0, data.find('\0')));
}

/// The line of `new_id` and `remove_id`: up to seven hexadecimal numbers, of which the first two are needed.
struct IdLine {
    FakeId id;
    std::uint32_t driverData = 0;
    std::size_t fields = 0;
};

/// sscanf("%x") as lib/vsprintf.c has it: a prefix 0x, no sign, and what does not fit is cut off.
std::vector<std::uint32_t> hexNumbers(const std::string& text, std::size_t most) {
    std::vector<std::uint32_t> numbers;
    const auto digit = [&](std::size_t i) {
        return i < text.size() && std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    };
    std::size_t at = 0;
    while (numbers.size() < most) {
        while (at < text.size() && std::isspace(static_cast<unsigned char>(text[at])) != 0)
            ++at;
        if (!digit(at))
            break;
        if (text[at] == '0' && at + 1 < text.size() && (text[at + 1] == 'x' || text[at + 1] == 'X') &&
            digit(at + 2))
            at += 2;
        std::uint32_t number = 0;
        for (; digit(at); ++at)
            number = number << 4 | static_cast<std::uint32_t>(std::stoul(text.substr(at, 1), nullptr, 16));
        numbers.push_back(number);
    }
    return numbers;
}

IdLine parseIdLine(const std::string& text) {
    const auto numbers = hexNumbers(text, 7);
    const auto at = [&](std::size_t i) {
        return i < numbers.size() ? std::optional(numbers[i]) : std::nullopt;
    };
    return {.id = {.vendor = at(0),
                   .device = at(1),
                   .subsystemVendor = at(2) == 0xffffffffU ? std::nullopt : at(2),
                   .subsystemDevice = at(3) == 0xffffffffU ? std::nullopt : at(3),
                   .classCode = at(4).value_or(0),
                   .classMask = at(5).value_or(0)},
            .driverData = at(6).value_or(0),
            .fields = numbers.size()};
}

} // namespace

FakeKernel::Driver* FakeKernel::driver(const std::string& name) {
    const auto it = std::ranges::find(drivers_, name, &Driver::name);
    return it == drivers_.end() ? nullptr : &*it;
}

const FakeKernel::Driver* FakeKernel::driver(const std::string& name) const {
    const auto it = std::ranges::find(drivers_, name, &Driver::name);
    return it == drivers_.end() ? nullptr : &*it;
}

void FakeKernel::registerDriver(const FakeDriver& added, bool probe) {
    if (driver(added.name) != nullptr)
        throw std::invalid_argument("driver " + added.name + " is registered already");
    Driver registered;
    static_cast<FakeDriver&>(registered) = added;
    for (const auto& id : added.ids)
        registered.table.push_back(FakeId::parse(id));
    for (const auto& id : added.overrideOnlyIds)
        registered.overrideTable.push_back(FakeId::parse(id));
    drivers_.push_back(std::move(registered));
    if (probe && driversAutoprobe_)
        attachAll(added.name);
}

bool FakeKernel::matches(const Driver& candidate, const Function& device) const {
    if (!device.matchable)
        return false; // pci_bus_match: !match_driver
    // A driver named by the override always matches, whatever its ids (pci_match_device).
    if (!device.driverOverride.empty())
        return device.driverOverride == candidate.name;
    const auto hit = [&](const FakeId& id) { return matchesId(id, device); };
    return std::ranges::any_of(candidate.dynamicIds, hit) || std::ranges::any_of(candidate.table, hit);
}

bool FakeKernel::lockFree(const std::string& lock) const {
    if (lock == "rescan")
        return std::ranges::none_of(pending_, &Pending::rescanLock);
    const auto* device = function(lock);
    return device == nullptr || device->locks == 0;
}

void FakeKernel::takeLock(const std::string& lock) const {
    if (!lockFree(lock))
        throw LockWait{lock};
}

FakeKernel::Probe FakeKernel::attach(const std::string& address, const std::string& driverName,
                                     const Continuation& afterHang) {
    takeLock(address);
    auto& device = functions_.at(address);
    if (!device.driver.empty())
        return {EBUSY, true};
    // pci_dma_configure: iommu_device_use_default_domain fails while user space owns the group
    // (doc/kernel.md 7).
    const auto& candidate = *driver(driverName);
    if (!candidate.managedDma && device.group && groupClaimed(*device.group))
        return {EBUSY, true};
    device.driver = driverName;
    device.driverLink = true; // driver_sysfs_add comes before the probe
    if (takeHang()) {
        ++device.locks;
        hangUntil({.finish = [address, driverName, afterHang](FakeKernel& kernel) {
            if (auto* hung = kernel.function(address)) {
                --hung->locks;
                kernel.probeFinish(address, driverName);
            }
            if (afterHang)
                afterHang(kernel);
        }});
    }
    return {probeFinish(address, driverName), false};
}

int FakeKernel::probeFinish(const std::string& address, const std::string& driverName) {
    auto& device = functions_.at(address);
    const auto* candidate = driver(driverName);
    int code = candidate == nullptr ? ENODEV : candidate->probeError;
    if (code == 0 && candidate->portsOnly && (*device.headerType != 1 || !device.port))
        code = ENODEV;
    // pci_device_can_probe
    const auto* pf = function(device.physfn);
    if (code == 0 && pf != nullptr && !pf->vfAutoprobe && device.driverOverride.empty())
        code = ENODEV;
    if (code == 0 && candidate->vfio)
        code = vfioProbe(device, *candidate);
    if (code != 0) {
        device.driver.clear();
        device.driverLink = false;
        return code;
    }
    emit("bind", device);
    return 0;
}

bool FakeKernel::attachAny(const std::string& address) {
    std::vector<std::string> names;
    for (const auto& candidate : drivers_)
        names.push_back(candidate.name);
    for (const auto& name : names) {
        const auto* candidate = driver(name);
        const auto* device = function(address);
        if (device == nullptr || !device->driver.empty())
            return true;
        if (candidate == nullptr || !matches(*candidate, *device))
            continue;
        const auto probe = attach(address, name);
        if (probe.refusedBeforeProbe)
            return false;
        if (probe.code == 0)
            return true;
    }
    return true;
}

void FakeKernel::attachAll(const std::string& driverName) {
    std::vector<std::string> addresses;
    for (const auto& [address, device] : functions_)
        addresses.push_back(address);
    for (const auto& address : addresses) {
        const auto* device = function(address);
        const auto* candidate = driver(driverName);
        if (device == nullptr || candidate == nullptr || !matches(*candidate, *device))
            continue;
        try {
            attach(address, driverName, [driverName](FakeKernel& kernel) { kernel.attachAll(driverName); });
        } catch (const LockWait& wait) {
            hangUntil({.waitsForLock = wait.lock,
                       .finish = [driverName](FakeKernel& kernel) { kernel.attachAll(driverName); }});
        }
    }
}

void FakeKernel::detachThen(const std::string& address, const Continuation& then) {
    if (!lockFree(address))
        hangUntil({.waitsForLock = address,
                   .finish = [address, then](FakeKernel& kernel) { kernel.detachThen(address, then); }});
    auto& device = functions_.at(address);
    if (device.driver.empty()) {
        if (then)
            then(*this);
        return;
    }
    ++device.locks;
    device.driverLink = false; // driver_sysfs_remove comes before the driver's remove (doc/kernel.md 2)
    if (takeHang())
        hangUntil({.finish = [address, then](FakeKernel& kernel) { kernel.detachFinish(address, then); }});
    detachFinish(address, then);
}

void FakeKernel::detachFinish(const std::string& address, const Continuation& then) {
    auto& device = functions_.at(address);
    const auto* owner = driver(device.driver);
    if (owner != nullptr && !owner->keepsVfs && !device.vfs.empty()) {
        unplugThen(device.vfs.front(),
                   [address, then](FakeKernel& kernel) { kernel.detachFinish(address, then); });
        return;
    }
    if (owner != nullptr && owner->vfio && heldOpen(address)) // vfio_unregister_group_dev (doc/kernel.md 9)
        hangUntil({.waitsForHolders = address,
                   .finish = [address, then](FakeKernel& kernel) { kernel.detachFinish(address, then); }});
    --device.locks;
    if (owner != nullptr && owner->vfio)
        vfioLeave(device);
    device.driver.clear();
    emit("unbind", device);
    if (then)
        then(*this);
}

void FakeKernel::loadModule(const std::string& name) {
    const auto it = modules_.find(name);
    if (it == modules_.end())
        throw std::invalid_argument("modprobe: module " + name + " not found");
    if (name == "vfio_pci")
        modules_["vfio"].loaded = modules_["vfio_iommu_type1"].loaded = true;
    if (std::exchange(it->second.loaded, true))
        return;
    currentPath_ = "modprobe " + name;
    for (const auto& one : std::vector<FakeDriver>(it->second.drivers)) {
        try {
            registerDriver(one, true);
        } catch (const Hung&) {
            // modprobe waits for a device's lock; it goes on when that is free.
        }
    }
}

void FakeKernel::unloadModule(const std::string& name) {
    const auto it = modules_.find(name);
    if (it == modules_.end() || !it->second.loaded)
        throw std::invalid_argument("rmmod: module " + name + " is not loaded");
    for (const auto& one : it->second.drivers)
        for (const auto& [address, device] : functions_)
            if (one.builtIn || (device.driver == one.name && heldOpen(address)))
                throw std::invalid_argument("rmmod: module " + name + " is in use");
    for (const auto& one : std::vector<FakeDriver>(it->second.drivers)) {
        std::vector<std::string> addresses;
        for (const auto& [address, device] : functions_)
            if (device.driver == one.name)
                addresses.push_back(address);
        for (const auto& address : addresses)
            if (functions_.contains(address))
                detachThen(address, {});
        std::erase_if(drivers_, [&](const Driver& registered) { return registered.name == one.name; });
    }
    modules_.at(name).loaded = false;
}

FakeKernel::Errno FakeKernel::writeBind(Driver& candidate, const std::string& data) {
    const std::string address = deviceName(data);
    const auto* device = function(address);
    if (device == nullptr || !matches(candidate, *device))
        return ENODEV;
    const auto probe = attach(address, candidate.name);
    return probe.code == probeDefer ? EAGAIN : probe.code;
}

FakeKernel::Errno FakeKernel::writeUnbind(Driver& owner, const std::string& data) {
    const std::string address = deviceName(data);
    const auto* device = function(address);
    if (device == nullptr || device->driver != owner.name)
        return ENODEV;
    detachThen(address, {});
    return 0;
}

FakeKernel::Errno FakeKernel::writeDriversProbe(const std::string& data) {
    const std::string address = deviceName(data);
    const auto* device = function(address);
    if (device == nullptr)
        return ENODEV;
    takeLock(address);
    // Success too when nothing matched or a probe failed; only a refusal before the probe shows
    // (doc/kernel.md 3).
    return attachAny(address) ? 0 : EINVAL;
}

FakeKernel::Errno FakeKernel::writeNewId(Driver& target, const std::string& data) {
    const auto line = parseIdLine(data);
    if (line.fields < 2)
        return EINVAL;
    const FakeDevice like{
        .address = "",
        .ids = fmt::format("{:04x}:{:04x}", *line.id.vendor & 0xffff, *line.id.device & 0xffff),
        .subsystem = fmt::format("{:04x}:{:04x}", line.id.subsystemVendor.value_or(0xffff) & 0xffff,
                                 line.id.subsystemDevice.value_or(0xffff) & 0xffff),
        .classCode = line.id.classCode};
    const auto hit = [&](const FakeId& id) { return matchesId(id, like); };
    if (line.fields < 7 &&
        (std::ranges::any_of(target.dynamicIds, hit) || std::ranges::any_of(target.table, hit)))
        return EEXIST;
    // It must be one that the static table has; the tables here have none but 0.
    if (line.driverData != 0 && !(target.table.empty() && target.overrideTable.empty()))
        return EINVAL;
    target.dynamicIds.push_back(line.id);
    attachAll(target.name); // binds whatever matches and has no driver; failures are not told
    return 0;
}

FakeKernel::Errno FakeKernel::writeRemoveId(Driver& target, const std::string& data) {
    const auto line = parseIdLine(data);
    if (line.fields < 2)
        return EINVAL;
    const auto it = std::ranges::find_if(target.dynamicIds, [&](const FakeId& id) {
        return id.vendor == line.id.vendor && id.device == line.id.device &&
               (!line.id.subsystemVendor || id.subsystemVendor == line.id.subsystemVendor) &&
               (!line.id.subsystemDevice || id.subsystemDevice == line.id.subsystemDevice) &&
               ((id.classCode ^ line.id.classCode) & line.id.classMask) == 0;
    });
    if (it == target.dynamicIds.end())
        return ENODEV;
    target.dynamicIds.erase(it);
    return 0;
}

} // namespace vfiobind
