// SPDX-License-Identifier: LGPL-2.1-or-later
#include "guard/blocker.h"

namespace vfiobind {

Blockers forReader(Blockers blockers, unsigned uid) {
    for (auto& blocker : blockers)
        for (const auto& detail : std::exchange(blocker.details, {}))
            if (const auto at = blocker.sentence.find(detail.shown);
                (uid == 0 || uid == detail.uid) && at != std::string::npos)
                blocker.sentence.replace(at, detail.shown.size(), detail.full);
    return blockers;
}

} // namespace vfiobind
