// SPDX-License-Identifier: LGPL-2.1-or-later
#include "config/drop_in.h"

#include <sstream>
#include <string_view>
#include <toml++/toml.h>

namespace vfiobind {
namespace {

/// Without doubles, in their order.
toml::array listOf(const std::vector<std::string>& words) {
    toml::array list;
    for (auto word = words.begin(); word != words.end(); ++word)
        if (std::find(words.begin(), word, *word) == word)
            list.push_back(*word);
    return list;
}

} // namespace

std::string toToml(const DropInRule& rule, const std::vector<std::string>& comment) {
    toml::array devices;
    std::vector<std::string> members;
    for (const auto& [address, ids] : rule.devices) {
        toml::table device{{"address", address.str()}, {"id", ids.str()}};
        device.is_inline(true);
        devices.push_back(std::move(device));
        members.push_back(ids.str());
    }
    toml::table bind{{"name", rule.name}, {"devices", std::move(devices)}, {"members", listOf(members)}};
    if (rule.driver)
        bind.insert("driver", *rule.driver);
    if (rule.method)
        bind.insert("method", *rule.method == Method::newId ? "new-id" : "override");
    if (!rule.allow.empty())
        bind.insert("allow", listOf(rule.allow));
    std::ostringstream text;
    for (const auto& line : comment)
        text << "# " << line << '\n';
    const toml::table document{{"bind", toml::array{std::move(bind)}}};
    text << toml::toml_formatter(document, toml::format_flags::none) << '\n';
    return std::move(text).str();
}

} // namespace vfiobind
