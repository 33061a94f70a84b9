// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/calls.h"

namespace vfiobind::bus {

std::vector<BlockerStruct> toBus(const Blockers& blockers) {
    std::vector<BlockerStruct> list;
    for (const auto& b : blockers)
        list.emplace_back(b.code, b.device ? b.device->str() : std::string{}, b.sentence);
    return list;
}

} // namespace vfiobind::bus
