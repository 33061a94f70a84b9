// SPDX-License-Identifier: LGPL-2.1-or-later
/// The reconciler: the difference between wanted state (Intent) and actual state (Machine) is the work to do;
/// the end of work, and events, start it again. This class wires the parts together; each part owns its
/// state.
#pragma once

#include "call/checks.h"
#include "change/state_counts.h"
#include "group/group.h"
#include "machine/event_origin.h"
#include "machine/override_survey.h"
#include "names/names.h"
#include "show/warnings.h"
#include "sriov/virtual_functions.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

class Core {
public:
    struct Files {
        std::string config;         ///< /etc/vfio-bind.toml
        std::string stateDirectory; ///< /run/vfio-bind; empty keeps state in memory
    };
    Core(EventLoop& loop, const Sysfs& sysfs, Executor& executor, Modules& modules, LeaseStore& store,
         Files files);

    void listen(JobListener& listener) { around_.listener = &listener; }
    /// Has the units of rules with `pause-units` stopped and started. Before start().
    void pauseWith(Pauser& pauser) { around_.pauser = &pauser; }
    /// Reads the machine and the configuration, resolves what an earlier run left, and begins to reconcile.
    /// Throws when there is no PCI bus to read.
    void start();

    /// Something happened to the device. Work begins only after udev has handled the device, since udev's
    /// rules may set the override.
    void deviceEvent(const Address& address, EventOrigin origin);
    /// The group's node has appeared or disappeared.
    void nodeEvent(unsigned group);
    /// Reads everything again. Call it after events were lost, or after a resume.
    void rescan();
    std::expected<void, ApiError> reload();

    /// Binds or releases all groups of the target, or none if one of them is blocked. Replies when the guards
    /// have looked.
    void change(Action action, const Target& target, const CallOptions& options, const Asker& asker,
                JobsReply reply);
    struct Acquired {
        Descriptor lease;
        std::vector<JobView> jobs;
    };
    using AcquireReply = std::function<void(std::expected<Acquired, ApiError>)>;
    /// Binds the groups as change() does, and leases them to the caller for as long as the descriptor in the
    /// reply is open.
    void acquire(const Target& target, const CallOptions& options, Lessee lessee, AcquireReply reply);
    /// Makes the virtual functions that a target lacks; as VirtualFunctions::make().
    void makeFunctions(const std::map<Address, VfOrder>& orders, VirtualFunctions::Made made) {
        virtualFunctions_.make(orders, std::move(made));
    }
    /// Finds what a Bind would do and what stands against it; changes nothing.
    void check(const Target& target, const CallOptions& options, const Asker& asker, CheckReply reply);
    /// Returns why the asker can have no Check now; asked before the target is looked up.
    std::optional<ApiError> checkRefusal(const Asker& asker) const { return checks_.refusal(asker); }

    const Machine& machine() const { return machine_; }
    const Intent& intent() const { return intent_; }
    const Topology& topology() const { return machine_.topology(); }
    const Names& names() const { return names_; }
    Modules& modules() const { return modules_; }
    const std::vector<std::string>& warnings() const { return warnings_.all(); }
    /// Returns nullptr for a group of which nothing is remembered.
    const Group* group(unsigned number) const;
    std::string groupState(unsigned number) const;
    /// Whether no group is being looked at or worked on, groups that hang aside. The first time after start()
    /// is the end of the first pass over the configuration.
    bool isSettled() const;
    /// Adds sentences to warnings(), in place of the last call's. Returns whether they differ from those.
    bool noteOtherWarnings(const std::vector<std::string>& sentences) {
        return warnings_.noteOthers(sentences);
    }
    /// Returns the job that works on the group; nullptr for none.
    const JobView* jobOf(unsigned number) const;
    /// Of all groups that are worked on. Valid until one of the jobs ends.
    std::vector<const JobView*> jobs() const;

    Changes takeChanges();
    /// Grows when the changes that were taken concern what rules want, or a group that rules want. Compare it
    /// to find out whether all of that must be read again.
    std::uint64_t revision() const { return revision_; }
    /// How many groups were in each state but native when changes were last taken.
    const std::map<std::string, unsigned>& stateCounts() const { return counts_.all(); }

private:
    Group& groupAt(unsigned number);
    void reconcile();
    void consider(unsigned number, bool cutOff);
    void undertake(unsigned number, const Wanted& wanted, bool takesBack);
    void refreshDevice(const Address& address);
    void refreshGroup(unsigned number);
    void resolveRules();
    void resolveJournals();
    void finishReleases();
    void forgetGroupsThatAreGone();
    void resumeUnits();

    EventLoop& loop_;
    Modules& modules_;
    Files files_;
    Names names_;
    ChangeLog changes_;
    Machine machine_;
    LeaseBook leases_;
    Intent intent_;
    FileJournalStore journals_;
    Surroundings around_;
    std::map<unsigned, Group> groups_;
    Calls calls_;
    Checks checks_;
    VirtualFunctions virtualFunctions_;
    Warnings warnings_;
    OverrideSurvey survey_;
    EventSource sweep_;
    std::set<Address> unsettled_; ///< devices of which the kernel has told, and udev has not yet
    EventSource udevIsLate_;
    StateCounts counts_;
    std::uint64_t revision_ = 0;
};

} // namespace vfiobind
