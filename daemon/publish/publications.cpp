// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publications.h"

#include "guard/holders.h"
#include "publish/cdi.h"
#include "publish/publishers.h"
#include "show/views.h"

#include <algorithm>
#include <chrono>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

/// The pause between two writes; what is published must be true 10 ms after a job's end.
constexpr auto pauseBetweenFiles = 5ms;

double secondsSince(std::uint64_t usec) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto past = now - std::chrono::microseconds(usec);
    return std::max(0.0,
                    std::chrono::duration<double>(past).count()); // the clock may have been set meanwhile
}

/// Empty where one has none: half a group is of no use.
std::vector<std::string> cdevsOf(const Core& core, unsigned group) {
    std::vector<std::string> cdevs;
    for (const auto* device : core.topology().endpoints(group)) {
        cdevs.push_back(vfioDeviceNode(core.machine().sysfs(), device->address));
        if (cdevs.back().empty())
            return {};
    }
    return cdevs;
}

} // namespace

void Publications::note(const Changes& changes) {
    changed_.insert(changes.groups.begin(), changes.groups.end());
    allChanged_ = allChanged_ || changes.manager;
    dirty_ = dirty_ || !changes.groups.empty() || changes.manager;
}

void Publications::jobEnded(const JobView& job, const std::string& result) {
    ++jobs_.ended[{job.kind, result}];
    jobs_.seconds += secondsSince(job.startedUsec);
    dirty_ = true;
}

const std::vector<std::string>& Publications::sync(const Core& core) {
    if (dirty_ && !pause_) {
        publish(core);
        // The loop comes round for it, and what has changed meanwhile is published then.
        pause_ = loop_.timer(pauseBetweenFiles, [this] { pause_.reset(); });
    }
    return warnings_;
}

void Publications::lookAt(const Core& core, unsigned group) {
    const auto view = groupView(core, group);
    if (core.topology().findGroup(group) == nullptr || (view.rule.empty() && view.state == "native")) {
        groups_.erase(group);
        return;
    }
    PublishedGroup published{.number = group, .rule = view.rule, .state = view.state, .node = view.node};
    if (view.state == "bound") // no other group is offered, and this reads the class of each device
        published.cdevs = cdevsOf(core, group);
    published.leases = static_cast<unsigned>(core.intent().leases().leasesOn(group).size());
    published.leasedOnly = core.intent().isLeasedOnly(group);
    for (const auto& blocker : view.blockers)
        if (std::ranges::find(published.blockers, blocker.code) == published.blockers.end())
            published.blockers.push_back(blocker.code);
    groups_.insert_or_assign(group, std::move(published));
}

/// Of what rules want, bound or not, as the nodes have them; and of what is bound without one.
std::map<unsigned, std::string> Publications::namesOf(const Core& core) const {
    auto named = groupsOfRules(core.topology(), core.intent().resolution());
    for (const auto& [number, group] : groups_)
        if (const auto endpoints = core.topology().endpoints(number);
            !endpoints.empty() && std::ranges::find(named, number, &RuleGroup::number) == named.end())
            named.push_back({number, group.rule, endpoints.front()->address});
    return cdiNames(named);
}

void Publications::publish(const Core& core) {
    if (std::exchange(allChanged_, false)) {
        groups_.clear();
        for (const auto& [number, group] : core.topology().groups())
            changed_.insert(number);
    }
    for (const auto group : std::exchange(changed_, {}))
        lookAt(core, group);
    const auto names = namesOf(core);
    PublishState state{.cdiKind = core.intent().policy().publish.cdiKind,
                       .cdiNodes = core.intent().policy().publish.cdiNodes,
                       .jobs = jobs_,
                       .configError = !core.intent().configError().empty()};
    for (const auto& [number, group] : groups_)
        if (const auto name = names.find(number); name != names.end()) {
            state.groups.push_back(group);
            state.groups.back().name = name->second;
        }
    dirty_ = false;
    warnings_ = files_.bring(core.intent().policy().publish, state);
    if (auto lack = cdiLack(state); core.intent().policy().publish.cdi && !lack.empty())
        warnings_.push_back(std::move(lack));
}

} // namespace vfiobind
