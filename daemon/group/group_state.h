// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <string>

namespace vfiobind {

/// What decides a group's state.
struct StateInputs {
    bool binding = false;
    bool releasing = false;
    bool stuck = false;      ///< a step, or a look at the group, hangs in the kernel
    bool wanted = false;     ///< a rule or a request wants it bound
    bool owned = false;      ///< the daemon bound it, or found it bound as wanted
    bool blocked = false;    ///< blockers forbid what is wanted
    bool unresolved = false; ///< a transaction was neither finished nor undone
    unsigned endpoints = 0;
    unsigned handedOver = 0; ///< endpoints on a VFIO driver, or on the one that the rule names
    unsigned lost =
        0; ///< members that the daemon bound and that are present, but not on that driver any more
};

/// Returns one of the states of org.vfiobind1.Group. Pure.
std::string groupState(const StateInputs& in);

} // namespace vfiobind
