// SPDX-License-Identifier: LGPL-2.1-or-later
#include "publish/publishers.h"

#include <array>
#include <fmt/format.h>
#include <numeric>

namespace vfiobind {
namespace {

constexpr std::array<std::string_view, 2> kinds{"bind", "release"};
constexpr std::array<std::string_view, 4> results{"done", "failed", "rolled-back", "stuck"};

std::string head(std::string_view name, std::string_view type, std::string_view help) {
    return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

std::string groupStates(const PublishState& state) {
    auto text =
        head("vfio_bind_group_state", "gauge",
             "Always 1: the state of a group that a rule wants or that is not with its native drivers.");
    for (const auto& group : state.groups)
        text += fmt::format("vfio_bind_group_state{{group=\"{}\",rule=\"{}\",state=\"{}\"}} 1\n",
                            group.number, group.rule, group.state);
    return text;
}

std::string blockers(const PublishState& state) {
    auto text = head("vfio_bind_blocked", "gauge",
                     "Always 1: what keeps a group from being bound, by the blocker's code.");
    for (const auto& group : state.groups)
        for (const auto& code : group.blockers)
            text += fmt::format("vfio_bind_blocked{{group=\"{}\",code=\"{}\"}} 1\n", group.number, code);
    return text;
}

/// Every possible label is present with 0 at first, so that the first event of its kind is seen as a rise.
std::string jobs(const PublishState& state) {
    auto totals = state.jobs.ended;
    for (const auto kind : kinds)
        for (const auto result : results)
            totals.try_emplace({std::string(kind), std::string(result)});
    auto text = head("vfio_bind_jobs_total", "counter", "Jobs that have ended since the daemon began.");
    for (const auto& [what, count] : totals)
        text += fmt::format("vfio_bind_jobs_total{{kind=\"{}\",result=\"{}\"}} {}\n", what.first, what.second,
                            count);
    text += head("vfio_bind_job_seconds", "summary", "How long these jobs took.");
    return text + fmt::format("vfio_bind_job_seconds_sum {}\nvfio_bind_job_seconds_count {}\n",
                              state.jobs.seconds, state.jobs.count());
}

std::string leases(const PublishState& state) {
    auto text = head("vfio_bind_leases", "gauge", "How many leases there are on a group.");
    for (const auto& group : state.groups)
        text += fmt::format("vfio_bind_leases{{group=\"{}\"}} {}\n", group.number, group.leases);
    return text;
}

} // namespace

std::uint64_t JobTotals::count() const {
    return std::accumulate(ended.begin(), ended.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& entry) { return sum + entry.second; });
}

std::string metricsText(const PublishState& state) {
    return groupStates(state) + blockers(state) + jobs(state) +
           head("vfio_bind_config_error", "gauge",
                "1 while the configuration has an error and the rules from before are in force.") +
           fmt::format("vfio_bind_config_error {}\n", state.configError ? 1 : 0) + leases(state);
}

} // namespace vfiobind
