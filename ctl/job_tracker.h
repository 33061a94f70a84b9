// SPDX-License-Identifier: LGPL-2.1-or-later
/// Follows the jobs of one call to their ends. Pure: told of what happens, it says what to print.
#pragma once

#include "state.h"

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// How a job ended for us.
struct JobEnd {
    JobState job;
    std::string result; ///< `done`, `failed`, `rolled-back`, `stuck`
};

class JobTracker {
public:
    /// A job's properties as they are known now. Jobs of others are remembered too: the signals of a job can
    /// come before the reply that says that it is ours.
    void update(const JobState& job);
    /// A job has ended. `group` as JobRemoved gives it.
    void removed(const std::string& path, const std::string& group, const std::string& result);
    /// These are ours.
    void await(const std::vector<std::string>& paths);

    /// What is known of a job, for merging changed properties into it.
    const JobState& known(const std::string& path) { return jobs_[path].state; }

    /// Lines that have not been taken yet: `group/22: bind 0000:01:00.0 vfio-pci: done`.
    std::vector<std::string> takeLines();
    /// Whether all of ours have ended, or hang.
    bool finished() const;
    /// Ours that have not ended, `job 3 (group/22)` each.
    std::vector<std::string> pending() const;
    /// Ours in the order of await().
    std::vector<JobEnd> ends() const;

private:
    struct Known {
        JobState state;
        std::string result;      ///< how it ended; empty while it has not
        std::size_t printed = 0; ///< steps that lines have been made of
        bool isOurs = false;

        bool ended() const { return !result.empty() || state.state == "stuck"; }
    };
    void changed(const std::string& path, const Known& job);

    std::map<std::string, Known> jobs_;
    std::vector<std::string> ours_;
    std::set<std::string> pending_;      ///< ours that have not ended
    std::vector<std::string> unprinted_; ///< ours that may have lines to take, in the order of their changes
};

/// `group/22` for `/org/vfiobind1/group/22`.
std::string groupName(const std::string& objectPath);

} // namespace vfiobind::ctl
