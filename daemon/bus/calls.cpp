// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/calls.h"

#include <unistd.h>

namespace vfiobind::bus {

std::vector<BlockerStruct> toBus(const Blockers& blockers) {
    std::vector<BlockerStruct> list;
    for (const auto& b : blockers)
        list.emplace_back(b.code, b.device ? b.device->str() : std::string{}, b.sentence);
    return list;
}

std::expected<std::string, ApiError> changingCaller(const sdbus::IObject& object) {
    const auto uid = callerUid(object);
    if (!uid)
        throw std::logic_error("a call has no caller");
    if (*uid != 0 && *uid != geteuid())
        return std::unexpected(
            ApiError{ApiError::Kind::accessDenied,
                     fmt::format("uid {} may look, but only root may change what is bound", *uid)});
    return fmt::format("uid {} ({})", *uid, currentSender(object));
}

} // namespace vfiobind::bus
