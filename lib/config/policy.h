// SPDX-License-Identifier: LGPL-2.1-or-later
/// What the administrator wants, as the configuration files say it.
#pragma once

#include "config/publish_options.h"
#include "pci/selector.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace vfiobind {

/// A place in a configuration file, for messages.
struct SourceLocation {
    std::string file;
    unsigned line = 0;   ///< from 1; 0 where unknown
    unsigned column = 0; ///< from 1

    bool operator==(const SourceLocation&) const = default;
    std::string str() const; ///< `file:line:column`
};

enum class Method {
    driverOverride, ///< `driver_override`, then `bind`
    newId,          ///< `new_id`, for kernels or drivers where the override does not serve
};

/// When a rule's groups are bound.
enum class When {
    always, ///< at boot, at hotplug and at a reload
    asked,  ///< only for a call or a lease, which then has the rule's options
};

/// What becomes of a group when its last lease has ended.
enum class GiveBack {
    native, ///< it goes back to its native drivers
    never,  ///< it stays with VFIO
};

/// Who may open `/dev/vfio/N` of a rule's groups.
struct NodeAccess {
    std::string owner; ///< user name, empty for root
    std::string group; ///< group name, empty for root
    std::string mode;  ///< four octal digits, empty for the default 0600

    bool operator==(const NodeAccess&) const = default;
};

/// One [[bind]] table, [defaults] already filled in.
struct Rule {
    std::string name;
    std::vector<Selector> devices;
    /// The endpoints that the administrator knows of beside `devices`; unset: whatever is in the group.
    std::optional<std::vector<Selector>> members;
    std::string driver = "auto";
    Method method = Method::driverOverride;
    std::vector<std::string> allow; ///< blocker codes taken on oneself
    std::optional<unsigned> count;  ///< refuse at boot and reload unless exactly so many devices match
    NodeAccess node;
    bool keep = false;
    unsigned sriovVfs = 0;
    When when = When::always;
    GiveBack giveBack = GiveBack::native;
    std::vector<std::string> pauseUnits; ///< systemd's units to stop before the guards look, in this order
    std::chrono::milliseconds timeout{30000};
    SourceLocation where;

    bool operator==(const Rule&) const = default;
};

/// Options for the vfio modules; unset is "leave as it is".
struct ModuleOptions {
    std::optional<bool> disableVga;
    std::optional<bool> disableIdleD3;
    std::optional<bool> allowUnsafeInterrupts; ///< vfio_iommu_type1
    bool operator==(const ModuleOptions&) const = default;
};

/// A file whose `[match]` does not hold on this machine, so that it counts as absent.
struct UnmatchedFile {
    std::string file;
    std::string why; ///< `it is for host "gpu*", and this is "node7"`
    bool operator==(const UnmatchedFile&) const = default;
};

struct Policy {
    std::string logLevel = "info";
    ModuleOptions modules;
    PublishOptions publish;
    std::vector<Rule> rules;
    std::vector<std::string> files;       ///< those that were read and hold here, in order
    std::vector<std::string> masked;      ///< links to /dev/null, each in the place of files of its name
    std::vector<UnmatchedFile> unmatched; ///< those that are for other machines, in order
    /// The word of the kernel command line for which every part stands back (`vfio_bind=off`): then there are
    /// neither rules nor module options. Empty where they are in force.
    std::string standsBack;

    bool operator==(const Policy&) const = default;
    const Rule* find(std::string_view name) const;
};

} // namespace vfiobind
