// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "group/surroundings.h"

#include <chrono>
#include <string>

namespace vfiobind {

/// Watches what other programs do to a group that is ours: libvirt's managed='yes', driverctl, a hand. With
/// `keep = true` the group is taken back, with growing pauses, and then left alone until somebody asks.
class Drift {
public:
    Drift(Surroundings& around, unsigned group) : around_(around), group_(group) {}

    /// Looks what is not as we left it, in a group that nobody works on. Returns whether that is another than
    /// before; sentence() then has it.
    bool look();
    /// Members that we had bound and that are here, but no longer on what is wanted.
    unsigned lostMembers() const;
    /// What is not as we left it; empty where all is.
    const std::string& sentence() const { return sentence_; }
    /// Taking back has become a job.
    void takenBack();
    /// Somebody asks: what was given up may be tried again.
    void forgive();

private:
    std::string describe() const;
    void schedule();
    void takeBack();

    Surroundings& around_;
    unsigned group_;
    std::string sentence_;
    unsigned takenBack_ = 0; ///< since somebody asked, or the group stayed ours for a while
    unsigned tries_ = 0;     ///< since the last time
    EventSource next_;
    std::chrono::steady_clock::time_point last_;
};

} // namespace vfiobind
