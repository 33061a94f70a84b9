// SPDX-License-Identifier: LGPL-2.1-or-later
/// One Bind, Release or Check, or the reconciler's own wish. All of the call's groups get a verdict before
/// the first write to any; all groups go, or none. A call is answered once.
#pragma once

#include "call/call_options.h"
#include "group/call_of_group.h"
#include "group/surroundings.h"
#include "intent/intent.h"

#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace vfiobind {

class Group;

using JobsReply = std::function<void(const std::expected<std::vector<JobView>, ApiError>&)>;

/// Who asks.
struct Asker {
    uid_t uid = 0;
    std::string by; ///< for the log, and to tell one connection from another: `uid 1000 (:1.42)`
};

struct CheckResult {
    Blockers blockers;
    std::vector<std::string> steps;
};
using CheckReply = std::function<void(const std::expected<CheckResult, ApiError>&)>;

class Call final : public CallOfGroup, public std::enable_shared_from_this<Call> {
public:
    struct Order {
        Action action = Action::bind;
        std::map<unsigned, Wanted> groups;
        Requests requests;  ///< what the ledger is to hold
        Blockers ungrouped; ///< of devices without a group; part of a check's answer
        CallOptions options;
        uid_t reader = 0; ///< who is to read the reply
        JobsReply reply;
        CheckReply checkReply;
        std::function<void()> setAside; ///< of a check: called in place of the reply (Call::setAside)
        std::optional<Lessee> lessee;   ///< of Acquire
        /// The groups' members when the caller was authorised.
        std::map<unsigned, std::map<Address, Ids>> authorised;
        /// Of Acquire: the lease, once it is there, for the reply.
        std::shared_ptr<std::optional<Descriptor>> lease;
        bool takesBack = false; ///< the group is taken back from another program
    };
    using FindGroup = std::function<Group&(unsigned)>;
    /// Has workers look at all groups of the call, which are reserved.
    using Look = std::function<void(const std::shared_ptr<Call>&)>;

    Call(Surroundings& around, FindGroup group, Look look, Order order) :
        around_(around), group_(std::move(group)), look_(std::move(look)), order_(std::move(order)) {}

    const std::map<unsigned, Wanted>& groups() const { return order_.groups; }
    bool isCheck() const { return isCheck_; }
    /// The group's members when the caller was authorised; none for the daemon's own wish.
    std::map<Address, Ids> authorisedMembers(unsigned group) const;
    /// Of a check that looks: lets its groups go without an answer, for a change. Does nothing where the look
    /// hangs, and has been answered so.
    void setAside();
    /// Reserves all groups of the call.
    void reserve();
    void receive(unsigned group, Verdict verdict) override;
    void cannotLook(const std::string& why) override;
    void cannotJudge(unsigned group, const std::string& how) override;
    /// Answers the caller, and drops the groups that do not hang.
    void hangs(const std::string& sentence) override;
    void withdraw(unsigned group) override;
    /// Answers a call that has reserved no groups yet.
    void refuseUnbegun(const ApiError& error) { replyError(error); }

private:
    std::set<unsigned> all() const;
    void drop(const std::set<unsigned>& groups);
    void refuse(const ApiError& error);
    void settle();
    Pauser::ByGroup unitsToPause() const;
    bool pause();
    void pauseEnded(const std::expected<bool, std::string>& stopped);
    void grant();
    std::optional<ApiError> membersDiffer() const;
    void letGo(const std::vector<unsigned>& going);
    bool stillWished() const;
    void answerCheck();
    void reply(const std::expected<std::vector<JobView>, ApiError>& answer);
    void reply(const std::expected<CheckResult, ApiError>& answer);
    void replyError(const ApiError& error);

    Surroundings& around_;
    FindGroup group_;
    Look look_;
    Order order_;
    bool isCheck_ = order_.checkReply != nullptr;
    bool givenUp_ = false; ///< the caller was answered that the look took too long
    bool pauses_ = false;  ///< its rules' units are seen to
    std::map<unsigned, Verdict> verdicts_;
    Requests before_; ///< what the ledger held before
};

} // namespace vfiobind
