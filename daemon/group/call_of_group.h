// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "work/work.h"

#include <string>

namespace vfiobind {

/// What a group reports to the call that it belongs to.
class CallOfGroup {
public:
    virtual ~CallOfGroup() = default;
    /// The worker's verdict on the group has come.
    virtual void receive(unsigned group, Verdict verdict) = 0;
    /// Workers could not be started, so nothing is done.
    virtual void cannotLook(const std::string& why) = 0;
    /// The worker that looked at the group died.
    virtual void cannotJudge(unsigned group, const std::string& how) = 0;
    /// The look at one of the call's groups hangs. `sentence` says where.
    virtual void hangs(const std::string& sentence) = 0;
    /// The group's job has failed: restore the request that stood before the call.
    virtual void withdraw(unsigned group) = 0;
};

} // namespace vfiobind
