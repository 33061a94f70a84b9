// SPDX-License-Identifier: LGPL-2.1-or-later
// The machine: what is in it, what comes and goes.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <stdexcept>

namespace vfiobind {

using namespace faketext;

namespace {

/// Whether the text has the form, in which `h` stands for a hexadecimal digit.
bool hasForm(const std::string& text, std::string_view form) {
    return std::ranges::equal(text, form, [](char c, char wanted) {
        return wanted == 'h' ? std::isxdigit(static_cast<unsigned char>(c)) != 0 : c == wanted;
    });
}

} // namespace

FakeId FakeId::parse(const std::string& text) {
    const auto wrong = [&] {
        return std::invalid_argument("fake id '" + text + "': wanted vendor:device[:class]");
    };
    const auto first = text.find(':');
    if (first == std::string::npos)
        throw wrong();
    const auto second = text.find(':', first + 1);
    const std::string classText = second == std::string::npos ? "" : text.substr(second + 1);
    const auto part = [&](const std::string& digits) -> std::optional<std::uint32_t> {
        if (digits.empty() || digits == "*")
            return std::nullopt;
        if (!hasForm(digits, "hhhh"))
            throw wrong();
        return static_cast<std::uint32_t>(std::stoul(digits, nullptr, 16));
    };
    FakeId id;
    id.vendor = part(text.substr(0, first));
    id.device = part(text.substr(first + 1, second == std::string::npos ? second : second - first - 1));
    if (!classText.empty()) {
        if (!hasForm(classText, "hh") && !hasForm(classText, "hhhh") && !hasForm(classText, "hhhhhh"))
            throw wrong();
        const auto shift = static_cast<unsigned>(24 - 4 * classText.size());
        id.classCode = static_cast<std::uint32_t>(std::stoul(classText, nullptr, 16)) << shift;
        id.classMask = (0xffffffU << shift) & 0xffffffU;
    }
    return id;
}

FakeKernel::FakeKernel() {
    for (const auto* directory : {"/sys/bus/pci", "/sys/devices", "/sys/kernel", "/sys/class", "/sys/module",
                                  "/dev", "/proc/sys/kernel", "/run", "/etc", "/lib/modules"})
        putDirectory(directory);
}

void FakeKernel::addDriver(FakeDriver driver) {
    if (!driver.module.empty()) {
        auto& module = modules_[driver.module];
        module.loaded = true;
        module.drivers.push_back(driver);
    }
    registerDriver(driver, false);
}

void FakeKernel::addUnloadedModule(std::vector<FakeDriver> drivers) {
    for (auto& driver : drivers) {
        if (driver.module.empty())
            throw std::invalid_argument("driver " + driver.name + " names no module to be loaded from");
        modules_[driver.module].drivers.push_back(std::move(driver));
    }
}

void FakeKernel::addVfioPci(bool loaded) {
    const FakeDriver driver{.name = "vfio-pci",
                            .module = "vfio_pci",
                            .overrideOnlyIds = {":"},
                            .managedDma = true,
                            .vfio = true,
                            .sriov = true};
    if (loaded)
        addDriver(driver);
    else
        addUnloadedModule({driver});
    modules_["vfio"].parameters = {{"enable_unsafe_noiommu_mode", "N"}};
    modules_["vfio_iommu_type1"].parameters = {{"allow_unsafe_interrupts", "N"}, {"disable_hugepages", "N"}};
    modules_["vfio_pci"].parameters = {{"disable_denylist", "N"},
                                       {"disable_idle_d3", "N"},
                                       {"disable_vga", "N"},
                                       {"enable_sriov", "N"},
                                       {"nointxmask", "N"}};
    modules_["vfio"].loaded = modules_["vfio_iommu_type1"].loaded = loaded;
}

std::string FakeKernel::placeOf(const FakeDevice& device) const {
    const std::string bus = busOf(device.address);
    if (const auto* bridge = bridgeTo(bus))
        return bridge->place + '/' + device.address;
    const auto parent = rootBusParents_.find(bus);
    const std::string above =
        parent == rootBusParents_.end() ? "/sys/devices" : functions_.at(parent->second).place;
    return above + "/pci" + bus + '/' + device.address;
}

const FakeKernel::Function* FakeKernel::bridgeTo(const std::string& domainBus) const {
    for (const auto& [address, device] : functions_)
        if (device.secondaryBus &&
            fmt::format("{}:{:02x}", domainOf(address), *device.secondaryBus) == domainBus)
            return &device;
    return nullptr;
}

FakeKernel::Function& FakeKernel::insert(FakeDevice device) {
    if (!hasForm(device.address, "hhhh:hh:hh.h") && !hasForm(device.address, "hhhhh:hh:hh.h"))
        throw std::invalid_argument("fake device '" + device.address +
                                    "': wanted a full address, 0000:01:00.0");
    if (!hasForm(device.ids, "hhhh:hhhh") || !hasForm(device.subsystem, "hhhh:hhhh"))
        throw std::invalid_argument("fake device " + device.address + ": wanted ids as 10de:1284");
    for (auto* text : {&device.ids, &device.subsystem})
        std::ranges::transform(*text, text->begin(),
                               [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (functions_.contains(device.address))
        throw std::invalid_argument("fake device " + device.address + " is there already");
    if (!device.headerType)
        device.headerType = device.classCode >> 8 == 0x0604 ? 1 : 0;
    if (*device.headerType == 1 && !device.secondaryBus) {
        unsigned bus = 1;
        while (bridgeTo(fmt::format("{}:{:02x}", domainOf(device.address), bus)) != nullptr)
            ++bus;
        device.secondaryBus = bus;
    }
    Function function;
    function.place = placeOf(device);
    function.enabledResets = function.possibleResets = device.resetMethods;
    static_cast<FakeDevice&>(function) = std::move(device);
    const std::string address = function.address;
    return functions_.insert_or_assign(address, std::move(function)).first->second;
}

void FakeKernel::addDevice(FakeDevice device) {
    const std::string wanted = std::exchange(device.driver, {});
    const std::string address = device.address;
    insert(std::move(device));
    if (wanted.empty())
        return;
    if (driver(wanted) == nullptr)
        throw std::invalid_argument("fake device " + address + ": no driver " + wanted + " was added before");
    quiet_ = true;
    const auto probe = attach(address, wanted);
    quiet_ = false;
    if (probe.code != 0)
        throw std::invalid_argument("fake device " + address + ": " + wanted + " refuses it");
}

unsigned FakeKernel::addRootPort(const std::string& address, std::optional<unsigned> group,
                                 std::optional<unsigned> secondaryBus) {
    if (driver("pcieport") == nullptr)
        addDriver(
            {.name = "pcieport", .module = "", .ids = {"::0604"}, .managedDma = true, .portsOnly = true});
    addDevice({.address = address,
               .ids = "8086:1901",
               .classCode = 0x060400,
               .group = group,
               .driver = "pcieport",
               .secondaryBus = secondaryBus,
               .resetMethods = "pm"});
    return *functions_.at(address).secondaryBus;
}

void FakeKernel::addRootBus(const std::string& bus, const std::string& parentDevice) {
    if (!functions_.contains(parentDevice))
        throw std::invalid_argument("root bus " + bus + ": no device " + parentDevice);
    rootBusParents_[bus] = parentDevice;
}

void FakeKernel::hotplug(FakeDevice device) {
    if (!device.driver.empty() || !device.driverOverride.empty())
        throw std::invalid_argument("a hot-plugged device has neither driver nor override: " +
                                    device.address);
    const std::string address = device.address;
    removed_.erase(address);
    const bool alone =
        std::ranges::none_of(functions_, [&](const auto& f) { return busOf(f.first) == busOf(address); });
    auto& function = insert(std::move(device));
    if (!alone) { // pci_parent_bus_reset: who has company as he is added cannot be reset with his bus
        auto methods = split(function.resetMethods, ' ');
        std::erase(methods, "bus");
        function.resetMethods = function.enabledResets = fmt::format("{}", fmt::join(methods, " "));
    }
    function.matchable = false;
    emit("add", function);
    if (!addWindow)
        finishAdd(address);
}

void FakeKernel::finishAdd(const std::string& address) {
    auto* device = function(address);
    if (device == nullptr || device->matchable)
        return;
    device->matchable = true;
    attachAny(address);
}

void FakeKernel::unplug(const std::string& address) {
    if (!functions_.contains(address))
        throw std::invalid_argument("unplug: no device " + address);
    const std::string before = std::exchange(currentPath_, "surprise removal of " + address);
    removing_ = true;
    try {
        unplugThen(address, {});
    } catch (const Hung&) {
        // The kernel's hotplug thread waits; finishHang() or endProcess() lets it go on.
    }
    removing_ = false;
    currentPath_ = before;
    settle();
}

void FakeKernel::unplugThen(const std::string& address, const Continuation& then) {
    const auto* device = function(address);
    if (device == nullptr) {
        if (then)
            then(*this);
        return;
    }
    // VFs first (pci_iov_remove is called when the PF goes), then what is behind a bridge, the last first.
    std::string dependent = device->vfs.empty() ? "" : device->vfs.front();
    for (const auto& [other, below] : functions_)
        if (dependent.empty() && below.place.starts_with(device->place + '/'))
            dependent = other;
    if (!dependent.empty()) {
        unplugThen(dependent, [address, then](FakeKernel& kernel) { kernel.unplugThen(address, then); });
        return;
    }
    detachThen(address, [address, then](FakeKernel& kernel) {
        kernel.removeNow(address);
        if (then)
            then(kernel);
    });
}

void FakeKernel::removeNow(const std::string& address) {
    const auto it = functions_.find(address);
    if (it == functions_.end())
        return;
    const Function gone = it->second;
    if (auto* pf = function(gone.physfn))
        std::erase(pf->vfs, address);
    functions_.erase(it);
    if (gone.group && membersOf(*gone.group).empty())
        dissolvedGroups_.insert(*gone.group);
    std::erase_if(extra_, [&](const auto& node) { return node.first.starts_with(gone.place + '/'); });
    emit("remove", gone);
}

FakeKernel::Errno FakeKernel::setNumVfs(Function& pf, unsigned count) {
    if (count > pf.totalVfs)
        return ERANGE;
    takeLock(pf.address);
    if (count == pf.vfs.size())
        return 0;
    const auto* driverOfPf = driver(pf.driver);
    if (driverOfPf == nullptr || !driverOfPf->sriov)
        return ENOENT;
    if (driverOfPf->name == "vfio-pci" && parameter("vfio_pci", "enable_sriov") != "Y")
        return ENOENT;
    const std::string address = pf.address;
    if (count == 0) {
        ++pf.locks;
        dropVfs(address);
        return 0;
    }
    if (!pf.vfs.empty())
        return EBUSY;
    if (takeHang()) {
        ++pf.locks;
        hangUntil({.finish = [address, count](FakeKernel& kernel) {
            if (auto* device = kernel.function(address)) {
                --device->locks;
                kernel.setNumVfs(*device, count);
            }
        }});
    }
    for (unsigned i = 0; i < count && functions_.contains(address); ++i)
        addVf(address, i);
    return 0;
}

void FakeKernel::dropVfs(const std::string& pf) {
    auto* device = function(pf);
    if (device == nullptr)
        return;
    if (device->vfs.empty())
        --device->locks;
    else
        unplugThen(device->vfs.front(), [pf](FakeKernel& kernel) { kernel.dropVfs(pf); });
}

void FakeKernel::addVf(const std::string& pfAddress, unsigned index) {
    const auto& pf = functions_.at(pfAddress);
    const auto bus = std::stoul(pfAddress.substr(pfAddress.rfind(':') - 2, 2), nullptr, 16);
    const auto device = std::stoul(pfAddress.substr(pfAddress.rfind(':') + 1, 2), nullptr, 16);
    const auto id = (bus << 8 | device << 3 | static_cast<unsigned long>(pfAddress.back() - '0')) +
                    pf.vfOffset + std::size_t{pf.vfStride} * index;
    FakeDevice vf{.address =
                      fmt::format("{}:{:02x}:{:02x}.{}", domainOf(pfAddress), id >> 8, id >> 3 & 31, id & 7),
                  .ids = pf.vfIds,
                  .subsystem = pf.subsystem,
                  .classCode = pf.classCode};
    if (pf.group)
        vf.group = freeGroup();
    auto& function = insert(std::move(vf));
    function.physfn = pfAddress;
    function.linked = !lateLinks;
    function.place = parentOf(pf.place) + '/' + function.address;
    function.matchable = false;
    // vfio_pci_bus_notifier: user space owns the PF, so its VFs must not go to a native driver by themselves.
    if (const auto* owner = driver(pf.driver); owner != nullptr && owner->vfio)
        function.driverOverride = owner->vfioName.empty() ? owner->name : owner->vfioName;
    functions_.at(pfAddress).vfs.push_back(function.address);
    const std::string address = function.address;
    emit("add", function);
    finishAdd(address);
}

void FakeKernel::linkFunctions() {
    for (auto& [address, function] : functions_)
        if (!std::exchange(function.linked, true))
            emit("change", function);
}

unsigned FakeKernel::freeGroup() const {
    std::set<unsigned> used;
    for (const auto& [address, device] : functions_)
        if (device.group)
            used.insert(*device.group);
    unsigned group = 0;
    while (used.contains(group))
        ++group;
    return group;
}

FakeKernel::Function* FakeKernel::function(const std::string& address) {
    const auto it = functions_.find(address);
    return it == functions_.end() ? nullptr : &it->second;
}

const FakeKernel::Function* FakeKernel::function(const std::string& address) const {
    const auto it = functions_.find(address);
    return it == functions_.end() ? nullptr : &it->second;
}

std::string FakeKernel::driverOf(const std::string& address) const {
    const auto& device = functions_.at(address);
    return device.driverLink ? device.driver : "";
}

std::string FakeKernel::overrideOf(const std::string& address) const {
    return functions_.at(address).driverOverride;
}

std::map<std::string, std::string> FakeKernel::state() const {
    std::map<std::string, std::string> found;
    for (const auto& [address, device] : functions_)
        found[address] = fmt::format("driver={} override={}", driverOf(address), device.driverOverride);
    for (const auto& one : drivers_)
        for (const auto& id : one.dynamicIds)
            found[fmt::format("{} new_id {:04x}:{:04x}", one.name, id.vendor.value_or(0),
                              id.device.value_or(0))] = "";
    return found;
}

std::string FakeKernel::str(const std::map<std::string, std::string>& state) {
    std::string text;
    for (const auto& [key, value] : state)
        text += key + ' ' + value + '\n';
    return text;
}

} // namespace vfiobind
