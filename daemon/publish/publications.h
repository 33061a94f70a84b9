// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "core.h"
#include "loop/event_loop.h"
#include "publish/publish_files.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// Keeps what is published in step with the core. The first change is published in the turn of the event loop
/// that brought it, further ones together a few milliseconds later: a storm of changes costs few files.
class Publications {
public:
    explicit Publications(EventLoop& loop, std::string root = {}) : loop_(loop), files_(std::move(root)) {}

    /// Call it with all changes that are taken from the core.
    void note(const Changes& changes);
    void jobEnded(const JobView& job, const std::string& result);
    /// Call it after each turn of the event loop, when the core's changes were taken. Returns what could not
    /// be written, a sentence each.
    const std::vector<std::string>& sync(const Core& core);

private:
    void publish(const Core& core);
    std::map<unsigned, std::string> namesOf(const Core& core) const;
    void lookAt(const Core& core, unsigned group);

    EventLoop& loop_;
    PublishFiles files_;
    std::map<unsigned, PublishedGroup> groups_;
    std::set<unsigned> changed_; ///< groups to look at
    bool allChanged_ = true;     ///< the rules, by which groups are named
    bool dirty_ = true;
    JobTotals jobs_;
    EventSource pause_; ///< while it is there, nothing is written
    std::vector<std::string> warnings_;
};

} // namespace vfiobind
