// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/callers.h"

#include "bus/calls.h"

#include <chrono>
#include <cstdint>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <utility>

namespace vfiobind::bus {
namespace {

using namespace std::chrono_literals;

constexpr const char* busDriver = "org.freedesktop.DBus";
constexpr const char* busDriverPath = "/org/freedesktop/DBus";
constexpr std::string_view noOwner = "org.freedesktop.DBus.Error.NameHasNoOwner";
/// How long the bus may take to tell a uid; longer means that it does not work.
constexpr auto tellLimit = 25s;
/// How many calls of one sender wait for its uid, since each takes memory.
constexpr std::size_t mostWaiting = 32;
/// How many senders are remembered. Who is forgotten is asked for again.
constexpr std::size_t mostKnown = 256;

std::string senderOf(sd_bus_message* call) {
    const char* name = sd_bus_message_get_sender(call);
    return name != nullptr ? name : "";
}

} // namespace

std::string Caller::str() const {
    return fmt::format("uid {} ({})", uid, name);
}

Callers::Callers(sdbus::IConnection& connection) :
    bus_(sdbus::createProxy(connection, BusName{busDriver}, sdbus::ObjectPath{busDriverPath})) {
    finishRegistration(*bus_);
}

std::optional<Caller> Callers::known(sd_bus_message* call) const {
    const auto found = known_.find(senderOf(call));
    if (found == known_.end())
        return std::nullopt;
    return Caller{.name = found->first,
                  .uid = found->second,
                  .interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0};
}

void Callers::identify(sd_bus_message* call, Go go, Refuse refuse) {
    if (const auto caller = known(call))
        return go(*caller);
    const auto sender = senderOf(call);
    const bool interactive = sd_bus_message_get_allow_interactive_authorization(call) > 0;
    auto& waiting = waiting_[sender];
    if (waiting.size() >= mostWaiting)
        return refuse({ApiError::Kind::limitsExceeded,
                       fmt::format("{} calls of {} wait until the bus has told who that is; ask again when "
                                   "they are answered",
                                   waiting.size(), sender)});
    waiting.push_back({interactive, std::move(go), std::move(refuse)});
    if (waiting.size() > 1)
        return;
    try {
        ask(sender);
    } catch (...) {
        take(sender); // nobody would ask again
        throw;
    }
}

void Callers::ask(const std::string& sender) {
    bus_->callMethodAsync("GetConnectionUnixUser")
        .onInterface(busDriver)
        .withTimeout(std::chrono::microseconds(tellLimit))
        .withArguments(sender)
        .uponReplyInvoke([this, sender](AsyncError error, const std::uint32_t& uid) {
            if (!error)
                return hear(sender, uid);
            const std::string name = error->getName();
            // Who calls and goes is no news; any user can do that without end.
            const auto level = name == noOwner ? spdlog::level::debug : spdlog::level::warn;
            const auto why = fmt::format("{}: {}", name, std::string(error->getMessage()));
            spdlog::log(level, "the bus does not tell who {} is: {}", sender, why);
            fail(sender, why);
        });
}

std::vector<Callers::Waiting> Callers::take(const std::string& sender) {
    const auto node = waiting_.extract(sender);
    return node.empty() ? std::vector<Waiting>{} : std::move(node.mapped());
}

void Callers::hear(const std::string& sender, uid_t uid) {
    if (order_.size() >= mostKnown) {
        known_.erase(order_.front());
        order_.pop_front();
    }
    known_.emplace(sender, uid);
    order_.push_back(sender);
    for (const auto& call : take(sender))
        answerSafely(sender, call,
                     [&] { call.go({.name = sender, .uid = uid, .interactive = call.interactive}); });
}

/// No exception may leave a handler of sdbus-c++ 1.2 (doc/kernel.md 24), and each call is answered.
void Callers::answerSafely(const std::string& sender, const Waiting& call, const std::function<void()>& act) {
    try {
        try {
            act();
        } catch (const std::exception& error) {
            spdlog::error("a call of {} has failed: {}", sender, error.what());
            call.refuse({ApiError::Kind::failed, error.what()});
        }
    } catch (const std::exception& error) {
        spdlog::error("a call of {} cannot be answered: {}", sender, error.what());
    }
}

void Callers::fail(const std::string& sender, const std::string& why) {
    for (const auto& call : take(sender))
        answerSafely(sender, call, [&] {
            call.refuse(
                {ApiError::Kind::accessDenied,
                 fmt::format("the bus does not tell who {} is ({}), so nothing is done", sender, why)});
        });
}

} // namespace vfiobind::bus
