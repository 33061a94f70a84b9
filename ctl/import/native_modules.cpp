// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/native_modules.h"

#include "guard/look.h"
#include "modules/kernel_words.h"
#include "pci/text.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <optional>

namespace vfiobind::ctl {
namespace {

constexpr std::uint16_t amd = 0x1002;
constexpr std::uint16_t intel = 0x8086;
constexpr std::uint8_t sound = 0x04;

/// What is known of a device that a claim names.
struct Known {
    std::optional<std::uint16_t> vendor;
    std::optional<std::uint16_t> device;
    std::optional<std::uint8_t> baseClass;
    std::optional<std::uint8_t> subclass;
};

Known knownOf(const Ids& ids) {
    return {ids.vendor, ids.device, ids.baseClass(), static_cast<std::uint8_t>(ids.classId())};
}

Known knownOf(const Selector& selector) {
    if (!selector.id)
        return {};
    Known known{selector.id->vendor, selector.id->device, {}, {}};
    if (selector.id->classValue && (selector.id->classMask & 0xff00) == 0xff00)
        known.baseClass = static_cast<std::uint8_t>(*selector.id->classValue >> 8);
    if (selector.id->classValue && selector.id->classMask == 0xffff)
        known.subclass = static_cast<std::uint8_t>(*selector.id->classValue);
    return known;
}

/// The fields of `pci:v000010DEd*sv*sd*bc03sc*i*` between their tags; none where it is no such alias.
std::optional<std::array<std::string_view, 7>> fieldsOf(std::string_view alias) {
    constexpr std::array<std::string_view, 7> tags{"v", "d", "sv", "sd", "bc", "sc", "i"};
    if (!alias.starts_with("pci:"))
        return std::nullopt;
    alias.remove_prefix(4);
    std::array<std::string_view, 7> fields;
    for (std::size_t i = 0; i < tags.size(); ++i) {
        if (!alias.starts_with(tags[i]))
            return std::nullopt;
        alias.remove_prefix(tags[i].size());
        // Digits are of upper case, tags of lower.
        const auto end = i + 1 < tags.size() ? alias.find(tags[i + 1]) : alias.size();
        if (end == std::string_view::npos)
            return std::nullopt;
        fields[i] = alias.substr(0, end);
        alias.remove_prefix(end);
    }
    return fields;
}

/// Whether a field holds; what is not known fits only where the alias names the maker.
template <typename T>
bool fits(std::string_view field, const std::optional<T>& value, bool unknownFits) {
    if (field == "*")
        return true;
    if (!value)
        return unknownFits;
    const auto wanted = parseHex<std::uint32_t>(field, 1, 8);
    return wanted && *wanted == *value;
}

bool serves(const std::array<std::string_view, 7>& alias, const Known& known) {
    const bool byMaker = alias[0] != "*" && known.vendor;
    return fits(alias[0], known.vendor, false) && fits(alias[1], known.device, byMaker) &&
           fits(alias[4], known.baseClass, byMaker) && fits(alias[5], known.subclass, byMaker);
}

void addByAliases(const std::string& aliases, const std::vector<Known>& devices,
                  std::set<std::string>& modules) {
    for (const auto line : split(aliases, '\n')) {
        const auto words = split(line, ' ');
        if (words.size() != 3 || words[0] != "alias")
            continue;
        const auto fields = fieldsOf(words[1]);
        if (fields && std::ranges::any_of(devices, [&](const Known& one) { return serves(*fields, one); }))
            modules.insert(underscored(std::string(words[2])));
    }
}

struct GuidesModule {
    const char* name;
    std::uint16_t vendor;
    std::uint8_t baseClass;
};
constexpr std::array<GuidesModule, 13> guidesModules{
    {{"nouveau", pcivendor::nvidia, pciclass::display},
     {"lbm_nouveau", pcivendor::nvidia, pciclass::display},
     {"nvidia", pcivendor::nvidia, pciclass::display},
     {"nvidiafb", pcivendor::nvidia, pciclass::display},
     {"nvidia_drm", pcivendor::nvidia, pciclass::display},
     {"nvidia_uvm", pcivendor::nvidia, pciclass::display},
     {"nvidia_modeset", pcivendor::nvidia, pciclass::display},
     {"radeon", amd, pciclass::display},
     {"amdgpu", amd, pciclass::display},
     {"i915", intel, pciclass::display},
     {"xe", intel, pciclass::display},
     {"snd_hda_intel", pcivendor::nvidia, sound},
     {"snd_hda_intel", amd, sound}}};

/// A graphics card's audio function is often named by the card's address alone.
bool mayServe(const GuidesModule& module, const Known& known) {
    const bool vendor = !known.vendor || *known.vendor == module.vendor;
    // Intel makes much besides.
    const bool kind = known.baseClass ? *known.baseClass == module.baseClass : module.vendor != intel;
    return vendor && kind;
}

/// All that the claims name in the machine with what comes along, and what else is known of the others.
std::vector<Known> devicesOf(const ImportContext& context, const std::vector<Claim>& claims,
                             std::set<std::string>& modules) {
    std::set<Address> there;
    std::vector<Known> devices;
    for (const auto& claim : claims) {
        bool found = false;
        for (const auto& [address, device] : context.topology.devices())
            if (device.endpoint() && claim.selector.match(device.facts()) == Match::yes) {
                found = true;
                there.insert(address);
                if (device.group)
                    for (const auto* member : context.topology.endpoints(*device.group))
                        there.insert(member->address);
            }
        if (!found)
            devices.push_back(knownOf(claim.selector));
    }
    for (const auto& address : there) {
        const auto& device = *context.topology.find(address);
        devices.push_back(knownOf(device.ids));
        if (!device.driver.empty() && !device.onVfio())
            modules.insert(underscored(device.driver));
    }
    return devices;
}

} // namespace

NativeModules::NativeModules(const ImportContext& context, const std::vector<Claim>& claims) {
    constexpr std::size_t largest = 16 << 20;
    const auto devices = devicesOf(context, claims, modules_);
    for (const auto& release :
         listIfThere(context.sysfs, "/lib/modules").value_or(std::vector<std::string>{}))
        if (const auto aliases = context.sysfs.read("/lib/modules/" + release + "/modules.alias", largest))
            addByAliases(*aliases, devices, modules_);
    for (const auto& module : guidesModules)
        if (std::ranges::any_of(devices, [&](const Known& one) { return mayServe(module, one); }))
            modules_.insert(module.name);
}

} // namespace vfiobind::ctl
