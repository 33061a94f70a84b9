// SPDX-License-Identifier: LGPL-2.1-or-later
#include "exit_code.h"

#include <algorithm>
#include <array>

namespace vfiobind::ctl {

namespace {

constexpr std::array<std::string_view, 4> blockedErrors{
    "org.vfiobind1.Error.Blocked", "org.vfiobind1.Error.NotViable", "org.vfiobind1.Error.InUse",
    "org.vfiobind1.Error.DriverMissing"};

constexpr std::array<std::string_view, 2> usageErrors{"org.vfiobind1.Error.InvalidArgument",
                                                      "org.freedesktop.DBus.Error.InvalidArgs"};

/// Nobody answers, or nobody does any more. The System.Error names are sd-bus's for errno values of the
/// socket (sd_bus_error_set_errno(3)).
constexpr std::array<std::string_view, 12> absentErrors{"org.freedesktop.DBus.Error.ServiceUnknown",
                                                        "org.freedesktop.DBus.Error.NameHasNoOwner",
                                                        "org.freedesktop.DBus.Error.NoReply",
                                                        "org.freedesktop.DBus.Error.NoServer",
                                                        "org.freedesktop.DBus.Error.Disconnected",
                                                        "org.freedesktop.DBus.Error.Timeout",
                                                        "org.freedesktop.DBus.Error.TimedOut",
                                                        "System.Error.ENOTCONN",
                                                        "System.Error.ECONNRESET",
                                                        "System.Error.ECONNREFUSED",
                                                        "System.Error.ETIMEDOUT",
                                                        "System.Error.EPIPE"};

/// The bus or systemd could not start the daemon.
constexpr std::array<std::string_view, 2> absentPrefixes{"org.freedesktop.DBus.Error.Spawn.",
                                                         "org.freedesktop.systemd1."};

template <std::size_t count>
bool contains(const std::array<std::string_view, count>& names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
}

} // namespace

ExitCode exitCodeFor(std::string_view name) {
    if (contains(blockedErrors, name))
        return ExitCode::blocked;
    if (contains(usageErrors, name))
        return ExitCode::usage;
    const auto starts = [name](std::string_view prefix) { return name.starts_with(prefix); };
    if (contains(absentErrors, name) || std::ranges::any_of(absentPrefixes, starts))
        return ExitCode::noDaemon;
    return ExitCode::failed;
}

} // namespace vfiobind::ctl
