// SPDX-License-Identifier: LGPL-2.1-or-later
#include "rules/group_names.h"

namespace vfiobind {

std::vector<RuleGroup> groupsOfRules(const Topology& topology, const Resolution& resolution) {
    std::vector<RuleGroup> result;
    for (const auto* groups : {&resolution.groups, &resolution.asked})
        for (const auto& [number, wanted] : *groups)
            if (const auto endpoints = topology.endpoints(number); !endpoints.empty())
                result.push_back({number, wanted.rule, endpoints.front()->address});
    return result;
}

std::map<unsigned, std::string> groupNames(const std::vector<RuleGroup>& groups) {
    std::map<std::string, std::map<Address, unsigned>> byRule;
    for (const auto& group : groups)
        if (!group.rule.empty())
            byRule[group.rule].emplace(group.first, group.number);
    std::map<unsigned, std::string> names;
    for (const auto& [rule, members] : byRule)
        for (const auto& [first, number] : members)
            names.emplace(number, first == members.begin()->first ? rule : rule + '-' + first.str());
    return names;
}

} // namespace vfiobind
