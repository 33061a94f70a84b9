// SPDX-License-Identifier: LGPL-2.1-or-later
#include "work/message_batch.h"

#include <cerrno>
#include <unistd.h>

namespace vfiobind {

void MessageBatch::operator()(const WorkMessage& message) {
    pending_ += encode(message) + '\n';
    if (const auto* begun = std::get_if<StepBegun>(&message))
        step_ = begun->step;
    if (!canWait(message))
        send();
}

bool MessageBatch::canWait(const WorkMessage& message) {
    const auto* ended = std::get_if<StepEnded>(&message);
    gathers_ = gathers_ && (ended == nullptr || ended->result == "done");
    // After the last step the overrides are read, which can block (doc/kernel.md 2).
    const bool last = step_.starts_with("verify ");
    return gathers_ && (std::holds_alternative<OverrideRead>(message) || (ended != nullptr && !last));
}

void MessageBatch::send() {
    std::size_t sent = 0;
    while (sent < pending_.size()) {
        const auto n = write(fd_, pending_.data() + sent, pending_.size() - sent);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break; // the daemon is gone; the next one reads the journal
        sent += static_cast<std::size_t>(n);
    }
    pending_.clear();
}

} // namespace vfiobind
