// SPDX-License-Identifier: LGPL-2.1-or-later
#include "import/render.h"

#include "pci/text.h"

#include <fmt/format.h>

namespace vfiobind::ctl {
namespace {

/// What comes from outside may have a newline in it, which would end the comment.
std::string comment(std::string_view indent, const std::string& text) {
    return fmt::format("{}# {}\n", indent, printable(text));
}

/// The name of a card that is not there, by its id.
std::string nameById(const Selector& selector, const ImportContext& context) {
    if (!selector.id || !selector.id->vendor || !selector.id->device)
        return {};
    return context.name(Ids{.vendor = *selector.id->vendor, .device = *selector.id->device});
}

std::string deviceComments(const Selector& selector, const ImportContext& context) {
    std::string text;
    for (const auto& [address, device] : context.topology.devices())
        if (device.endpoint() && selector.match(device.facts()) == Match::yes) {
            const auto name = context.name(device.ids);
            text +=
                comment("    ", fmt::format("{} {}", address.str(), name.empty() ? device.ids.str() : name));
        }
    if (!text.empty())
        return text;
    auto what = nameById(selector, context);
    // Of a root without /sys it cannot be told.
    if (!context.topology.devices().empty())
        what += what.empty() ? "not in this machine now" : ", not in this machine now";
    return what.empty() ? what : comment("    ", what);
}

std::string deviceText(const ImportedDevice& device, const ImportContext& context) {
    std::string text = deviceComments(device.selector, context);
    for (const auto& place : device.places)
        text += comment("    ", place.str());
    const auto selector = device.selector.str();
    return text + (selector.starts_with('{') ? fmt::format("    {},\n", selector)
                                             : fmt::format("    \"{}\",\n", selector));
}

} // namespace

std::string renderToml(const ImportedRules& made, const ImportContext& context) {
    std::string text;
    if (!made.options.empty())
        text += "\n[vfio-pci]\n";
    for (const auto& [key, option] : made.options) {
        for (const auto& place : made.optionPlaces.at(key))
            text += comment("", place.str());
        text += fmt::format("{} = {}\n", key, option.value);
    }
    for (const auto& rule : made.rules) {
        text += fmt::format("\n[[bind]]\nname = \"{}\"\ndevices = [\n", rule.name);
        for (const auto& device : rule.devices)
            text += deviceText(device, context);
        text += "]\n";
        if (rule.asked)
            text += "when = \"asked\"\n";
        if (rule.driver != "auto")
            text += fmt::format("driver = \"{}\"\n", rule.driver);
    }
    return text.empty() ? text : "# Made by `vfio-bindctl import` from what was there before.\n" + text;
}

} // namespace vfiobind::ctl
