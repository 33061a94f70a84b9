// SPDX-License-Identifier: LGPL-2.1-or-later
#include "job_tracker.h"

#include <fmt/format.h>
#include <utility>

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

/// A signal concerns one job, and there can be thousands: nothing here looks at all of them.
void JobTracker::changed(const std::string& path, const Known& job) {
    if (!job.isOurs)
        return;
    if (job.ended())
        pending_.erase(path);
    else
        pending_.insert(path);
    unprinted_.push_back(path);
}

void JobTracker::update(const JobState& job) {
    Known& known = jobs_[job.objectPath];
    known.state = job;
    changed(job.objectPath, known);
}

void JobTracker::removed(const std::string& path, const std::string& group, const std::string& result) {
    Known& known = jobs_[path];
    known.state.objectPath = path;
    if (known.state.group.empty())
        known.state.group = group;
    known.result = result;
    changed(path, known);
}

void JobTracker::await(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) {
        Known& known = jobs_[path];
        known.state.objectPath = path;
        known.isOurs = true;
        ours_.push_back(path);
        changed(path, known);
    }
}

std::vector<std::string> JobTracker::takeLines() {
    std::vector<std::string> lines;
    for (const std::string& path : std::exchange(unprinted_, {})) {
        Known& job = jobs_.at(path);
        for (; job.printed < job.state.steps.size(); ++job.printed) {
            const auto& [step, result] = job.state.steps[job.printed];
            if (!stepEnded(result))
                break;
            lines.push_back(fmt::format("{}: {}: {}", labelOf(path, job.state), step, result));
        }
    }
    return lines;
}

bool JobTracker::finished() const {
    return pending_.empty();
}

std::vector<std::string> JobTracker::pending() const {
    std::vector<std::string> result;
    for (const std::string& path : ours_)
        if (pending_.contains(path))
            result.push_back(fmt::format("{} ({})", groupName(path), labelOf(path, jobs_.at(path).state)));
    return result;
}

std::vector<JobEnd> JobTracker::ends() const {
    std::vector<JobEnd> result;
    for (const std::string& path : ours_) {
        const Known& job = jobs_.at(path);
        result.push_back({job.state, job.result.empty() ? job.state.state : job.result});
    }
    return result;
}

} // namespace vfiobind::ctl
