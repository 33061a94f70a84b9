// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/authority.h"

#include "bus/calls.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <tuple>
#include <unistd.h>

namespace vfiobind::bus {
namespace {

using namespace std::chrono_literals;

constexpr const char* polkitName = "org.freedesktop.PolicyKit1";
constexpr const char* polkitPath = "/org/freedesktop/PolicyKit1/Authority";
constexpr const char* polkitInterface = "org.freedesktop.PolicyKit1.Authority";
/// PolkitCheckAuthorizationFlags
constexpr std::uint32_t allowUserInteraction = 1;
/// How long polkitd may take to answer from its rules; longer means that it does not work.
constexpr auto limit = 8s;
/// How long a user may take to type a password.
constexpr auto limitForUser = 5min;
/// How many open questions one caller may have, since each takes memory and anybody may ask.
constexpr std::ptrdiff_t openForOne = 16;

} // namespace

struct Authority::Question {
    Caller caller;
    std::vector<std::string> actions; ///< the first is being asked
    Details details;
    Answer answer;
    std::string cancellationId;
    sdbus::Slot gone;
    bool over = false;
};

Authority::Authority(EventLoop& loop, sdbus::IConnection& connection) :
    loop_(loop), connection_(connection), callers_(connection),
    polkit_(sdbus::createProxy(connection, BusName{polkitName}, sdbus::ObjectPath{polkitPath})) {
    finishRegistration(*polkit_);
}

Authority::~Authority() = default;

void Authority::ask(const Caller& caller, std::vector<std::string> actions, Details details, Answer answer) {
    if (caller.uid == 0 || caller.uid == geteuid())
        return answer(std::nullopt);
    const auto open = std::ranges::count_if(
        questions_, [&](const QuestionPtr& question) { return question->caller.uid == caller.uid; });
    if (open >= openForOne)
        return answer(ApiError{
            ApiError::Kind::accessDenied,
            fmt::format("uid {} has {} requests that wait for an authorisation already", caller.uid, open)});
    auto question = std::make_shared<Question>();
    question->caller = caller;
    question->actions = std::move(actions);
    question->details = std::move(details);
    question->answer = std::move(answer);
    question->gone =
        addMatch(connection_,
                 fmt::format("type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',"
                             "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{}'",
                             caller.name),
                 [this, weak = std::weak_ptr(question)](sdbus::Message&) {
                     if (const auto left = weak.lock(); left && !left->over) {
                         spdlog::info("{} went away before it was authorised; its request is dropped",
                                      left->caller.str());
                         cancel(left);
                         forget(left);
                     }
                 });
    questions_.push_back(question);
    check(question, false);
}

/// Asks polkit, first without its user: a rule's answer comes within `limit`, so a polkitd that hangs is told
/// from a user who takes long.
void Authority::check(const QuestionPtr& question, bool askUser) {
    using Subject = sdbus::Struct<std::string, std::map<std::string, sdbus::Variant>>;
    using Result = sdbus::Struct<bool, bool, std::map<std::string, std::string>>;
    question->cancellationId = fmt::format("vfio-bind-{}", ++lastId_);
    const Subject subject{"system-bus-name", {{"name", sdbus::Variant(question->caller.name)}}};
    const auto time = askUser ? std::chrono::microseconds(limitForUser) : std::chrono::microseconds(limit);
    polkit_->callMethodAsync("CheckAuthorization")
        .onInterface(polkitInterface)
        .withTimeout(time)
        .withArguments(subject, "org.vfiobind1." + question->actions.front(), question->details,
                       askUser ? allowUserInteraction : 0U, question->cancellationId)
        .uponReplyInvoke([this, question, askUser](AsyncError error, const Result& result) {
            if (question->over)
                return;
            if (!error)
                return hear(question, askUser, std::get<0>(result), std::get<1>(result));
            cancel(question);
            end(question,
                ApiError{ApiError::Kind::accessDenied,
                         fmt::format("polkit, which says what uid {} may do, does not answer ({}: {}); "
                                     "root may go on",
                                     question->caller.uid, std::string(error->getName()),
                                     error->getMessage())});
        });
}

void Authority::hear(const QuestionPtr& question, bool askedUser, bool authorized, bool challenge) {
    if (authorized) {
        question->actions.erase(question->actions.begin());
        if (question->actions.empty())
            return end(question, std::nullopt);
        return check(question, false);
    }
    if (challenge && !askedUser && question->caller.interactive)
        return check(question, true);
    const auto& action = question->actions.front();
    if (challenge && !question->caller.interactive)
        return end(question,
                   ApiError{ApiError::Kind::interactionRequired,
                            fmt::format("uid {} may do this (org.vfiobind1.{}) after an authentication, "
                                        "and the call does not allow to ask for it",
                                        question->caller.uid, action)});
    end(question,
        ApiError{ApiError::Kind::accessDenied,
                 fmt::format("polkit does not let uid {} do this (org.vfiobind1.{}{})", question->caller.uid,
                             action, challenge ? "; nobody authenticated" : "")});
}

void Authority::end(const QuestionPtr& question, const std::optional<ApiError>& denial) {
    forget(question);
    if (denial)
        spdlog::info("{} is denied: {}", question->caller.str(), denial->sentence);
    // No exception may leave a handler of sdbus-c++ 1.2 (doc/kernel.md 24).
    try {
        question->answer(denial);
    } catch (const std::exception& error) {
        spdlog::error("the request of {} is lost: {}", question->caller.str(), error.what());
    }
}

/// Ends the question in polkitd, and the dialogue of polkit's agent.
void Authority::cancel(const QuestionPtr& question) {
    polkit_->callMethodAsync("CancelCheckAuthorization")
        .onInterface(polkitInterface)
        .withTimeout(limit)
        .withArguments(question->cancellationId)
        .uponReplyInvoke([](AsyncError error) {
            if (error) // the question has ended, or there is no polkitd
                spdlog::debug("polkit: {}", error->getMessage());
        });
}

void Authority::forget(const QuestionPtr& question) {
    question->over = true;
    std::erase(questions_, question);
    over_.push_back(question);
    sweep_ = loop_.soon([this] { over_.clear(); });
}

} // namespace vfiobind::bus
