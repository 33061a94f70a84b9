// SPDX-License-Identifier: LGPL-2.1-or-later
/// The errors of the D-Bus API, in one table.
#pragma once

#include "plan/wanted.h"

#include <string>

namespace vfiobind {

struct ApiError {
    enum class Kind {
        invalidArgument,
        noSuchDevice,
        noSuchGroup,
        noSuchRule,
        notViable,
        blocked,
        busy,
        inUse,
        limitsExceeded,
        driverMissing,
        kernelRefused,
        configInvalid,
        readOnly,
        accessDenied,
        interactionRequired,
        failed, ///< for no reason that has a name
    };
    Kind kind = Kind::invalidArgument;
    std::string sentence;

    /// The full D-Bus name, `org.vfiobind1.Error.Busy`.
    const char* name() const;
    static ApiError from(TargetError error);
    /// The error for a call that blockers forbid. Its kind is that of the first blocker with a kind of its
    /// own.
    static ApiError from(const Blockers& blockers);
};

} // namespace vfiobind
