// SPDX-License-Identifier: LGPL-2.1-or-later
/// Every key that the configuration knows, table by table. Whoever adds one describes it in
/// vfio-bind.toml(5), too: manual_test.cpp compares the two.
#pragma once

#include <array>
#include <string_view>

namespace vfiobind {

inline constexpr std::array<std::string_view, 6> topKeys{"match",    "daemon",  "defaults",
                                                         "vfio-pci", "publish", "bind"};
inline constexpr std::array<std::string_view, 6> matchKeys{
    "host", "machine-id", "board", "product", "virtualization", "kernel-command-line"};
inline constexpr std::array<std::string_view, 1> daemonKeys{"log-level"};
inline constexpr std::array<std::string_view, 3> moduleKeys{"disable-vga", "disable-idle-d3",
                                                            "allow-unsafe-interrupts"};
inline constexpr std::array<std::string_view, 5> publishKeys{"cdi", "cdi-kind", "cdi-nodes", "metrics",
                                                             "nfd"};
inline constexpr std::array<std::string_view, 14> ruleKeys{
    "name",      "devices", "members", "driver", "method",      "allow",     "count",
    "sriov-vfs", "node",    "keep",    "when",   "pause-units", "give-back", "timeout"};
/// What is said of one rule only, so that [defaults] cannot have it.
inline constexpr std::array<std::string_view, 6> keysWithoutDefault{"name",  "devices",     "members",
                                                                    "count", "pause-units", "sriov-vfs"};
inline constexpr std::array<std::string_view, 5> selectorKeys{"address", "id", "subsystem", "path", "serial"};
inline constexpr std::array<std::string_view, 3> nodeKeys{"owner", "group", "mode"};

inline constexpr std::array<std::string_view, 5> logLevels{"trace", "debug", "info", "warn", "error"};
inline constexpr std::array<std::string_view, 2> methods{"override", "new-id"};
inline constexpr std::array<std::string_view, 2> whens{"always", "asked"};
inline constexpr std::array<std::string_view, 2> giveBacks{"native", "never"};

} // namespace vfiobind
