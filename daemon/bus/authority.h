// SPDX-License-Identifier: LGPL-2.1-or-later
/// Decides whether a caller may do what it asks for: root may, others as polkit(8) says. Nothing here blocks:
/// polkit's answer comes from the event loop.
#pragma once

#include "api_error.h"
#include "bus/callers.h"
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

class Authority {
public:
    /// What polkit's rules can read, such as `action.lookup("devices")`.
    using Details = std::map<std::string, std::string>;
    /// Called once: with the denial, or with nothing if the caller may. Not called if the caller has left the
    /// bus meanwhile.
    using Answer = std::function<void(const std::optional<ApiError>&)>;

    Authority(EventLoop& loop, sdbus::IConnection& connection);
    ~Authority();
    Authority(const Authority&) = delete;
    Authority& operator=(const Authority&) = delete;

    /// Who calls (Callers::identify).
    Callers& callers() { return callers_; }

    /// Asks whether the caller may do all of `actions` (`bind`, `override-guard`; see org.vfiobind1.policy).
    /// Answers at once and without polkit for root, and for the user that the daemon runs as.
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
    Callers callers_;
    std::unique_ptr<sdbus::IProxy> polkit_;
    std::vector<QuestionPtr> questions_;
    std::vector<QuestionPtr> over_; ///< ended questions, kept until the next turn of the loop, since one may
                                    ///< be in its own callback
    EventSource sweep_;
    unsigned lastId_ = 0;
};

} // namespace vfiobind::bus
