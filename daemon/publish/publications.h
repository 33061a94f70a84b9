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

/// Keeps what is published in step with the core. Publishes the first change in the same turn of the event
/// loop, and further changes together a few milliseconds later, so that a storm of changes writes few files.
class Publications {
public:
    explicit Publications(EventLoop& loop, std::string root = {}) : loop_(loop), files_(std::move(root)) {}

    /// Call it with all changes that are taken from the core.
    void note(const Changes& changes);
    void jobEnded(const JobView& job, const std::string& result);
    /// Call it after each turn of the event loop, after the core's changes were taken. Returns a sentence for
    /// each file that could not be written, and one on groups that the CDI spec lacks.
    const std::vector<std::string>& sync(const Core& core);

private:
    void publish(const Core& core);
    std::map<unsigned, std::string> namesOf(const Core& core) const;
    void lookAt(const Core& core, unsigned group);

    EventLoop& loop_;
    PublishFiles files_;
    std::map<unsigned, PublishedGroup> groups_;
    std::set<unsigned> changed_; ///< groups to look at
    bool allChanged_ = true;     ///< the rules may have changed, by which groups are named
    bool dirty_ = true;
    JobTotals jobs_;
    EventSource pause_; ///< while it runs, nothing is written
    std::vector<std::string> warnings_;
};

} // namespace vfiobind
