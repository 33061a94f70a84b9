// SPDX-License-Identifier: LGPL-2.1-or-later
/// The reconciler: wanted state against actual state gives work; its end, and events, start it again.
#pragma once

#include "api_error.h"
#include "event_loop.h"
#include "group_state.h"
#include "ledger.h"
#include "modules.h"
#include "names/names.h"
#include "views.h"
#include "work.h"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// Where jobs and changes are told; the D-Bus service in production.
class CoreListener {
public:
    virtual ~CoreListener() = default;
    virtual void jobAdded(const JobView& job) = 0;
    /// How the job ended; its group and devices are still to be shown.
    virtual void jobRemoved(const JobView& job, const std::string& result) = 0;
    /// A caller is about to be answered.
    virtual void answering() = 0;
};

/// Options of Bind, Release and Check.
struct CallOptions {
    std::optional<std::string> driver;
    std::optional<Method> method;
    std::vector<std::string> allow;
    bool persist = false;
};

/// What changed since it was asked last.
struct Changes {
    std::set<Address> devices;
    std::set<unsigned> groups;
    std::set<unsigned> jobs; ///< by their groups
    bool jobList = false;
    bool manager = false; ///< anything else of it
};

class Core {
public:
    struct Files {
        std::string config;         ///< /etc/vfio-bind.toml
        std::string stateDirectory; ///< /run/vfio-bind; empty keeps state in memory
    };
    Core(EventLoop& loop, Sysfs& sysfs, Executor& executor, Modules& modules, Files files);

    void listen(CoreListener& listener) { listener_ = &listener; }
    /// Reads the machine and the configuration, resolves what an earlier run left, and begins to reconcile.
    /// Throws when there is no PCI bus to read.
    void start();

    /// `driver` is the kernel's, too: of a driver that took the device, or left it.
    enum class Origin { kernel, driver, udev };
    /// Something happened to the device. Work begins only after udev is through with it, since its rules may
    /// set the override.
    void deviceEvent(const Address& address, Origin origin);
    /// The group's node came or went.
    void nodeEvent(unsigned group);
    /// Reads everything again: after events were lost, or a resume.
    void rescan();
    std::expected<void, ApiError> reload();

    std::expected<Target, ApiError> targetOf(std::string_view text) const;
    /// The driver that a call with these options is about: "auto" where nobody says more.
    std::string driverFor(Action action, unsigned group, const CallOptions& options) const {
        return requestedWanted(action, group, options, {}).driver;
    }
    using JobsReply = std::function<void(const std::expected<std::vector<JobView>, ApiError>&)>;
    /// Binds or releases the groups, all or, when one of them is blocked, none. Replies when the guards have
    /// looked.
    void change(Action action, const Target& target, const CallOptions& options, const std::string& by,
                JobsReply reply);
    struct CheckResult {
        Blockers blockers;
        std::vector<std::string> steps;
    };
    using CheckReply = std::function<void(const std::expected<CheckResult, ApiError>&)>;
    void check(const Target& target, const CallOptions& options, const std::string& by, CheckReply reply);

    const Topology& topology() const { return topology_; }
    const Policy& policy() const { return policy_; }
    const Resolution& resolution() const { return resolution_; }
    DeviceView deviceView(const Address& address) const;
    DeviceDetails deviceDetails(const Address& address);
    GroupView groupView(unsigned group) const;
    std::string groupState(unsigned group) const { return vfiobind::groupState(stateInputs(group)); }
    const std::string& configError() const { return configError_; }
    /// What needs the administrator and keeps nothing from being done, a sentence each.
    const std::vector<std::string>& warnings() const { return warnings_; }
    std::string groupType(unsigned group) const;
    ManagerView managerView() const;
    std::vector<JobView> jobs() const;
    /// The job that works on the group; nullptr for none.
    const JobView* jobOf(unsigned group) const;
    std::vector<std::uint32_t> jobIds() const;
    Changes takeChanges();
    /// Grows when changes were taken that what rules want, or a group that they want, has a part in: for
    /// those who look at all of that.
    std::uint64_t revision() const { return revision_; }
    /// How many groups are in each state but native, when changes were taken last. Kept, not counted anew: an
    /// event is to cost the same on a machine with a thousand groups.
    const std::map<std::string, unsigned>& stateCounts() const { return stateCounts_; }

private:
    /// One call, or the reconciler's own wish: all its groups get a verdict before any goes.
    struct Undertaking {
        std::map<unsigned, Wanted> groups;
        std::map<unsigned, std::optional<Request>> requests; ///< what the ledger is to hold
        Blockers ungrouped; ///< of devices without a group, for a check's answer
        std::map<unsigned, Verdict> verdicts;
        Action action = Action::bind;
        CallOptions options;
        JobsReply reply;
        CheckReply checkReply;
        bool takesBack = false;
        bool givenUp = false; ///< the caller was told that it took too long
    };
    /// Contents by path; none where there was no file.
    using FilesBefore = std::map<std::string, std::optional<std::string>>;
    struct Running {
        Wanted wanted;
        WorkOrder::Kind kind = WorkOrder::Kind::carryOut;
        std::shared_ptr<Undertaking> undertaking;
        std::unique_ptr<Work> work;
        std::unique_ptr<Work> look; ///< who holds it, when it is stuck
        std::optional<JobView> job;
        std::optional<Verdict> verdict;
        std::optional<Finished> ended; ///< while other groups of the call have no verdict yet
        std::optional<Request> requestBefore;
        EventSource limit;
        EventSource oldWorker; ///< a worker of an earlier run, waited for
        bool stuck = false;
    };
    /// What is remembered of a group between jobs.
    struct Record {
        Blockers blockers;
        std::vector<Holder> holders;
        std::string lastError;
        bool unresolved = false;
        /// What was refused, so that it is not tried again until something changes.
        std::optional<std::pair<Wanted, std::vector<std::pair<Address, std::string>>>> refused;
        std::string drift;          ///< what another program changed, empty for nothing
        unsigned takenBack = 0;     ///< since somebody asked, or the group stayed ours for a while
        unsigned takeBackTries = 0; ///< since the last time
        EventSource takeBack;
        std::chrono::steady_clock::time_point lastTakeBack;
    };

    /// A physical function whose virtual functions were seen to.
    struct VfCreation {
        VfOrder order;
        std::string step;           ///< the last, for the log
        std::unique_ptr<Work> work; ///< nullptr when it has ended
        EventSource limit;
        EventSource over;
    };

    // core.cpp: what is wanted, and what the world is like
    std::expected<void, ApiError> readPolicy();
    void reconcile();
    void readDriverNames();
    void lookForWarnings();
    void consider(unsigned group);
    std::optional<Wanted> wantedFor(unsigned group) const;
    StateInputs stateInputs(unsigned group) const;
    unsigned lostMembers(unsigned group, const std::string& driver) const;
    void refreshGroup(unsigned group);
    void refreshDevice(const Address& address);
    bool readAgain(const Address& address);
    bool isMoving(unsigned group) const;
    void resolveRules();
    std::vector<std::pair<Address, std::string>> driversOf(unsigned group) const;
    bool countState(unsigned group);
    void adopt(unsigned group, const std::map<Address, std::string>& natives);
    void resolveJournals();
    void surveyOverrides();
    std::expected<void, ApiError> note(const Undertaking& undertaking);
    std::expected<void, ApiError> persist(const Undertaking& undertaking);
    std::expected<void, ApiError> writeDropIns(const Undertaking& undertaking, FilesBefore& before);

    // core_drift.cpp: what other programs do to groups that are ours
    void watchDrift(unsigned group);
    std::string driftOf(unsigned group) const;
    void scheduleTakeBack(unsigned group);
    void takeBack(unsigned group);
    void forgetRefusals(Record& record);

    // core_sriov.cpp: virtual functions that a rule wants made
    void considerVirtualFunctions();
    void createVirtualFunctions(const Device& physicalFunction, const VfOrder& order);
    void hearOfVirtualFunctions(const Address& address, const WorkMessage& message);
    void virtualFunctionsFailed(const Address& address, const std::string& why);

    // core_recovery.cpp: what was cut off
    void launchRecovery(Journal journal);
    void awaitOldWorker(Journal journal, int pidfd);
    void oldWorkerEnded(unsigned group, const Journal& journal);
    void takeOver(Running& running, const Journal& journal);
    void announce(const Running& running);
    void resume(unsigned group);
    void finishReleases();

    // core_asking.cpp: from a call to the verdicts
    std::optional<ApiError> begin(const std::shared_ptr<Undertaking>& undertaking);
    void groupsCameFree();
    Wanted requestedWanted(Action action, unsigned group, const CallOptions& options,
                           const std::string& by) const;
    std::vector<std::string> modulesToLoad(const std::map<unsigned, Wanted>& groups);
    Drivers driversFor(unsigned group, const Wanted& wanted, WorkOrder::Kind kind);
    void launch(const std::shared_ptr<Undertaking>& undertaking);
    void cannotLaunch(const std::shared_ptr<Undertaking>& undertaking, const std::string& why);
    void lookBegun(unsigned group);
    void receiveVerdict(unsigned group, Verdict verdict);
    void settle(const std::shared_ptr<Undertaking>& undertaking);
    void refuse(const std::shared_ptr<Undertaking>& undertaking, const ApiError& error);
    void leave(const Undertaking& undertaking);
    void letOthersGo(Undertaking& undertaking);
    void letGo(Undertaking& undertaking, const std::set<unsigned>& groups);
    void finishEnded(const Undertaking& undertaking);
    bool stillWished(const Undertaking& undertaking) const;
    void tellBeforeAnswer();
    void replyError(Undertaking& undertaking, const ApiError& error);
    void replyCheck(const std::shared_ptr<Undertaking>& undertaking);

    // core_jobs.cpp: carrying out
    void receive(unsigned group, WorkMessage message);
    void receiveEnd(unsigned group, Finished finished);
    void setOut(unsigned group);
    void stepBegun(unsigned group, const std::string& step);
    void stepEnded(unsigned group, const std::string& result);
    void overdue(unsigned group);
    void lookForHolders(unsigned group);
    void noteHolders(unsigned group, const std::vector<Holder>& found);
    void finish(unsigned group, const Finished& finished);
    void noteOutcome(unsigned group, const Running& done, const Finished& finished);
    void died(unsigned group, const std::string& how);

    EventLoop& loop_;
    Sysfs& sysfs_;
    Executor& executor_;
    Modules& modules_;
    Files files_;
    CoreListener* listener_ = nullptr;
    Names names_;

    Topology topology_;
    Drivers drivers_; ///< the registered names, as last read
    Policy policy_;
    Resolution resolution_;
    std::string configError_;
    std::vector<std::string> warnings_;
    EventSource lookAgain_; ///< whether what the warnings are about was mended
    Ledger ledger_;
    FileJournalStore journals_;
    std::map<unsigned, Running> running_;
    std::map<unsigned, Record> records_;
    std::vector<std::shared_ptr<Undertaking>> waiting_; ///< calls for groups that are only being looked at
    EventSource beginWaiting_;
    std::unique_ptr<Work> survey_;
    std::map<Address, VfCreation> vfCreations_; ///< by physical function
    std::uint32_t lastJob_ = 0;
    bool wantedMoved_ = false; ///< what rules want, or a device in a group that they want
    Changes changes_;
    std::uint64_t revision_ = 0;
    std::map<unsigned, std::string> states_; ///< those that are counted, by group
    std::map<std::string, unsigned> stateCounts_;
};

} // namespace vfiobind
