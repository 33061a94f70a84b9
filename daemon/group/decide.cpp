// SPDX-License-Identifier: LGPL-2.1-or-later
#include "group/decide.h"

namespace vfiobind {

namespace {

Decision decideWhatIsOwed(const Situation& now) {
    if (now.wanted != Action::release || now.handedOver == 0)
        return Decision::settle;
    if (now.unresolved || now.pausing)
        return Decision::nothing;
    return now.refused ? Decision::awaitHolders : Decision::release;
}

} // namespace

Decision decide(const Situation& now) {
    if (now.busy)
        return Decision::nothing;
    if (now.owed)
        return decideWhatIsOwed(now);
    if (!now.wanted)
        return Decision::nothing;
    if (*now.wanted == Action::release) // a release is done once, by its call
        return now.cutOff ? Decision::release : Decision::nothing;
    if (now.endpoints == 0)
        return Decision::nothing;
    if (now.handedOver == now.endpoints)
        return now.owned ? Decision::nothing : Decision::adopt;
    if (now.lost > 0)
        return Decision::watchDrift;
    if (now.unresolved || now.refused || now.pausing)
        return Decision::nothing;
    return Decision::bind;
}

} // namespace vfiobind
