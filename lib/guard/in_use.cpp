// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/in_use.h"

#include "guard/idle.h"
#include "guard/look.h"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <ranges>
#include <set>
#include <string_view>

namespace vfiobind {
namespace {

constexpr std::array<std::string_view, 3> displayKinds{"drm", "graphics", "nvidia"};

const char* codeOf(const DeviceNode& node) {
    if (std::ranges::find(displayKinds, node.kind) != displayKinds.end())
        return "display-in-use";
    return node.kind == "sound" ? "sound-in-use" : "in-use";
}

bool hasOwnGuard(const DeviceNode& node) {
    return node.kind == "block" || node.kind == "vfio" || node.kind == "vfio-dev";
}

bool letsGo(const Sysfs& sysfs, const DeviceNode& node, const Opener& opener) {
    return isOfService(sysfs, opener.pid, "systemd-udevd") ||
           (node.kind == "input" && isOfService(sysfs, opener.pid, "systemd-logind"));
}

/// `/dev/ttyS4 (tty), /dev/ttyS5 (tty) and 1 more`; for a code that tells the kind without it.
std::string nodesText(const Sysfs& sysfs, const std::vector<const DeviceNode*>& nodes) {
    constexpr std::size_t shown = 3;
    std::string text;
    for (std::size_t i = 0; i < std::min(nodes.size(), shown); ++i) {
        const bool tellsKind = codeOf(*nodes[i]) == std::string_view("in-use");
        text += fmt::format("{}{}{}", i == 0 ? "" : ", ", nodeName(sysfs, *nodes[i]),
                            tellsKind ? fmt::format(" ({})", nodes[i]->kind) : "");
    }
    return nodes.size() > shown ? fmt::format("{} and {} more", text, nodes.size() - shown) : text;
}

/// Nodes that the same processes have open.
struct Use {
    std::vector<Opener> users;
    std::vector<const DeviceNode*> nodes;
};

Blocker blockerFor(const Sysfs& sysfs, const Address& device, const char* code, const Use& use) {
    std::set<unsigned> processes;
    for (const auto& user : use.users)
        processes.insert(user.pid);
    return {.code = code,
            .device = device,
            .sentence =
                fmt::format("{} has {} open, which {} of {}; end it first", named(use.users),
                            nodesText(sysfs, use.nodes), use.nodes.size() == 1 ? "is" : "are", device.str()),
            .processes = {processes.begin(), processes.end()},
            .details = detailsOf(use.users)};
}

} // namespace

SysResult<std::vector<DeviceNode>> usableNodes(const Sysfs& sysfs, const Address& device) {
    auto nodes = nodesBelow(sysfs, device);
    if (!nodes)
        return nodes;
    std::map<std::string, bool> idle; // by kind
    std::erase_if(*nodes, [&](const DeviceNode& node) {
        if (hasOwnGuard(node))
            return true;
        const auto known = idle.find(node.kind);
        return known != idle.end()
                   ? known->second
                   : idle.emplace(node.kind, noNodeIsOpen(sysfs, device, node.kind)).first->second;
    });
    return nodes;
}

Blockers inUseBlockers(const Sysfs& sysfs, const Address& device, const std::vector<DeviceNode>& nodes,
                       const Openers& openers) {
    Blockers blockers;
    for (const auto* code : {"display-in-use", "sound-in-use", "in-use"}) {
        const DeviceNode* first = nullptr;
        std::map<std::string, Use> used; // by the users' names
        for (const auto& node : nodes) {
            if (codeOf(node) != std::string_view(code))
                continue;
            first = first == nullptr ? &node : first;
            std::vector<Opener> users;
            std::ranges::copy_if(openers.found, std::back_inserter(users), [&](const Opener& opener) {
                return opener.device == node.number && !letsGo(sysfs, node, opener);
            });
            if (users.empty())
                continue;
            auto& use = used.try_emplace(named(users), Use{users, {}}).first->second;
            use.nodes.push_back(&node);
        }
        for (const auto& use : used | std::views::values)
            blockers.push_back(blockerFor(sysfs, device, code, use));
        if (used.empty() && first != nullptr && !openers.unreadable.empty())
            blockers.push_back(cannotTell(code, device,
                                          fmt::format("a process has {} open", nodeName(sysfs, *first)),
                                          openers.unreadable.front()));
    }
    return blockers;
}

} // namespace vfiobind
