// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "group/surroundings.h"

#include <chrono>
#include <string>

namespace vfiobind {

/// Watches what others do to a group that the daemon owns: libvirt's managed='yes', driverctl, a person. With
/// `keep = true` the group is taken back after growing pauses, a few times, and is then left alone until
/// somebody asks.
class Drift {
public:
    Drift(Surroundings& around, unsigned group) : around_(around), group_(group) {}

    /// Compares the group with how the daemon left it. Call it while no worker is at the group. Returns
    /// whether the finding differs from the last one; sentence() has it.
    bool look();
    /// Returns how many members were bound by the daemon and are present, but not on the wanted driver any
    /// more.
    unsigned lostMembers() const;
    /// What differs from how the daemon left the group; empty for no difference.
    const std::string& sentence() const { return sentence_; }
    /// Call it when taking the group back has become a job.
    void takenBack();
    /// Call it when somebody asks for the group: taking back may be tried again.
    void forgive();

private:
    std::string describe() const;
    void schedule();
    void takeBack();

    Surroundings& around_;
    unsigned group_;
    std::string sentence_;
    unsigned takenBack_ = 0; ///< times, since somebody asked or the group stayed the daemon's for a while
    unsigned tries_ = 0;     ///< since the group was last taken back
    EventSource next_;
    std::chrono::steady_clock::time_point last_;
};

} // namespace vfiobind
