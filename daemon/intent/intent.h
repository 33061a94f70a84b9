// SPDX-License-Identifier: LGPL-2.1-or-later
/// What is wanted: the rules in force, the groups that they want on this machine, and the requests over
/// D-Bus. Only this class writes it.
#pragma once

#include "api_error.h"
#include "call/call_options.h"
#include "change/change_log.h"
#include "intent/ledger.h"
#include "lease/lease_book.h"
#include "machine/machine.h"
#include "plan/policy_index.h"

#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

/// The requests of one call, by group, as the ledger is to hold them; std::nullopt removes the group's
/// request.
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

    /// Reads the ledger and the configuration; call it once, at the start. Logs errors, which configError()
    /// has too. Without a valid configuration no rule is in force.
    void load();
    /// Reads the configuration's files and puts them in force; on an error the old configuration stays in
    /// force. A changed configuration ends the releases that were asked for.
    std::expected<void, ApiError> reload();
    /// Resolves the rules anew. The result can change with a device in a group that no rule wants, since
    /// rules name virtual functions by their physical function, and count devices.
    void resolve();
    /// Takes note of a change: forgets what the ledger holds of members that are gone. Returns whether the
    /// change concerns a rule.
    bool hear(const DeviceChange& change);

    const Policy& policy() const { return policy_; }
    const Resolution& resolution() const { return resolution_; }
    const std::string& configFile() const { return config_; }
    const std::string& configError() const { return configError_; }
    std::expected<Target, ApiError> targetOf(std::string_view text) const;

    /// Returns what is to become of the group: by its lease or request, else by its rule, else nothing. A
    /// group whose last lease has ended is to be released, unless a rule or a request keeps it.
    std::optional<Wanted> wanted(unsigned group) const;
    /// Returns what a call with these options would want of the group.
    Wanted requested(Action action, unsigned group, const CallOptions& options, const std::string& by) const;
    /// Returns what the daemon knows of a group that it owns; nullptr for other groups.
    const Owned* owned(unsigned group) const;
    /// Returns the request for the group, if any.
    std::optional<Request> requestFor(unsigned group) const;
    /// Returns the groups with a request for release that the daemon still owns: the daemon was ended before
    /// the release's journal was written, or after that journal was removed.
    std::vector<unsigned> unfinishedReleases() const;

    /// Records the requests in the ledger, and with `persist` in a drop-in for the next boots. Records all or
    /// nothing.
    std::expected<void, ApiError> note(const Requests& requests, Action action, const CallOptions& options);
    /// Call it when a request has failed: restores the request `before` it.
    void withdraw(unsigned group, const std::optional<Request>& before);
    /// Call it when the group is bound as wanted: the daemon owns it from now on. `natives` are the drivers
    /// that the members had; for a member that was on a VFIO driver already, the entry keeps what it knew
    /// before.
    void adopt(unsigned group, const std::map<Address, std::string>& natives);
    void disown(unsigned group);

    const LeaseBook& leases() const { return leases_; }
    /// Whether the group's last lease has ended and the group is not settled yet. False until a configuration
    /// was read, since a rule may want the group always (case 63).
    bool isOwed(unsigned group) const;
    /// Whether the group is bound for its leases and for nothing else.
    bool isLeasedOnly(unsigned group) const;
    /// Call it when the group has gone back after its last lease, or stays bound.
    void settleLease(unsigned group);
    /// Returns the error if leases forbid a bind or a release that the user asks for.
    std::optional<ApiError> leaseForbids(Action action, const Target& target, const CallOptions& options,
                                         uid_t uid) const;
    std::expected<void, ApiError> checkRoom(uid_t uid, const std::set<unsigned>& groups) const;
    std::map<Address, Ids> membersOf(unsigned group) const;
    using Granted = std::function<void(std::expected<Descriptor, ApiError>)>;
    /// Records a lease on the groups and has its pipe stored. `bound` are the groups that are bound already.
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
    PolicyIndex index_; ///< of policy_
    ConfigTexts texts_; ///< the texts that policy_ was read from
    Resolution resolution_;
    std::string configError_;
    Ledger ledger_;
};

} // namespace vfiobind
