// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_tracker.h"

#include <algorithm>
#include <fmt/format.h>

namespace vfiobind::ctl {

namespace {

std::string labelOf(const std::string& path, const JobState& job) {
    return job.group.empty() ? path : groupName(job.group);
}

} // namespace

std::string groupName(const std::string& objectPath) {
    constexpr std::string_view root = "/org/vfiobind1/";
    return objectPath.starts_with(root) ? objectPath.substr(root.size()) : objectPath;
}

void JobTracker::update(const JobState& job) {
    jobs_[job.objectPath] = job;
}

void JobTracker::removed(const std::string& path, const std::string& group, const std::string& result) {
    JobState& job = jobs_[path];
    job.objectPath = path;
    if (job.group.empty())
        job.group = group;
    results_[path] = result;
}

void JobTracker::await(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
        jobs_[path].objectPath = path;
        ours_.push_back(path);
    }
}

std::vector<std::string> JobTracker::takeLines() {
    std::vector<std::string> lines;
    for (const std::string& path : ours_) {
        const JobState& job = jobs_.at(path);
        std::size_t& next = printed_[path];
        for (; next < job.steps.size(); ++next) {
            const auto& [step, result] = job.steps[next];
            if (!stepEnded(result))
                break;
            lines.push_back(fmt::format("{}: {}: {}", labelOf(path, job), step, result));
        }
    }
    return lines;
}

bool JobTracker::ended(const std::string& path) const {
    return results_.contains(path) || jobs_.at(path).state == "stuck";
}

bool JobTracker::finished() const {
    return std::ranges::all_of(ours_, [this](const std::string& path) { return ended(path); });
}

std::vector<std::string> JobTracker::pending() const {
    std::vector<std::string> result;
    for (const std::string& path : ours_)
        if (!ended(path))
            result.push_back(fmt::format("{} ({})", groupName(path), labelOf(path, jobs_.at(path))));
    return result;
}

std::vector<JobEnd> JobTracker::ends() const {
    std::vector<JobEnd> result;
    for (const std::string& path : ours_) {
        const auto found = results_.find(path);
        result.push_back({jobs_.at(path), found != results_.end() ? found->second : jobs_.at(path).state});
    }
    return result;
}

} // namespace vfiobind::ctl
