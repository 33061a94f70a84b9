// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bus/check_gate.h"

#include "bus/shared_vtable.h"

#include <algorithm>
#include <spdlog/spdlog.h>

namespace vfiobind::bus {
namespace {

using namespace std::chrono_literals;

constexpr auto refusalTakes = 1s;
/// How many refusals wait, since each takes memory; more are sent at once.
constexpr std::size_t mostRefusals = 1024;

void sendRefusal(sd_bus_message* refusal) {
    // Fails if the caller's connection or the bus is gone, or the queue is full.
    if (const int code = sd_bus_send(nullptr, refusal, nullptr); code < 0)
        spdlog::warn("a refused Check is not answered: {}", errnoName(-code));
}

} // namespace

CheckGate::CheckGate(EventLoop& loop, sdbus::IConnection& connection, const Core& core,
                     const Callers& callers) : loop_(loop), core_(core), callers_(callers) {
    sd_bus_slot* slot = nullptr;
    checked(sd_bus_add_filter(rawBus(connection), &slot, hear, this), "cannot look at calls as they come");
    filter_.reset(slot);
}

int CheckGate::hear(sd_bus_message* message, void* self, sd_bus_error* error) {
    if (sd_bus_message_is_method_call(message, nullptr, "Check") <= 0)
        return 0;
    return guarded(error, [&] { return static_cast<CheckGate*>(self)->refuse(message) ? 1 : 0; });
}

/// Returns whether the call is done with.
bool CheckGate::refuse(sd_bus_message* call) {
    if (sd_bus_message_get_expect_reply(call) == 0)
        return true; // a Check does nothing but answer
    const auto caller = callers_.known(call);
    if (!caller)
        return false;
    const auto refusal = core_.checkRefusal({.uid = caller->uid, .by = caller->str()});
    if (!refusal)
        return false;
    const sd_bus_error error = SD_BUS_ERROR_MAKE_CONST(refusal->name(), refusal->sentence.c_str());
    sd_bus_message* made = nullptr;
    checked(sd_bus_message_new_method_error(call, &made, &error), "cannot refuse a call");
    std::unique_ptr<sd_bus_message, Unref> message(made);
    if (refusals_.size() >= mostRefusals) {
        sendRefusal(made);
        return true;
    }
    refusals_.push_back({Clock::now() + refusalTakes, std::move(message)});
    if (!next_)
        sendLater();
    return true;
}

void CheckGate::sendLater() {
    const auto left = std::max<Clock::duration>(refusals_.front().due - Clock::now(), 0s);
    next_ = loop_.timer(std::chrono::ceil<std::chrono::microseconds>(left), [this] { sendDue(); });
}

void CheckGate::sendDue() {
    next_.reset();
    for (const auto now = Clock::now(); !refusals_.empty() && refusals_.front().due <= now;
         refusals_.pop_front())
        sendRefusal(refusals_.front().message.get());
    if (!refusals_.empty())
        sendLater();
}

} // namespace vfiobind::bus
