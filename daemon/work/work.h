// SPDX-License-Identifier: LGPL-2.1-or-later
/// What a worker does for the daemon, and what it tells while it does it. All kernel writes, and all reads
/// that may block, happen in workers.
#pragma once

#include "guard/holders.h"
#include "guard/host_look.h"
#include "transaction/transaction.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace vfiobind {

struct WorkOrder {
    enum class Kind {
        carryOut,  ///< examine, wait for the word to go, then the transaction
        examine,   ///< tells what carrying out would do
        recover,   ///< resolves the journal of a worker that was cut off
        survey,    ///< reads driver_override of the devices
        holders,   ///< looks who holds the group; tells it in a verdict
        createVfs, ///< makes the virtual functions of a physical function
    };
    Kind kind = Kind::carryOut;
    unsigned group = 0;
    Wanted wanted;
    Drivers drivers;
    Journal journal;              ///< for recover
    std::vector<Address> devices; ///< for survey; for createVfs the physical function
    VfOrder virtualFunctions;     ///< for createVfs
    std::string stateDirectory;   ///< for createVfs
};

/// The group's turn to be looked at has come: from now on it is the group that the worker hangs at, if it
/// hangs.
struct LookBegun {
    bool operator==(const LookBegun&) const = default;
};

/// What the worker found before the first write.
struct Verdict {
    bool nothingToDo = false;
    Blockers blockers;
    Blockers overridden;
    std::vector<std::string> steps;
    std::vector<Holder> holders;
    std::map<Address, std::string> drivers; ///< what the members were on
    bool operator==(const Verdict&) const = default;
};

struct StepBegun {
    std::string step;
    bool operator==(const StepBegun&) const = default;
};

struct StepEnded {
    std::string result; ///< `done`, or step's error with path and errno
    bool operator==(const StepEnded&) const = default;
};

struct OverrideRead {
    Address device;
    std::string value;
    bool operator==(const OverrideRead&) const = default;
};

struct Finished {
    std::string result; ///< `done`, `failed`, `rolled-back`
    std::string error;
    std::vector<std::string> differences;
    bool operator==(const Finished&) const = default;
};

/// The worker ended without telling an outcome.
struct Died {
    std::string how;
    bool operator==(const Died&) const = default;
};

using WorkMessage = std::variant<LookBegun, Verdict, StepBegun, StepEnded, OverrideRead, Finished, Died>;

/// One line of JSON without the newline, and back. The error is a sentence.
std::string encode(const WorkMessage& message);
std::expected<WorkMessage, std::string> decode(std::string_view line);

/// The worker's side: does what the order says, tells through `send`, and asks `mayGo` (which may wait)
/// between the verdict and the first write.
void work(Sysfs& sysfs, const WorkOrder& order, const Topology& topology, JournalStore& journals,
          const std::function<void(const WorkMessage&)>& send, const std::function<bool()>& mayGo);

/// The two halves of an order to examine or to carry out, for who looks at several groups together.
/// `topology` comes to know the group as it is. The first tells the verdict; it gives back whether there is
/// more to do, and if not, it has told the end.
bool judge(HostLook& host, const Sysfs& sysfs, const WorkOrder& order, Topology& topology,
           const std::function<void(const WorkMessage&)>& send);
/// The second is for when the word to go has come, and what `host` knows has been read again.
void carryOutJudged(HostLook& host, Sysfs& sysfs, const WorkOrder& order, Topology& topology,
                    JournalStore& journals, const std::function<void(const WorkMessage&)>& send);

/// Work under way. Dropping it lets go of the worker: it writes nothing if it has not had the word to go, and
/// else finishes what it does.
class Work {
public:
    virtual ~Work() = default;
    virtual void go() = 0;
};

/// Runs workers: forked in production, in the same process on the fake kernel.
class Executor {
public:
    virtual ~Executor() = default;
    using Listener = std::function<void(WorkMessage)>;
    /// The listener is called from the event loop, never from within start(); its last call is with Finished
    /// (also after an examination, a survey or a verdict that ended it) or Died.
    virtual std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) = 0;
    /// Examines or carries out several groups for one call; the works are in the order of the orders.
    using GroupListener = std::function<void(unsigned group, WorkMessage)>;
    virtual std::vector<std::unique_ptr<Work>>
    startBatch(std::vector<WorkOrder> orders, const Topology& topology, const GroupListener& listener);
};

} // namespace vfiobind
