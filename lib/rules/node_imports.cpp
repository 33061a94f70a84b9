// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/node_imports.h"

#include "rules/group_names.h"
#include "rules/udev_rules.h"

#include <fmt/format.h>
#include <string_view>
#include <vector>

namespace vfiobind {
namespace {

std::string importText(const std::string& name, const NodeAccess& node) {
    std::string text = fmt::format("VFIO_BIND_NAME=\"{}\"\n", name);
    const auto add = [&text](std::string_view key, const std::string& value) {
        if (udevSafe(value))
            text += fmt::format("VFIO_BIND_NODE_{}=\"{}\"\n", key, value);
    };
    add("OWNER", node.owner);
    add("GROUP", node.group);
    add("MODE", node.mode);
    return text;
}

} // namespace

NodeImports nodeImports(const Policy& policy, const Topology& topology, const Resolution& resolution) {
    std::vector<RuleGroup> groups;
    for (const auto& group : groupsOfRules(topology, resolution))
        if (udevSafe(group.rule))
            groups.push_back(group);
    const auto names = groupNames(groups);
    std::map<std::string_view, const Rule*> rules;
    for (const auto& rule : policy.rules)
        rules.emplace(rule.name, &rule);
    NodeImports imports;
    for (const auto& group : groups) {
        const auto rule = rules.find(group.rule);
        if (rule == rules.end())
            continue;
        const auto& name = names.at(group.number);
        const auto& access = rule->second->node;
        imports.groups.emplace(group.number, importText(name, access));
        for (const auto* device : topology.endpoints(group.number)) {
            const auto& address = device->address;
            const auto own = address == group.first ? name : fmt::format("{}-{}", group.rule, address.str());
            imports.devices.emplace(address, importText(own, access));
        }
    }
    return imports;
}

} // namespace vfiobind
