// SPDX-License-Identifier: LGPL-2.1-or-later
#pragma once

#include "api_error.h"
#include "dbus/sdbus_compat.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace vfiobind::bus {

/// The caller of the method that is being handled.
struct Caller {
    std::string name; ///< unique bus name
    uid_t uid = 0;
    bool interactive = false; ///< polkit may ask the caller's user (ALLOW_INTERACTIVE_AUTHORIZATION)

    /// `uid 1000 (:1.42)`
    std::string str() const;
};

/// Tells who calls. The bus is asked for a sender's uid without the event loop waiting, and once: it gives a
/// unique name to one connection, and to no other after it (D-Bus specification, "Bus names").
class Callers {
public:
    explicit Callers(sdbus::IConnection& connection);

    using Go = std::function<void(const Caller&)>;
    using Refuse = std::function<void(const ApiError&)>;
    /// Calls `go` with the sender of the call: at once if the sender is known, else when the bus has
    /// answered; a sender's calls stay in order. Calls `refuse` if the bus does not tell, if too many of
    /// the sender's calls wait, or if `go` throws later. Throws sdbus::Error if the bus cannot be asked.
    void identify(sd_bus_message* call, Go go, Refuse refuse);
    /// Returns the sender of the call, if the bus has told already who that is.
    std::optional<Caller> known(sd_bus_message* call) const;

private:
    struct Waiting {
        bool interactive = false;
        Go go;
        Refuse refuse;
    };
    void ask(const std::string& sender);
    void hear(const std::string& sender, uid_t uid);
    void fail(const std::string& sender, const std::string& why);
    std::vector<Waiting> take(const std::string& sender);
    static void answerSafely(const std::string& sender, const Waiting& call,
                             const std::function<void()>& act);

    std::unique_ptr<sdbus::IProxy> bus_;
    std::map<std::string, uid_t> known_;
    std::deque<std::string> order_; ///< of known_, the oldest first
    std::map<std::string, std::vector<Waiting>> waiting_;
};

} // namespace vfiobind::bus
