// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is wanted: the rules in force, what they come to on this machine, and what was asked for over D-Bus.
/// Nobody else writes it.
#pragma once

#include "api_error.h"
#include "call/call_options.h"
#include "change/change_log.h"
#include "intent/ledger.h"
#include "lease/lease_book.h"
#include "machine/machine.h"

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// What was asked for by one call: by group, what the ledger is to hold.
using Requests = std::map<unsigned, std::optional<Request>>;

/// Who acquires.
struct Lessee {
    uid_t uid = 0;
    std::string what; ///< what the lease is for
    std::string by;   ///< for the log
};

class Intent {
public:
    /// `config` is the main file; `ledger` is such as `/run/vfio-bind/ledger.json`, empty for memory.
    Intent(const Machine& machine, ChangeLog& changes, LeaseBook& leases, std::string config,
           std::string ledger);

    /// At the start: reads the ledger and the configuration. Errors are logged, and configError() has them;
    /// without a valid configuration no rule is in force.
    void load();
    /// Puts the configuration in force as its files are now; with an error the old one stays. A changed
    /// configuration ends the releases that were asked for.
    std::expected<void, ApiError> reload();
    /// What the rules come to, anew: that can change with a device that is in no group of theirs, since rules
    /// name virtual functions by their physical one, and count devices.
    void resolve();
    /// Forgets what the ledger holds of members that have gone. Returns whether a rule is concerned.
    bool hear(const DeviceChange& change);

    const Policy& policy() const { return policy_; }
    const Resolution& resolution() const { return resolution_; }
    const std::string& configFile() const { return config_; }
    const std::string& configError() const { return configError_; }
    std::expected<Target, ApiError> targetOf(std::string_view text) const;

    /// What is to become of the group: what a lease or a call asks for, else what a rule says, else nothing.
    /// A group whose last lease has ended is released, unless it stays for another's sake.
    std::optional<Wanted> wanted(unsigned group) const;
    /// What a call with these options would make of the group.
    Wanted requested(Action action, unsigned group, const CallOptions& options, const std::string& by) const;
    /// What the daemon knows of a group that is its own; nullptr for others.
    const Owned* owned(unsigned group) const;
    /// What was asked for of the group, if anything.
    std::optional<Request> requestFor(unsigned group) const;
    /// Releases that were asked for, of groups that still count as ours: the daemon was ended before the
    /// release's journal was written, or after it was removed.
    std::vector<unsigned> unfinishedReleases() const;

    /// Writes down what is asked for; with `persist` in the configuration too, for the next boots. All of it
    /// or nothing.
    std::expected<void, ApiError> note(const Requests& requests, Action action, const CallOptions& options);
    /// A request has failed: what stood before it stands again.
    void withdraw(unsigned group, const std::optional<Request>& before);
    /// The group is bound as wanted: it is ours from now on. `natives` are the drivers that members were
    /// taken from; a member that was on a VFIO driver already keeps what an earlier entry knows.
    void adopt(unsigned group, const std::map<Address, std::string>& natives);
    void disown(unsigned group);

    const LeaseBook& leases() const { return leases_; }
    /// The group's last lease has ended, and what becomes of the group is not settled. Not while no
    /// configuration was read: a rule may want the group always (case 63).
    bool isOwed(unsigned group) const;
    /// The group is bound for its leases and for nothing else.
    bool isLeasedOnly(unsigned group) const;
    /// The group has gone back after its last lease, or stays.
    void settleLease(unsigned group);
    /// Why leases forbid a bind or a release that the user asks for.
    std::optional<ApiError> leaseForbids(Action action, const Target& target, const CallOptions& options,
                                         uid_t uid) const;
    std::expected<void, ApiError> checkRoom(uid_t uid, const std::set<unsigned>& groups) const;
    std::map<Address, Ids> membersOf(unsigned group) const;
    using Granted = std::function<void(std::expected<Descriptor, ApiError>)>;
    /// Writes a lease on the groups down and has it stored. `bound` are those that nothing need be done to.
    void grant(const Lessee& lessee, const std::map<unsigned, Wanted>& groups,
               const std::set<unsigned>& bound, Granted granted);

private:
    std::optional<Wanted> wantedByOthers(unsigned group) const;
    Wanted wantedBy(const Request& request, unsigned group) const;
    void overrule(const Requests& requests, bool overruled);
    const Request* leaseRequest(unsigned group) const;
    bool staysAfterLeases(unsigned group) const;
    std::expected<void, ApiError> read();
    std::expected<Policy, std::vector<ConfigError>> validated(ConfigTexts read) const;
    void putInForce(Policy policy, ConfigTexts texts);
    std::expected<void, ApiError> persist(const Requests& requests, Action action,
                                          const CallOptions& options);

    const Machine& machine_;
    ChangeLog& changes_;
    LeaseBook& leases_;
    std::string config_;
    bool policyKnown_ = false; ///< a configuration was read without an error since the start
    Policy policy_;
    ConfigTexts texts_; ///< that policy_ was read from
    Resolution resolution_;
    std::string configError_;
    Ledger ledger_;
};

} // namespace vfiobind
