// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plan/wanted.h"

#include <optional>

namespace vfiobind {

/// What decides what is to be done about one group: wanted state, actual state and memory.
struct Situation {
    bool busy = false; ///< a worker is at the group, or hangs there
    std::optional<Action> wanted;
    unsigned endpoints = 0;
    unsigned handedOver = 0; ///< endpoints on a VFIO driver, or on the one that is wanted
    unsigned lost = 0; ///< members that the daemon bound and that are here, but no longer on that driver
    bool owned = false;
    bool unresolved = false; ///< a transaction was neither finished nor undone
    bool refused = false;    ///< exactly this was refused, and nothing has changed since
    bool pausing = false;    ///< workers died, and the next try is not due yet, or there is none
    bool owed = false;       ///< the last lease has ended
    bool cutOff = false;     ///< an earlier change was undone after its worker died
};

enum class Decision {
    nothing,
    adopt,      ///< the group is as wanted; the daemon owns it from now on
    watchDrift, ///< another program took a member of the group
    bind,
    release,
    settle,       ///< the group has gone back after its last lease, or stays for another reason
    awaitHolders, ///< the group cannot go back after its last lease while somebody holds it
};

/// Returns what is to be done about a group. Pure.
Decision decide(const Situation& now);

} // namespace vfiobind
