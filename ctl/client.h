// SPDX-License-Identifier: LGPL-2.1-or-later
/// The connection to the daemon. No thread of its own: messages are handled in pump() and nowhere else.
#pragma once

#include "bus_values.h"
#include "render.h"
#include "state.h"
#include "sysfs/descriptor.h"
#include "target.h"

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace vfiobind::ctl {

/// What the daemon told by itself, in the order in which it told it.
struct BusEvent {
    enum class Kind {
        added,      ///< an object came: path, interfaces
        removed,    ///< an object went: path
        changed,    ///< properties of an object changed: path, interface name, properties
        jobRemoved, ///< path (of the job), group, result
        daemonGone, ///< the daemon left the bus
        daemonBack, ///< a daemon came to the bus
    };
    Kind kind = Kind::changed;
    std::string path;
    bus::InterfaceMap interfaces; ///< of `added`; of `changed` the one interface with the changed properties
    std::string group;
    std::string result;
};

/// The daemon left the bus while something was waited for.
class DaemonGone : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What Acquire answered.
struct Acquired {
    Descriptor lease; ///< the groups are bound for as long as a copy of it is open
    std::vector<std::string> jobs;
};

using CallOptions = std::map<std::string, sdbus::Variant>;

class Client {
public:
    enum class Bus { system, session, remote };

    /// Connects. `host` is for Bus::remote: `[user@]machine`, reached over ssh(1). Throws sdbus::Error, whose
    /// message then begins with what could not be reached.
    explicit Client(Bus which, const std::string& host = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    /// Whether the daemon is on the bus now; asking does not start it.
    bool daemonRuns();
    enum class Topic { everything, jobs };
    /// Subscribes to what the daemon tells, of everything or of jobs alone, and to its coming and going. What
    /// comes from now on goes to the handler, out of pump() and takePending().
    void subscribe(Topic topic, std::function<void(const BusEvent&)> handler);
    /// Handles what has come already.
    void takePending();
    /// Handles messages until `finished` says so after one. Throws sdbus::Error when the bus goes away.
    void pump(const std::function<bool()>& finished);

    /// Reads everything: one GetManagedObjects, and the root object's own properties.
    Snapshot snapshot();
    /// The same, and what the rules match that no group bears.
    Snapshot status();
    Resolved resolve(const std::string& target);
    std::string describe();
    std::vector<std::string> bind(const std::string& target, const CallOptions& options);
    std::vector<std::string> release(const std::string& target, const CallOptions& options);
    Acquired acquire(const std::string& target, const CallOptions& options);
    CheckResult check(const std::string& target, const CallOptions& options);
    void reload();
    /// LastError of a group; nothing where the group is no longer there.
    std::optional<std::string> lastError(const std::string& groupPath);

private:
    class Calls;
    std::vector<std::string> change(const std::string& method, const std::string& target,
                                    const CallOptions& options);
    void deliver(const std::function<BusEvent()>& make);
    void watch(const std::string& rule, const std::function<BusEvent(sdbus::Message&)>& read);
    void watchOwner();

    std::unique_ptr<sdbus::IConnection> connection_;
    std::unique_ptr<Calls> calls_;
    std::vector<sdbus::Slot> slots_;
    std::function<void(const BusEvent&)> handler_;
    std::exception_ptr failure_; ///< thrown inside a handler, which must not let it out through libsystemd
};

} // namespace vfiobind::ctl
