// SPDX-License-Identifier: LGPL-2.1-or-later
/// Whether a caller may do what he asks for: root may, others as polkit(8) says. Nothing here waits: an
/// answer comes out of the event loop.
#pragma once

#include "api_error.h"
#include "dbus/sdbus_compat.h"
#include "loop/event_loop.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vfiobind::bus {

/// Who makes the call that an object is handling.
struct Caller {
    std::string name; ///< unique bus name
    uid_t uid = 0;
    bool interactive = false; ///< he lets his user be asked (ALLOW_INTERACTIVE_AUTHORIZATION)

    /// `uid 1000 (:1.42)`
    std::string str() const;
};

/// Throws sdbus::Error when the caller is gone already.
Caller callerOf(sd_bus_message* call);

class Authority {
public:
    /// What rules of polkit can read with `action.lookup("devices")`.
    using Details = std::map<std::string, std::string>;
    /// Called once with the denial, or with nothing when the caller may; not at all when he went away
    /// meanwhile.
    using Answer = std::function<void(const std::optional<ApiError>&)>;

    Authority(EventLoop& loop, sdbus::IConnection& connection);
    ~Authority();
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    /// Whether the caller may do all of `actions` (`bind`, `override-guard`; see org.vfiobind1.policy). For
    /// root, and for the user whose daemon it is, the answer comes at once and without polkit.
    void ask(const Caller& caller, std::vector<std::string> actions, Details details, Answer answer);

private:
    struct Question;
    using QuestionPtr = std::shared_ptr<Question>;
    void check(const QuestionPtr& question, bool askUser);
    void hear(const QuestionPtr& question, bool askedUser, bool authorized, bool challenge);
    void end(const QuestionPtr& question, const std::optional<ApiError>& denial);
    void cancel(const QuestionPtr& question);
    void forget(const QuestionPtr& question);

    EventLoop& loop_;
    sdbus::IConnection& connection_;
    std::unique_ptr<sdbus::IProxy> polkit_;
    std::vector<QuestionPtr> questions_;
    std::vector<QuestionPtr> over_; ///< kept until the loop comes round: one may be in its own callback
    EventSource sweep_;
    unsigned lastId_ = 0;
};

} // namespace vfiobind::bus
