// SPDX-License-Identifier: LGPL-2.1-or-later
#include "machine/override_survey.h"

#include <array>
#include <chrono>
#include <spdlog/spdlog.h>
#include <system_error>

namespace vfiobind {
namespace {

using namespace std::chrono_literals;

constexpr std::array<std::chrono::seconds, 2> surveyPauses{1s, 5s};

} // namespace

void OverrideSurvey::begin() {
    again_.reset();
    WorkOrder order{.kind = WorkOrder::Kind::survey};
    for (const auto& [address, device] : machine_.topology().devices())
        if (device.endpoint())
            order.devices.push_back(address);
    try {
        work_ = executor_.start(std::move(order), machine_.topology(), [this](const WorkMessage& message) {
            if (const auto* read = std::get_if<OverrideRead>(&message))
                return machine_.noteOverride(read->device, read->value);
            if (const auto* died = std::get_if<Died>(&message))
                failed(died->how);
            work_.reset();
        });
    } catch (const std::system_error& error) {
        failed(error.what());
    }
}

void OverrideSurvey::failed(const std::string& why) {
    spdlog::error("driver_override of the devices could not be read: {}", why);
    if (failures_ < surveyPauses.size())
        again_ = loop_.timer(surveyPauses.at(failures_++), [this] { begin(); });
}

} // namespace vfiobind
