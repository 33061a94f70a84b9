// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "plan/wanted.h"

#include <optional>

namespace vfiobind {

/// Wanted state, actual state and memory of one group, as far as they decide what is to be done.
struct Situation {
    bool busy = false; ///< a worker is at the group, or hangs at it
    std::optional<Action> wanted;
    unsigned endpoints = 0;
    unsigned handedOver = 0; ///< endpoints on a VFIO driver, or on the one that is wanted
    unsigned lost = 0;       ///< members that were bound by us, and are here, but no longer on it
    bool owned = false;
    bool unresolved = false; ///< a transaction was neither finished nor undone
    bool refused = false;    ///< the very same was refused, and nothing has changed since
    bool pausing = false;    ///< workers died, and the next try is not due, or there is none
    bool owed = false;       ///< the last lease has ended
    bool cutOff = false;     ///< what was begun before was undone after its worker died
};

enum class Decision {
    nothing,
    adopt,      ///< it is as wanted, and ours from now on
    watchDrift, ///< another program took it
    bind,
    release,
    settle,       ///< it has gone back after its last lease, or stays for another's sake
    awaitHolders, ///< it cannot go back after its last lease as long as somebody holds it
};

/// What is to be done about a group. Pure.
Decision decide(const Situation& now);

} // namespace vfiobind
