// SPDX-License-Identifier: LGPL-2.1-or-later
// Real machines from tests/topologies: their listings lack bus numbers behind bridges, often drivers and
// programming interfaces; what is missing is filled in as such machines have it.
#include "fake/fake_kernel.h"
#include "fake/text.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace vfiobind {

using namespace faketext;

namespace {

struct Listed {
    FakeDevice device;
    std::string description;
    unsigned bus = 0;
    bool virtualFunction = false;
    bool used = false;             ///< a bridge with a bus behind it
    std::size_t parent = SIZE_MAX; ///< the bridge that it is behind

    bool bridge() const { return device.classCode >> 8 == 0x0604; }
    std::string vendor() const { return device.ids.substr(0, 4); }
    bool describedAs(const char* words) const { return description.find(words) != std::string::npos; }
};

/// The programming interface that devices of a class have where the listing gives four digits only.
unsigned progIf(unsigned classId, const Listed& listed) {
    if (classId == 0x0108)
        return 0x02; // NVM Express
    if (classId == 0x0106)
        return 0x01; // AHCI
    if (classId == 0x0c03)
        return listed.describedAs("EHCI") ? 0x20 : listed.describedAs("OHCI") ? 0x10 : 0x30;
    return 0;
}

std::string networkDriver(const Listed& listed) {
    const std::string vendor = listed.vendor();
    if (vendor == "8086") {
        if (listed.virtualFunction)
            return "igbvf";
        return listed.describedAs("I210") || listed.describedAs("I211") || listed.describedAs("82576")
                   ? "igb"
                   : "e1000e";
    }
    static const std::map<std::string, std::string> others{
        {"10ec", "r8169"}, {"1d6a", "atlantic"}, {"15b3", "mlx5_core"}, {"14e4", "tg3"}, {"1969", "alx"}};
    const auto it = others.find(vendor);
    return it == others.end() ? "" : it->second;
}

/// The driver that a stock kernel binds, as far as it is beyond doubt; none else.
std::string usualDriver(const Listed& listed) {
    const unsigned classId = listed.device.classCode >> 8;
    const std::string vendor = listed.vendor();
    switch (classId) {
    case 0x0300:
    case 0x0302:
    case 0x0380: {
        static const std::map<std::string, std::string> display{
            {"8086", "i915"}, {"1002", "amdgpu"}, {"10de", "nouveau"}, {"1a03", "ast"}};
        const auto it = display.find(vendor);
        return it == display.end() ? "" : it->second;
    }
    case 0x0403:
        return "snd_hda_intel";
    case 0x0106:
        return "ahci";
    case 0x0108:
        return "nvme";
    case 0x0200:
    case 0x0207:
        return networkDriver(listed);
    case 0x0280:
        return vendor == "8086" ? "iwlwifi" : "";
    case 0x0c03:
        return listed.describedAs("EHCI") ? "ehci-pci" : listed.describedAs("OHCI") ? "ohci-pci" : "xhci_hcd";
    case 0x0c05:
        return vendor == "8086" ? "i801_smbus" : vendor == "1022" || vendor == "1002" ? "piix4_smbus" : "";
    case 0x0780:
        return vendor == "8086" ? "mei_me" : "";
    case 0x0604:
        return listed.describedAs("PCI-to-PCI") || listed.describedAs("to PCI Bridge") ||
                       listed.describedAs("82801 PCI Bridge") || listed.describedAs("FCH PCI Bridge")
                   ? ""
                   : "pcieport";
    default:
        return "";
    }
}

Listed readListed(const nlohmann::json& entry) {
    const auto text = [&](const char* key) {
        return entry.at(key).is_null() ? std::string() : entry.at(key).get<std::string>();
    };
    Listed listed;
    listed.description = text("description");
    listed.virtualFunction = listed.describedAs("Virtual Function");
    auto& device = listed.device;
    device.address = text("address");
    device.ids = text("vendor") + ':' + text("device");
    if (const auto subsystem = text("subsystem"); !subsystem.empty())
        device.subsystem = subsystem;
    const auto classId = static_cast<unsigned>(std::stoul(text("class"), nullptr, 16));
    device.classCode = classId << 8 | progIf(classId, listed);
    if (!entry.at("group").is_null())
        device.group = entry.at("group").get<unsigned>();
    device.driver = text("driver");
    listed.bus = static_cast<unsigned>(
        std::stoul(device.address.substr(device.address.rfind(':') - 2, 2), nullptr, 16));
    return listed;
}

bool sharesGroup(const Listed& a, const Listed& b) {
    return a.device.group && a.device.group == b.device.group;
}

/// Chooses the bridge that a bus is behind. Firmware numbers depth first, so the highest bus so far goes
/// first; a device in its bridge's group is likely behind it; and behind a bridge that is not isolated from
/// the bridge above it everything is of that one group.
std::size_t bridgeFor(const std::vector<Listed>& all, const std::string& domain, unsigned bus) {
    const auto inDomain = [&](const Listed& listed) { return domainOf(listed.device.address) == domain; };
    std::size_t best = SIZE_MAX;
    int bestScore = -1;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto& bridge = all[i];
        if (!inDomain(bridge) || !bridge.bridge() || bridge.used || bridge.bus >= bus)
            continue;
        const auto below = [&](const Listed& listed) { return inDomain(listed) && listed.bus == bus; };
        const bool sharing = std::ranges::any_of(
            all, [&](const Listed& listed) { return below(listed) && sharesGroup(listed, bridge); });
        const bool open = bridge.parent != SIZE_MAX && sharesGroup(bridge, all[bridge.parent]);
        if (open && !sharing)
            continue;
        const int score = static_cast<int>(bridge.bus) + (sharing ? 256 : 0);
        if (score > bestScore) {
            bestScore = score;
            best = i;
        }
    }
    return best;
}

/// Gives every bridge a bus. A bus that no bridge is left for is a root bus of its own, as big servers have
/// them.
void numberBuses(std::vector<Listed>& all) {
    std::map<std::string, std::set<unsigned>> buses;
    for (const auto& listed : all)
        buses[domainOf(listed.device.address)].insert(listed.bus);
    for (auto& [domain, used] : buses) {
        for (auto it = std::next(used.begin()); it != used.end(); ++it) {
            const auto bridge = bridgeFor(all, domain, *it);
            if (bridge == SIZE_MAX)
                continue;
            all[bridge].used = true;
            all[bridge].device.secondaryBus = *it;
            for (auto& listed : all)
                if (domainOf(listed.device.address) == domain && listed.bus == *it)
                    listed.parent = bridge;
        }
        for (auto& listed : all)
            if (domainOf(listed.device.address) == domain && listed.bridge() && !listed.used)
                listed.device.secondaryBus = *used.insert(*used.rbegin() + 1).first;
    }
}

} // namespace

void FakeKernel::loadTopologyFile(const std::string& path) {
    std::ifstream file(path);
    if (!file)
        throw std::invalid_argument("no topology file " + path);
    const auto document = nlohmann::json::parse(file);
    const bool driversStated = document.value("notes", "").find("driver null means") != std::string::npos;
    std::vector<Listed> all;
    for (const auto& entry : document.at("devices"))
        all.push_back(readListed(entry));
    std::ranges::sort(all, {}, [](const Listed& listed) { return listed.device.address; });
    numberBuses(all);

    std::map<std::string, std::set<std::string>> tables;
    bool anyGroup = false;
    for (auto& listed : all) {
        const std::string usual = usualDriver(listed);
        if (listed.device.driver.empty() && !driversStated)
            listed.device.driver = usual;
        for (const auto& name : {usual, listed.device.driver})
            if (!name.empty() && name != "vfio-pci")
                tables[name].insert(name == "pcieport" ? "::0604" : listed.device.ids);
        anyGroup = anyGroup || listed.device.group;
    }
    if (!anyGroup)
        setIommu({});
    if (driver("vfio-pci") == nullptr)
        addVfioPci();
    for (const auto& [name, ids] : tables)
        if (driver(name) == nullptr) {
            std::string module = name;
            std::ranges::replace(module, '-', '_');
            addDriver({.name = name,
                       .module = name == "pcieport" ? "" : module,
                       .ids = {ids.begin(), ids.end()},
                       .managedDma = name == "pcieport",
                       .portsOnly = name == "pcieport",
                       .sriov = true});
        }
    for (const auto& listed : all)
        if (!listed.virtualFunction)
            addDevice(listed.device);

    // A VF's PF is on the same bus; of several, their VFs alternate (VF Stride of the SR-IOV capability).
    for (const auto& listed : all) {
        if (!listed.virtualFunction)
            continue;
        std::vector<std::string> candidates;
        for (const auto& other : all)
            if (!other.virtualFunction && busOf(other.device.address) == busOf(listed.device.address) &&
                other.vendor() == listed.vendor() && other.device.classCode == listed.device.classCode)
                candidates.push_back(other.device.address);
        if (candidates.empty())
            throw std::invalid_argument(path + ": no physical function for " + listed.device.address);
        const auto number = static_cast<unsigned>(listed.device.address.back() - '0');
        adoptVf(listed.device, candidates[number % candidates.size()],
                static_cast<unsigned>(candidates.size()));
    }
}

void FakeKernel::adoptVf(FakeDevice vf, const std::string& pfAddress, unsigned stride) {
    auto& pf = functions_.at(pfAddress);
    const auto slot = [](const std::string& address) {
        const auto at = address.rfind(':') + 1;
        return static_cast<unsigned>(std::stoul(address.substr(at, 2), nullptr, 16) * 8) +
               static_cast<unsigned>(address.back() - '0');
    };
    if (pf.vfs.empty()) {
        pf.vfIds = vf.ids;
        pf.vfOffset = slot(vf.address) - slot(pfAddress);
        pf.vfStride = stride;
    }
    const std::string address = vf.address;
    const std::string wanted = std::exchange(vf.driver, {});
    auto& function = insert(std::move(vf));
    function.physfn = pfAddress;
    function.place = parentOf(pf.place) + '/' + address;
    pf.vfs.push_back(address);
    pf.totalVfs = static_cast<unsigned>(pf.vfs.size());
    if (!wanted.empty()) {
        quiet_ = true;
        attach(address, wanted);
        quiet_ = false;
    }
}

} // namespace vfiobind
