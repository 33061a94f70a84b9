// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include <chrono>
#include <optional>

namespace vfiobind {

/// For a loop whose wait can fail at once, again and again: without a pause it would keep a processor busy.
class Retries {
public:
    /// Call it when what was waited for came.
    void worked() { inARow_ = 0; }
    /// Call it for a failure. Returns the pause before the next try: 10 ms, doubled each time up to 1 s;
    /// nothing after the tenth failure in a row, when another try is no use.
    std::optional<std::chrono::milliseconds> failed() {
        constexpr int most = 10;
        constexpr std::chrono::milliseconds first{10};
        constexpr std::chrono::milliseconds longest{1000};
        if (inARow_ + 1 >= most)
            return std::nullopt;
        const auto pause = first * (1 << inARow_++);
        return pause < longest ? pause : longest;
    }
    /// Whether the last call was not of a failure in a row: then it is worth a message.
    bool isFirst() const { return inARow_ == 1; }

private:
    int inARow_ = 0;
};

} // namespace vfiobind
