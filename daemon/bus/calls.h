// SPDX-License-Identifier: LGPL-2.1-or-later
/// What all method handlers share: object paths, and the errors that calls are answered with.
#pragma once

#include "api_error.h"
#include "core.h"
#include "dbus/sdbus_compat.h"

#include <fmt/format.h>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

namespace vfiobind::bus {

inline std::string groupPath(unsigned group) {
    return fmt::format("{}/group/{}", rootPath, group);
}
inline std::string devicePath(const vfiobind::Address& device) {
    return fmt::format("{}/device/{}", rootPath, device.objectName());
}
inline std::string jobPath(std::uint32_t job) {
    return job == 0 ? "/" : fmt::format("{}/job/{}", rootPath, job);
}

std::vector<sdbus::ObjectPath> devicePaths(const auto& addresses) {
    std::vector<sdbus::ObjectPath> paths;
    for (const auto& address : addresses)
        paths.emplace_back(devicePath(address));
    return paths;
}

/// Throws sdbus::Error if sd-bus returned a negative errno.
inline void checked(int code, const char* what) {
    if (code < 0)
        throw sdbus::createError(-code, what);
}

inline sdbus::Error toBus(const ApiError& error) {
    return makeError(error.name(), error.sentence);
}

using BlockerStruct = sdbus::Struct<std::string, std::string, std::string>;
std::vector<BlockerStruct> toBus(const Blockers& blockers);

/// Runs `handler` and answers the call with its exception. sdbus-c++ 1.2 aborts the process if anything but
/// sdbus::Error leaves a handler (doc/kernel.md 24).
template <typename Result, typename Handler>
void answer(const std::shared_ptr<Result>& result, Handler handler) {
    try {
        handler();
    } catch (const sdbus::Error& error) {
        result->returnError(error);
    } catch (const std::exception& error) {
        result->returnError(makeError("org.freedesktop.DBus.Error.Failed", error.what()));
    }
}

/// The same for a call that is answered at once: throws sdbus::Error and nothing else.
template <typename Handler>
auto answered(Handler handler) {
    try {
        return handler();
    } catch (const sdbus::Error&) {
        throw;
    } catch (const std::exception& error) {
        throw makeError("org.freedesktop.DBus.Error.Failed", error.what());
    }
}

} // namespace vfiobind::bus
