// SPDX-License-Identifier: LGPL-2.1-or-later
#include "show/describe.h"

#include "core.h"
#include "show/views.h"
#include "view/view_json.h"

#include <nlohmann/json.hpp>
#include <ranges>

namespace vfiobind {
namespace {

using Json = nlohmann::ordered_json;

ManagerView managerWithMatches(const Core& core) {
    auto manager = managerView(core);
    const auto& matched = core.intent().resolution().devicesOfRules;
    for (auto& rule : manager.rules) {
        const auto found = matched.find(rule.name);
        rule.matches = found == matched.end() ? std::set<Address>{} : found->second;
    }
    return manager;
}

/// The group as the user may see it.
GroupView groupFor(const Core& core, unsigned group, uid_t uid) {
    auto view = groupView(core, group);
    view.blockers = forReader(view.blockers, uid);
    for (auto& holder : view.holders)
        if (uid != 0 && uid != holder.uid)
            holder.command = holder.program;
    view.leases.clear();
    for (const auto* lease : core.intent().leases().leasesOn(group)) {
        const bool mayKnow = uid == 0 || uid == lease->uid;
        view.leases.push_back(
            {lease->uid, lease->sinceUsec, mayKnow ? std::optional(lease->what) : std::nullopt});
    }
    return view;
}

} // namespace

std::string describe(const Core& core, uid_t uid) {
    auto document = jsonOf(managerWithMatches(core));
    auto groups = Json::array();
    for (const auto number : core.topology().groups() | std::views::keys)
        groups.push_back(jsonOf(groupFor(core, number, uid), groupType(core, number)));
    auto devices = Json::array();
    for (const auto& address : core.topology().devices() | std::views::keys)
        devices.push_back(jsonOf(deviceView(core, address), deviceDetails(core, address)));
    auto jobs = Json::array();
    for (const auto* job : core.jobs())
        jobs.push_back(jsonOf(*job));
    document["groups"] = std::move(groups);
    document["devices"] = std::move(devices);
    document["jobs"] = std::move(jobs);
    return document.dump(1, ' ', false, Json::error_handler_t::replace);
}

} // namespace vfiobind
