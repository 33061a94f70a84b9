// SPDX-License-Identifier: LGPL-2.1-or-later
/// Orders to a worker, and its messages to the daemon. All kernel writes, and all reads that may block,
/// happen in workers.
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
        examine,   ///< reports what carrying out would do
        recover,   ///< resolves the journal of a worker that was cut off
        survey,    ///< reads driver_override of the devices
        holders,   ///< finds who holds the group; reports it in a verdict
        createVfs, ///< makes the virtual functions of a physical function
    };
    Kind kind = Kind::carryOut;
    unsigned group = 0;
    Wanted wanted;
    Drivers drivers;
    /// The group's endpoints that somebody was authorised for: before the first write the group may have got
    /// no others. Empty where nobody was asked.
    std::map<Address, Ids> authorised;
    std::vector<std::string> consoles; ///< for a release: those that the bind has let go of
    Journal journal;                   ///< for recover
    std::vector<Address> devices;      ///< for survey; for createVfs the physical function
    /// For createVfs: whether the physical function is in a group; else `group` says nothing.
    bool inGroup = true;
    VfOrder virtualFunctions;   ///< for createVfs
    std::string stateDirectory; ///< for createVfs
};

/// The worker begins to look at this group: if the worker hangs from now on, it hangs at this group.
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
    std::map<Address, std::string> drivers; ///< before the first write, of members that are not on VFIO
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
    std::vector<std::string> warnings = {}; ///< of what does not decide the result
    bool operator==(const Finished&) const = default;
};

/// The worker ended without reporting an outcome.
struct Died {
    std::string how;
    bool operator==(const Died&) const = default;
};

using WorkMessage = std::variant<LookBegun, Verdict, StepBegun, StepEnded, OverrideRead, Finished, Died>;

/// One message as one line of JSON without the newline, and back. The error is a sentence.
std::string encode(const WorkMessage& message);
std::expected<WorkMessage, std::string> decode(std::string_view line);

/// Carries out the order in the worker: reports through `send`, and asks `mayGo`, which may wait, between the
/// verdict and the first write.
void work(Sysfs& sysfs, const WorkOrder& order, const Topology& topology, JournalStore& journals,
          const std::function<void(const WorkMessage&)>& send, const std::function<bool()>& mayGo);

/// First half of an order to examine or to carry out, for a worker that looks at several groups. Reads the
/// group anew into `topology` and sends the verdict. Returns whether the order is to be carried out; if not,
/// sends Finished.
bool judge(HostLook& host, const Sysfs& sysfs, const WorkOrder& order, Topology& topology,
           const std::function<void(const WorkMessage&)>& send);
/// Second half: carries the order out. Call it after the word to go, and after `host` was read again.
void carryOutJudged(HostLook& host, Sysfs& sysfs, const WorkOrder& order, Topology& topology,
                    JournalStore& journals, const std::function<void(const WorkMessage&)>& send);

/// A worker at work. Destroying this object drops the worker: without the word to go, the worker writes
/// nothing; after it, the worker finishes.
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
    /// Calls the listener from the event loop, never from within start(). The last message is Finished, also
    /// for an order that writes nothing, or Died.
    virtual std::unique_ptr<Work> start(WorkOrder order, const Topology& topology, Listener listener) = 0;
    /// Starts orders to examine or to carry out for several groups of one call. Returns the works in the
    /// order of `orders`.
    using GroupListener = std::function<void(unsigned group, WorkMessage)>;
    virtual std::vector<std::unique_ptr<Work>>
    startBatch(std::vector<WorkOrder> orders, const Topology& topology, const GroupListener& listener);
};

} // namespace vfiobind
